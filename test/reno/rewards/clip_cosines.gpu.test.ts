/** Rewards whose image encoders run as one batch give what each gives alone. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosine } from '../../../commands/common/distances.ts';
import { memoryFiles } from '../../../commands/parity/fixtures.ts';
import { FIXTURES } from '../../../commands/parity/golden.ts';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { add, affine, sum } from '../../../src/kernels/index.ts';
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { readConfig } from '../../../src/models/checkpoint/read_config.ts';
import { writeSafetensors } from '../../../src/models/checkpoint/safetensors/write_safetensors.ts';
import { CLIPModel } from '../../../src/models/clip/clip.ts';
import { OPEN_CLIP_ALIASES, openClipConfig } from '../../../src/models/clip/open_clip.ts';
import type { ComputeDType } from '../../../src/models/layers/half_precision.ts';
import { openWeights } from '../../../src/models/weights/weight_store.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { openReward, openRewards, type Reward, type RewardName } from '../../../src/reno/rewards/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import type { Plan } from '../../../src/tensor/plan/plan.ts';
import { at } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { testDevice } from '../../support/test_device.ts';

const PROMPT = 'a red cube';
/** open_clip's own layout: fused q, k and v, projections transposed. */
const OPEN_CLIP = `${FIXTURES}/rewards/hps_open_clip`;

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

/** The network of OPEN_CLIP with other weights (each times `factor`, in reverse) as a CLIPModel folder of transformers. */
async function transformersFolder(name: string, factor: number): Promise<ModelFiles> {
  const files = nodeFiles(OPEN_CLIP);
  const config = openClipConfig(await readConfig(files, 'open_clip_config.json'));
  const store = await openWeights(new Graph(), files, 'model', {
    name: 'w',
    aliases: OPEN_CLIP_ALIASES,
    published: ['open_clip_model.safetensors'],
  });
  new CLIPModel(store, config);
  const values = await store.values();
  const tensors = store.used().map(({ node, shape }) => {
    const data = (values.get(node.name ?? '') ?? new Float32Array()).map((v) => v * factor);
    return [(node.name ?? '').slice(2), { shape, data: shape.length > 1 ? data.reverse() : data }] as const;
  });
  return memoryFiles(name, {
    'config.json': JSON.stringify(config),
    'model.safetensors': writeSafetensors(Object.fromEntries(tensors)),
    'tokenizer.json': await files.readText('tokenizer.json'),
    'tokenizer_config.json': await files.readText('tokenizer_config.json'),
  });
}

async function foldersOf(): Promise<Map<RewardName, ModelFiles>> {
  return new Map<RewardName, ModelFiles>([
    ['hps', nodeFiles(OPEN_CLIP)],
    ['clip', await transformersFolder('clip', 0.9)],
    ['pick_score', await transformersFolder('pick_score', 1.1)],
  ]);
}

const fileOf = (folders: ReadonlyMap<RewardName, ModelFiles>, name: RewardName): ModelFiles =>
  folders.get(name) ?? nodeFiles(`${FIXTURES}/rewards/${name}`);

interface Run {
  readonly plan: Plan;
  readonly losses: readonly Float32Array[];
  readonly gradient: Float32Array;
}

const WEIGHTS = [5, 0.1, 0.5];

/** Losses of `pictures` and the gradient of their weighted sum. */
async function run(graph: Graph, rewards: readonly Reward[], pictures: number): Promise<Run> {
  const shape = [pictures, 13, 15, 3];
  const image = graph.input('image', shape, 'step');
  const losses = rewards.map((reward) => reward.loss(image));
  const total = losses.map((loss, i) => affine(sum(loss), at(WEIGHTS, i))).reduce((a, b) => add(a, b));
  const [gradient] = gradients(total, [image]);
  const outputs = { gradient, ...Object.fromEntries(losses.map((loss, i) => [`loss ${i}`, loss])) };
  const plan = await compile(device, { outputs });
  for (const reward of rewards) {
    for (const store of reward.weights) {
      store.assertAllUsed();
      await store.upload(plan);
    }
    for (const [name, values] of reward.promptValues(PROMPT)) {
      plan.write(name, values);
    }
  }
  plan.write('image', fill({ shape, fill: 'unit' }, 1));
  plan.run('load');
  plan.run('prompt');
  plan.run('step');
  return {
    plan,
    losses: await Promise.all(losses.map((_, i) => plan.read(`loss ${i}`))),
    gradient: await plan.read('gradient'),
  };
}

const NAMES = ['hps', 'clip', 'pick_score'] as const;

describe.each<[ComputeDType, number, number]>([
  ['f32', 1, 1e-5],
  ['f32', 2, 1e-5],
  ['f16', 1, 3e-3],
])('in %s, %d picture(s)', (dtype, pictures, bound) => {
  it('three rewards are one batch, and each is what it is alone', async () => {
    const folders = await foldersOf();
    const graph = new Graph();
    const together = await openRewards(graph, NAMES, (name) => fileOf(folders, name), dtype);
    const joint = await run(graph, together, pictures);
    using _ = joint.plan;
    const apart = new Graph();
    const alone: Reward[] = [];
    for (const name of NAMES) {
      alone.push(await openReward(apart, name, fileOf(folders, name), dtype));
    }
    const single = await run(apart, alone, pictures);
    using __ = single.plan;

    single.losses.forEach((expected, i) => {
      expected.forEach((loss, picture) => {
        const difference = Math.abs(at(at(joint.losses, i), picture) - loss);
        expect(difference / Math.max(1, Math.abs(loss)), `${NAMES[i]}, picture ${picture}`).toBeLessThan(bound);
      });
    });
    expect(cosine(joint.gradient, single.gradient)).toBeGreaterThan(1 - bound);

    const products = ({ plan }: Run): number =>
      plan.schedule.steps.step.filter((step) => step.node.op?.name === 'matmul').length;
    expect(products(single)).toBe(3 * products(joint));
    // The weights lie one after another in buffers of three; none is joined by a dispatch.
    expect(joint.plan.schedule.steps.load.filter((step) => step.node.op?.name === 'concat')).toEqual([]);
    const parts = ['hps', 'clip_score', 'pick_score'].map((key) => {
      return joint.plan.schedule.inputs.get(`${key}.vision_model.encoder.layers.0.mlp.fc1.weight`);
    });
    expect(new Set(parts.map((part) => part?.buffer)).size).toBe(1);
    expect(joint.plan.summary.memory.resident).toBe(single.plan.summary.memory.resident);
  });
});

it('a reward of another shape stays alone', async () => {
  const folders = await foldersOf();
  folders.delete('clip'); // The fixture's own is 21 wide.
  const graph = new Graph();
  const rewards = await openRewards(graph, NAMES, (name) => fileOf(folders, name));
  const { plan } = await run(graph, rewards, 1);
  using _ = plan;
  const paths = new Set(plan.schedule.steps.step.map((step) => step.node.path.split('.')[0]));
  expect(paths).toContain('hps+pick_score');
  expect(paths).toContain('clip_score');
});
