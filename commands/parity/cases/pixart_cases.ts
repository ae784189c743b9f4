/** PixArt-α DMD's networks (python/reference/pixart.py). */

import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { PixArtBlock } from '../../../src/models/pixart/pixart_block.ts';
import {
  PIXART_IGNORE,
  PixArtTransformer2DModel,
  readPixArtTransformer2DConfig,
} from '../../../src/models/pixart/pixart_transformer_2d.ts';
import { T5_IGNORE, T5EncoderModel, t5Config } from '../../../src/models/t5/t5.ts';
import { at } from '../../../src/tensor/types.ts';
import { golden, type ParityCase } from '../golden.ts';

const t5 =
  (file: string): ParityCase =>
  (precision) =>
    golden(
      file,
      { ignore: T5_IGNORE },
      ({ weights, config, input, extra }) => new T5EncoderModel(weights, t5Config(config)).encode(input, extra('mask')),
      precision,
    );

const transformer =
  (name: string): ParityCase =>
  (precision) =>
    golden(
      name,
      { ignore: PIXART_IGNORE },
      async ({ weights, config, file, input, extra }) => {
        const model = new PixArtTransformer2DModel(weights, readPixArtTransformer2DConfig(config));
        const size = await readFloats(file, 'golden.size');
        return model.forward(input, {
          timestep: at(await readFloats(file, 'golden.timestep'), 0),
          caption: extra('caption'),
          captionMask: extra('mask'),
          height: at(size, 0),
          width: at(size, 1),
        });
      },
      precision,
    );

const block: ParityCase = (precision) =>
  golden(
    'pixart_block.safetensors',
    {},
    ({ weights, input, extra }) => {
      const model = new PixArtBlock(weights, { inner_dim: 72, num_attention_heads: 1, norm_eps: 1e-6 });
      return model.forward(input, extra('caption'), extra('mask'), extra('modulation'));
    },
    precision,
  );

export const CASES: Readonly<Record<string, ParityCase>> = {
  'T5 encoder, gated gelu, three heads, two masked texts': t5('t5.safetensors'),
  'T5 encoder, relu, two heads, odd length': t5('t5_relu.safetensors'),
  'PixArt block, head of 72, masked caption': block,
  'PixArtTransformer2DModel, by its older name, 3×5 patches, masked captions': transformer('pixart.safetensors'),
  'PixArtTransformer2DModel that is told the size of the picture': transformer('pixart_sized.safetensors'),
};
