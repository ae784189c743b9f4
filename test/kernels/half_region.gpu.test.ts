import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nmse } from '../../commands/common/distances.ts';
import { add, affine, inHalf, mul, square, sum } from '../../src/kernels/index.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { Graph } from '../../src/tensor/graph.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { gradients } from '../../src/tensor/vjp.ts';
import { testDevice } from '../support/test_device.ts';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => device.destroy());

const X = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i + 1));

/** d/dx of loss(x), on the GPU. */
async function gradientOf(loss: (x: Tensor) => Tensor): Promise<Float32Array> {
  const x = new Graph().input('x', [3, 8], 'step');
  const [gradient] = gradients(loss(x), [x]);
  using plan = await compile(device, { outputs: { gradient } });
  plan.write('x', X);
  plan.run('load');
  plan.run('step');
  return await plan.read('gradient');
}

describe('a part in f16', () => {
  // 2e-9 x is far below f16's smallest number, 6e-8.
  it('keeps gradients that f16 cannot hold', async () => {
    const gradient = await gradientOf((x) => affine(sum(inHalf(x, square)), 1e-9));
    expect(
      nmse(
        gradient,
        X.map((v) => 2e-9 * v),
      ),
    ).toBeLessThan(1e-6);
  });

  it('keeps gradients that would overflow f16', async () => {
    const gradient = await gradientOf((x) => affine(sum(inHalf(x, square)), 1e9));
    expect(
      nmse(
        gradient,
        X.map((v) => 2e9 * v),
      ),
    ).toBeLessThan(1e-6);
  });

  it('has a scale of its own even where parts share their input', async () => {
    const gradient = await gradientOf((x) => {
      return add(affine(sum(inHalf(x, square)), 1e-9), affine(sum(inHalf(x, (h) => mul(h, square(h)))), 1e-6));
    });
    expect(
      nmse(
        gradient,
        X.map((v) => 2e-9 * v + 3e-6 * v * v),
      ),
    ).toBeLessThan(1e-6);
  });

  it('gives zeros for a cotangent of zeros', async () => {
    const gradient = await gradientOf((x) => affine(sum(inHalf(x, square)), 0));
    expect([...gradient].every((v) => v === 0)).toBe(true);
  });
});
