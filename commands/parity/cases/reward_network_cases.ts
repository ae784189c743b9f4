/** The rewards' networks (python/reference/clip.py, rewards.py), and what they do to a picture first. */
import { exp, l2Normalize, mul, sum } from '../../../src/kernels/index.ts';
import { ImageReward, imageRewardConfig } from '../../../src/models/blip/blip.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { CLIPModel, clipConfig } from '../../../src/models/clip/clip.ts';
import { eosMaskOf } from '../../../src/models/clip/clip_text.ts';
import { preprocess } from '../../../src/reno/rewards/preprocess.ts';
import { at } from '../../../src/tensor/types.ts';
import { fixtureConfig } from '../fixtures.ts';
import { golden, type ParityCase } from '../golden.ts';

/** CLIP's similarity of picture and text, with the gradient at the pixels. */
const clip =
  (name: string): ParityCase =>
  async (precision) => {
    const config = await fixtureConfig(name);
    const layout = { weights: 'w.', inputs: 'in.', input: 'pixels', output: 'out.logits', gradient: 'out.gradient' };
    return golden(
      `${name}.safetensors`,
      { layout, config },
      async ({ weights, input, extra, file }) => {
        const model = new CLIPModel(weights, clipConfig(config));
        const ids = extra('ids');
        const length = ids.dim(1);
        const values = await readFloats(file, 'in.ids');
        const masks = Array.from({ length: ids.dim(0) }, (_, row) => [
          ...eosMaskOf(values.slice(row * length, (row + 1) * length), model.config.text_config.eos_token_id),
        ]);
        const text = model.getTextFeatures(ids, input.graph.constant(masks.flat(), [ids.dim(0), length]));
        const image = model.getImageFeatures(input);
        return mul(sum(mul(l2Normalize(image), l2Normalize(text)), [1]), exp(model.logit_scale));
      },
      precision,
    );
  };

const imageReward: ParityCase = async (precision) => {
  const config = await fixtureConfig('image_reward');
  const layout = { weights: 'w.', inputs: 'in.', input: 'pixels', output: 'out.score', gradient: 'out.gradient' };
  return golden(
    'image_reward.safetensors',
    { layout, config },
    ({ weights, input, extra }) =>
      new ImageReward(weights, imageRewardConfig(config)).forward(input, extra('ids'), extra('mask')),
    precision,
  );
};

const resize =
  (name: string): ParityCase =>
  (precision) => {
    const layout = {
      weights: 'none.',
      inputs: `${name}.`,
      input: 'image',
      output: `${name}.pixels`,
      gradient: `${name}.gradient`,
      cotangent: `${name}.r`,
    };
    return golden(
      'preprocess.safetensors',
      { layout },
      ({ input, file }) => preprocess(input, at(file.entries.get(layout.output)?.shape ?? [], 1)),
      precision,
    );
  };

export const CASES: Readonly<Record<string, ParityCase>> = {
  'CLIPModel, quick_gelu, one and two heads': clip('clip_quick_gelu'),
  'CLIPModel, gelu, three heads, odd sizes': clip('clip_gelu'),
  'ImageReward: BLIP, masked BERT with cross-attention, MLP': imageReward,
  'preprocess, smaller': resize('down'),
  'preprocess, wide': resize('wide'),
  'preprocess, tall': resize('tall'),
  'preprocess, larger': resize('up'),
};
