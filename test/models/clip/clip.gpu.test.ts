/** CLIP against transformers: values and image gradients on the GPU, through a plan. Fixtures: python/reference/clip.py. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosine, nmse } from '../../../commands/common/distances.ts';
import { Fixture, fixtureConfig } from '../../../commands/parity/fixtures.ts';
import { exp, l2Normalize, mul, sum } from '../../../src/kernels/index.ts';
import { CLIPModel, clipConfig } from '../../../src/models/clip/clip.ts';
import { CLIPTextModel, eosMaskOf } from '../../../src/models/clip/clip_text.ts';
import { asF32 } from '../../../src/models/layers/tokens.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import { at } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

async function build(device: Device, name: string, storage: 'stored' | 'f16' = 'stored') {
  const fixture = await Fixture.open(name);
  const graph = new Graph();
  const weights = fixture.weights(graph, storage);
  const model = new CLIPModel(weights, clipConfig(await fixtureConfig(name)));
  const pixels = graph.input('pixels', fixture.shape('in.pixels'), 'step');
  const ids = graph.input('ids', fixture.shape('in.ids'), 'prompt', 'i32');
  const eosMask = graph.input('eos_mask', fixture.shape('in.ids'), 'prompt');
  const text = model.text_model.forward(ids);
  const textFeatures = model.getTextFeatures(ids, eosMask);
  const alone = new CLIPTextModel(weights, model.config.text_config).forward(ids);
  const imageFeatures = model.getImageFeatures(pixels);
  const similarity = sum(mul(l2Normalize(imageFeatures), l2Normalize(textFeatures)), [1]);
  const logits = mul(similarity, exp(asF32(model.logit_scale)));
  const [gradient] = gradients(sum(logits), [pixels]);
  const vision = model.image_encoder.vision_model.forward(pixels);
  const outputs = {
    last_hidden_state: text.lastHiddenState,
    penultimate: at(text.hiddenStates, text.hiddenStates.length - 2),
    pooled: text.pooled(eosMask),
    text_features: textFeatures,
    image_features: imageFeatures,
    vision_last_hidden_state: vision.lastHiddenState,
    vision_pooled: vision.pooled,
    vision_pooled_alone: model.image_encoder.vision_model.pooled(pixels),
    logits,
    gradient,
  };
  weights.assertAllUsed();
  const plan = await compile(device, { outputs });
  await weights.upload(plan);
  plan.write('pixels', await fixture.values('in.pixels'));
  const [rows, length] = [ids.dim(0), ids.dim(1)];
  const values = await fixture.values('in.ids');
  plan.write('ids', values);
  const eos = model.config.text_config.eos_token_id;
  const masks = Array.from({ length: rows }, (_, row) => [
    ...eosMaskOf(values.slice(row * length, (row + 1) * length), eos),
  ]);
  plan.write('eos_mask', masks.flat());
  plan.run('load');
  plan.run('prompt');
  plan.run('step');
  return { fixture, plan, text, alone, textFeatures, imageFeatures };
}

/** Without shader-f16, f16 weights are repacked four at a time: the odd widths of clip_gelu cannot be. */
const WITHOUT = { clip_quick_gelu: ['shader-f16', 'timestamp-query'], clip_gelu: ['timestamp-query'] } as const;

describe.each(['clip_quick_gelu', 'clip_gelu'] as const)('%s', (name) => {
  it('equals transformers', async () => {
    const { fixture, plan, text, alone, textFeatures, imageFeatures } = await build(device, name);
    using _ = plan;
    for (const output of [
      'last_hidden_state',
      'penultimate',
      'pooled',
      'text_features',
      'image_features',
      'vision_last_hidden_state',
      'logits',
      'gradient',
    ]) {
      const error = nmse(await plan.read(output), await fixture.values(`out.${output}`));
      expect(error, output).toBeLessThanOrEqual(1e-9);
    }
    expect(cosine(await plan.read('gradient'), await fixture.values('out.gradient'))).toBeGreaterThanOrEqual(0.999999);
    expect(nmse(await plan.read('vision_pooled_alone'), await plan.read('vision_pooled'))).toBeLessThanOrEqual(1e-12);
    // A text encoder on its own keeps its prefix in older files: the same tensors, so the same nodes.
    expect(alone.lastHiddenState.node).toBe(text.lastHiddenState.node);
    expect(textFeatures.node.stage).toBe('prompt');
    expect(imageFeatures.node.stage).toBe('step');
  });

  it.each(WITHOUT[name])('stays close with f16 weights, without %s', async (feature) => {
    using on = await testDevice({ without: [feature] });
    const { fixture, plan } = await build(on, name, 'f16');
    using _ = plan;
    expect(nmse(await plan.read('logits'), await fixture.values('out.logits'))).toBeLessThanOrEqual(1e-5);
    expect(cosine(await plan.read('gradient'), await fixture.values('out.gradient'))).toBeGreaterThanOrEqual(0.9999);
  });
});
