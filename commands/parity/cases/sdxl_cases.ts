/** The SDXL family (python/reference/sdxl.py): UNets with text_time, and the second text encoder. */
import { concat, mul, reshape } from '../../../src/kernels/index.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { eosMaskOf } from '../../../src/models/clip/clip_text.ts';
import {
  CLIPTextModelWithProjection,
  clipTextWithProjectionConfig,
} from '../../../src/models/clip/clip_text_with_projection.ts';
import { readUNet2DConditionConfig, UNet2DConditionModel } from '../../../src/models/unet/unet_2d_condition.ts';
import { at } from '../../../src/tensor/types.ts';
import { golden, type ParityCase } from '../golden.ts';

const unet =
  (name: string): ParityCase =>
  (precision) =>
    golden(
      name,
      {},
      async ({ file, weights, config, input, extra }) => {
        const model = new UNet2DConditionModel(weights, readUNet2DConditionConfig(config));
        const timestep = at(await readFloats(file, 'golden.timestep'), 0);
        const time_ids = [...(await readFloats(file, 'golden.time_ids'))];
        return model.forward(input, timestep, extra('context'), { text_embeds: extra('text_embeds'), time_ids });
      },
      precision,
    );

/** hidden_states[-2] and text_embeds, flat, scaled by the input: nothing flows back through a text encoder. */
const text =
  (name: string): ParityCase =>
  (precision) =>
    golden(
      name,
      {},
      async ({ file, weights, config, input, extra }) => {
        const model = new CLIPTextModelWithProjection(weights, clipTextWithProjectionConfig(config));
        const mask = eosMaskOf(await readFloats(file, 'golden.ids'), model.config.eos_token_id);
        const said = model.forward(extra('ids'), input.graph.constant(mask, [1, mask.length]));
        const penultimate = at(said.hiddenStates, said.hiddenStates.length - 2);
        return mul(input, concat([reshape(penultimate, [-1]), reshape(said.textEmbeds, [-1])], 0));
      },
      precision,
    );

export const CASES: Readonly<Record<string, ParityCase>> = {
  'UNet2DConditionModel of SDXL: text_time, transformer layers and heads of each level': unet('unet_sdxl.safetensors'),
  'UNet2DConditionModel of SDXL: one number of heads, five sizes, sines first': unet('unet_sdxl_flat.safetensors'),
  'CLIPTextModelWithProjection, gelu, padded with token 0': text('clip_text_projection_gelu.safetensors'),
  'CLIPTextModelWithProjection, quick_gelu': text('clip_text_projection_quick_gelu.safetensors'),
};
