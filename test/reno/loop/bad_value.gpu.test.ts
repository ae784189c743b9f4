/** Values that are no finite numbers are planted in the forward pass, in the backward pass and in a later iteration: each is found. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SMALLEST_SETTINGS, smallestModel } from '../../../commands/faults/device/smallest_model.ts';
import { printBadValue } from '../../../src/cli/debug_variable.ts';
import { add, mean, mul, sigmoid, sqrt, sub, transpose } from '../../../src/kernels/index.ts';
import { findBadValue } from '../../../src/reno/loop/bad_value.ts';
import { NotFiniteError, runLoop } from '../../../src/reno/loop/loop.ts';
import { buildStep } from '../../../src/reno/loop/step_graph.ts';
import { Reno } from '../../../src/reno/session.ts';
import { withSettings } from '../../../src/reno/settings/settings.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import { describeNotFinite } from '../../../src/tensor/plan/not_finite.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { printed } from '../../cli/in_process.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

/** Runs a loop whose generator has `plant` in its second block. The noise begins at 1, and each iteration lowers it by 0.1. */
async function planted(plant: (x: Tensor) => Tensor) {
  const graph = new Graph();
  const latents = graph.input('latents', [1, 2, 2, 3], 'step');
  const image = graph.scope('generator', () => {
    const x = graph.scope('block.0', () => transpose(latents, [0, 2, 1, 3]));
    return graph.scope('block.1', () => plant(x));
  });
  const loss = graph.scope('judge', () => mean(image));
  const step = buildStep(
    { latents, image, rewards: [{ name: 'judge', weight: 1, loss }] },
    {
      kind: 'optimise',
      optimizer: { name: 'sgd', lr: 1.2, momentum: 0, nesterov: false, eps: 1e-8 },
      gradClip: 1e9,
      regWeight: 0,
    },
  );
  using plan = await compile(device, { outputs: step.outputs, updates: step.updates });
  const options = { noise: (i: number) => (i === 0 ? new Float32Array(12).fill(1) : null), iterations: 8 };
  await plan.run('load');
  await plan.run('prompt');
  const stopped = await runLoop(plan, step, options).then(
    (trajectory) => trajectory.stopped,
    (error: unknown) => (error instanceof NotFiniteError ? error.message : Promise.reject(error)),
  );
  const found = await findBadValue(plan, step, options);
  return { stopped, iteration: found?.iteration, where: found && describeNotFinite(found) };
}

describe('findBadValue', () => {
  it('finds nothing where all values are finite', async () => {
    expect(await planted((x) => sigmoid(x))).toEqual({ stopped: null, iteration: undefined, where: null });
  });

  it('names op and module of a value of the forward pass', async () => {
    const { stopped, iteration, where } = await planted((x) => sqrt(sub(x, 5)));
    expect(stopped).toMatch(/at iteration 0/);
    expect(iteration).toBe(0);
    expect(where).toMatch(/ in generator\.block\.1$/);
  });

  it('names op and module of a value of the backward pass, where the forward pass is finite', async () => {
    // √0 is 0, and its slope is infinite.
    const { stopped, iteration, where } = await planted((x) => add(x, sqrt(mul(x, 0))));
    expect(stopped).toMatch(/the gradient of the noise became (NaN|Infinity) at iteration 0/);
    expect(iteration).toBe(0);
    expect(where).toMatch(/ in backward generator\.block\.1$/);
  });

  it('names the iteration, where the value comes later', async () => {
    // With a gradient of 1/12 at least, the noise passes 0.6 after a few iterations, and the root of a negative number is none.
    const { stopped, iteration, where } = await planted((x) => add(x, sqrt(sub(x, 0.6))));
    const [, at = ''] = /at iteration (\d+)/.exec(stopped ?? '') ?? [];
    expect(Number(at)).toBeGreaterThan(0);
    expect(iteration).toBe(Number(at));
    expect(where).toMatch(/ in generator\.block\.1$/);
  });
});

describe('DEBUG=reno:5', () => {
  it('says in one sentence where the first bad value of a run is', { timeout: 60_000 }, async () => {
    const weight = 'generator/vae/diffusion_pytorch_model.safetensors decoder.up_blocks.0.resnets.0.conv1.weight';
    const settings = withSettings(SMALLEST_SETTINGS, { dtype: 'f32', nIters: 2 });
    using reno = await Reno.open(device, 'smallest', smallestModel({ [weight]: Number.NaN }), settings);
    const options = { prompt: 'a cat', seed: 1 };
    expect((await reno.generate(options)).trajectory.stoppedBy).toBe('not-finite');
    const say = async (level: number): Promise<string[]> =>
      (await printed(() => printBadValue(reno, options, level).then(() => 0))).stderr;
    expect(await say(4)).toEqual(['']);
    expect((await say(5)).at(-1)).toMatch(
      /^first value that is not finite: output \d \(f32\[[\d,]+\]\) of conv2d in generator\.vae\.decoder\.up_blocks\.0\.resnets\.0 \(kernel conv2d\.\S+\), at iteration 0$/,
    );
  });
});
