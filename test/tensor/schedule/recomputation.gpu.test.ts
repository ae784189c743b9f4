/** Activations that are evicted and recomputed: the same bits, in less memory, for more work. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fill } from '../../../src/kernels/check/case_values.ts';
import { add, gelu, linear, mean, mul, reshape, silu } from '../../../src/kernels/index.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { compile } from '../../../src/tensor/plan/compile.ts';
import type { Plan } from '../../../src/tensor/plan/plan.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import { testDevice } from '../../support/test_device.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

const [ROWS, WIDTH, DEPTH] = [512, 64, 10];
const ACTIVATION = ROWS * WIDTH * 4;

/** Small weights, large activations: residual blocks with a view in each, run forward and backward and then once more. */
async function opened(budget?: number): Promise<Plan> {
  const graph = new Graph();
  const z = graph.input('z', [ROWS, WIDTH], 'step');
  const names: string[] = [];
  const matrix = (name: string) => {
    names.push(name);
    return graph.input(name, [WIDTH, WIDTH], 'load');
  };
  let x = z;
  for (let i = 0; i < DEPTH; i++) {
    const inner = gelu(linear(x, matrix(`up.${i}`)));
    const seen = reshape(linear(reshape(inner, [2, ROWS / 2, WIDTH]), matrix(`down.${i}`)), [ROWS, WIDTH]);
    x = add(x, silu(seen));
  }
  const loss = mean(mul(x, x));
  const gradient = gradients(loss, [z])[0];
  const plan = await compile(device, {
    outputs: { loss, gradient },
    updates: [{ state: z, value: add(z, gradient) }],
    ...(budget === undefined ? {} : { budget }),
  });
  names.forEach((name, i) => {
    plan.write(name, fill({ shape: [WIDTH, WIDTH], scale: 0.1 }, i));
  });
  await plan.run('load');
  return plan;
}

async function results(plan: Plan): Promise<Float32Array[]> {
  plan.write('z', fill({ shape: [ROWS, WIDTH] }, 99));
  const found: Float32Array[] = [];
  for (let step = 0; step < 2; step++) {
    await plan.run('step');
    found.push(await plan.read('loss'), await plan.read('gradient'), await plan.read('z'));
  }
  return found;
}

it('fits each budget with the same bits, for more and more work', async () => {
  using whole = await opened();
  const expected = await results(whole);
  const { peak } = whole.summary.memory;
  let flops = whole.summary.flops.step;
  for (const fewer of [1, 3, 6]) {
    const budget = peak - fewer * ACTIVATION;
    using plan = await opened(budget);
    expect(plan.summary.memory.peak).toBeLessThanOrEqual(budget);
    expect(plan.summary.flops.step).toBeGreaterThan(flops);
    expect(plan.schedule.streams.size).toBe(0);
    flops = plan.summary.flops.step;
    for (let run = 0; run < 2; run++) {
      expect(await results(plan)).toEqual(expected);
    }
  }
  // Nothing is computed more than twice.
  expect(flops).toBeLessThan(2 * whole.summary.flops.step);
});
