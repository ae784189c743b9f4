/** The decoders that a generator's `vae` folder may hold, by the class that its config.json names. */
import { affine, clamp } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Config } from '../checkpoint/config.ts';
import { type ComputeDType, storedAs } from '../layers/half_precision.ts';
import type { WeightOptions } from '../weights/weight_inputs.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import {
  AUTOENCODER_KL_ALIASES,
  AUTOENCODER_KL_ENCODER,
  AutoencoderKL,
  readAutoencoderKLConfig,
} from './autoencoder_kl.ts';
import { AUTOENCODER_TINY_ENCODER, AutoencoderTiny, readAutoencoderTinyConfig } from './autoencoder_tiny.ts';

/** The methods that pipelines need of an autoencoder. */
export interface LatentDecoder {
  /** Pixels per latent, along one side. */
  readonly scale: number;
  /** Latents in the autoencoder's own range [N,h,w,C] → pixels in about [-1,1], [N,h·scale,w·scale,3]. */
  decode(z: Tensor): Tensor;
  /** Latents of unit variance → latents in the autoencoder's own range. */
  unscale(latents: Tensor): Tensor;
}

interface DecoderClass {
  readonly options: WeightOptions;
  /** diffusers' default of `force_upcast`: the decoder's activations overflow f16. */
  readonly forceUpcast: boolean;
  /** @param shifts whether the pipeline adds `shift_factor` to the latents (see `shiftOf`) */
  create(weights: WeightStore, config: Config, shifts: boolean): LatentDecoder;
}

const DECODERS = {
  AutoencoderKL: {
    options: { aliases: AUTOENCODER_KL_ALIASES, ignore: AUTOENCODER_KL_ENCODER },
    forceUpcast: true,
    create: (weights, config, shifts) =>
      new AutoencoderKL(weights, shiftOf(config, readAutoencoderKLConfig(config), shifts)),
  },
  AutoencoderTiny: {
    options: { ignore: AUTOENCODER_TINY_ENCODER },
    forceUpcast: false,
    create: (weights, config, shifts) =>
      new AutoencoderTiny(weights, shiftOf(config, readAutoencoderTinyConfig(config), shifts)),
  },
} as const satisfies Record<string, DecoderClass>;

/**
 * Returns the decoder's settings as the pipeline uses them. diffusers adds `shift_factor` in FluxPipeline alone: the pipelines of
 * Stable Diffusion, SDXL and PixArt divide by `scaling_factor` and do no more.
 */
function shiftOf<T extends { readonly shift_factor: number }>(config: Config, read: T, shifts: boolean): T {
  if (shifts || read.shift_factor === 0) {
    return read;
  }
  config.warn(`shift_factor is ${read.shift_factor}, which diffusers uses in a FluxPipeline alone; it is left out`);
  return { ...read, shift_factor: 0 };
}

export type DecoderName = keyof typeof DECODERS;
export const DECODER_NAMES = Object.keys(DECODERS) as DecoderName[];

/** Returns the entry of a decoder's class: how its weights are opened and how it is made. */
export function decoderClass(name: DecoderName): DecoderClass {
  return DECODERS[name];
}

/** Latents of unit variance [N,h,w,C] → pictures [N,H,W,3] in [0,1]. A clamped value has no gradient. */
export function decodeImage(vae: LatentDecoder, latents: Tensor, dtype: ComputeDType): Tensor {
  const pixels = storedAs(dtype, vae.unscale(latents), (z) => vae.decode(z));
  return clamp(affine(pixels, 0.5, 0.5), 0, 1);
}
