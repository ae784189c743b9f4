/** The diffusers networks of python/reference/networks.py. */

import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { readUNet2DConditionConfig, UNet2DConditionModel } from '../../../src/models/unet/unet_2d_condition.ts';
import {
  AUTOENCODER_KL_ALIASES,
  AutoencoderKL,
  readAutoencoderKLConfig,
} from '../../../src/models/vae/autoencoder_kl.ts';
import { AutoencoderTiny, readAutoencoderTinyConfig } from '../../../src/models/vae/autoencoder_tiny.ts';
import { at } from '../../../src/tensor/types.ts';
import { golden, type ParityCase } from '../golden.ts';

const unet =
  (file: string): ParityCase =>
  (precision) =>
    golden(
      file,
      {},
      async (site) => {
        const model = new UNet2DConditionModel(site.weights, readUNet2DConditionConfig(site.config));
        const timestep = at(await readFloats(site.file, 'golden.timestep'), 0);
        return model.forward(site.input, timestep, site.extra('context'));
      },
      precision,
    );

const autoencoderKL =
  (file: string): ParityCase =>
  (precision) =>
    golden(
      file,
      { aliases: AUTOENCODER_KL_ALIASES },
      (site) => new AutoencoderKL(site.weights, readAutoencoderKLConfig(site.config)).decode(site.input),
      precision,
    );

const autoencoderTiny: ParityCase = (precision) =>
  golden(
    'autoencoder_tiny.safetensors',
    {},
    (site) => new AutoencoderTiny(site.weights, readAutoencoderTinyConfig(site.config)).decode(site.input),
    precision,
  );

export const CASES: Readonly<Record<string, ParityCase>> = {
  'UNet2DConditionModel, linear projections, odd size, f16 weights': unet('unet.safetensors'),
  'UNet2DConditionModel as SDXL is laid out, convolution projections': unet('unet_deep.safetensors'),
  'AutoencoderKL decoder': autoencoderKL('autoencoder_kl.safetensors'),
  'AutoencoderKL decoder, old spelling, no post_quant_conv': autoencoderKL('autoencoder_kl_old.safetensors'),
  'AutoencoderTiny decoder': autoencoderTiny,
};
