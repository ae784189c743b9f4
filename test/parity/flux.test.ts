import { describe, it } from 'vitest';
import { expectClose, interpreted } from '../support/golden.ts';
import { FLUX_CASES } from './cases/flux.ts';

/** PyTorch's own f32 rounding is up to 1e-12 here; RMSNorm's epsilon of 1e-5 for 1e-6 is more. */
const BOUND = 4e-12;

describe('in f64 on the CPU, as PyTorch', () => {
  it.each(Object.entries(FLUX_CASES))('%s', async (_, make) => {
    const network = await make();
    expectClose(interpreted(network), network, BOUND);
  });
});
