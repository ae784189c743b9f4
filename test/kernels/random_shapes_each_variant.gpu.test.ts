/** Random and odd shapes by fast-check: each variant's value, and the gradient's kernels, against the f64 interpreter. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import '../../src/kernels/index.ts';
import { nmse } from '../../commands/common/distances.ts';
import { runCase, runGradient, supported } from '../../src/kernels/check/run_case.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { opNamed } from '../../src/tensor/op.ts';
import { RANDOM_CASES, showCase } from '../support/random_cases.ts';
import { testDevice } from '../support/test_device.ts';

const SEED = 20261124;
const RUNS = 6;
/** Below this root mean square a gradient counts as zero (attention to a single key has none to q, only rounding). */
const ZERO = 1e-3;

let device: Device;

beforeAll(async () => {
  device = await testDevice();
});

afterAll(() => {
  device.destroy();
});

describe.each(Object.entries(RANDOM_CASES))('%s', (name, cases) => {
  const op = opNamed(name);

  it.for(op.variants.map(({ name }) => name))('%s', async (variant, context) => {
    // Some are for large shapes only, or for other adapters: ops.gpu.test.ts has cases for those.
    if (!fc.sample(cases, { seed: SEED, numRuns: 200 }).some((c) => supported(device, op, c, variant))) {
      context.skip(`${variant} does not take shapes this small here`);
    }
    await fc.assert(
      fc.asyncProperty(cases, async (c) => {
        fc.pre(supported(device, op, c, variant));
        const { actual, expected } = await runCase(device, op, c, variant);
        const bound = c.inputs.some((i) => i.dtype === 'f16') ? 1e-6 : 1e-7;
        expected.forEach((e, i) => {
          expect(nmse(actual[i] ?? [], e), `${showCase(c)} output ${i}`).toBeLessThanOrEqual(bound);
        });
      }),
      { seed: SEED, numRuns: RUNS, maxSkipsPerRun: 1000 },
    );
  });

  it('gradient', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async (c) => {
        const { actual, expected } = await runGradient(device, op, c);
        expected.forEach((e, i) => {
          expect(nmse(actual[i] ?? [], e, ZERO), `${showCase(c)} gradient ${i}`).toBeLessThanOrEqual(1e-6);
        });
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
});
