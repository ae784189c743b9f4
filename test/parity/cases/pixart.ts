/** PixArt-α DMD's networks (tools/reference/pixart.py). */
import { T5_IGNORE, T5EncoderModel, t5Config } from '../../../src/models/t5.ts';
import { type Golden, golden } from '../../support/golden.ts';

const t5 = (file: string) => (): Promise<Golden> =>
  golden(file, { ignore: T5_IGNORE }, ({ weights, config, input, extra }) => {
    const model = new T5EncoderModel(weights, t5Config(config));
    return model.encode(input, extra('mask'));
  });

export const PIXART_CASES: Readonly<Record<string, () => Promise<Golden>>> = {
  'T5 encoder, gated gelu, three heads, two masked texts': t5('t5.safetensors'),
  'T5 encoder, relu, two heads, odd length': t5('t5_relu.safetensors'),
};
