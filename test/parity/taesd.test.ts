/** Tiny autoencoders in f64 on the CPU, as PyTorch. */
import { describe, it } from 'vitest';
import { expectClose, interpreted } from '../support/golden.ts';
import { TAESD_CASES, TAESD_ENCODER_CASES } from './cases/taesd.ts';

/** PyTorch's own f32 rounding. */
const BOUND = 4e-12;

describe('in f64 on the CPU, as PyTorch', () => {
  it.each(Object.entries({ ...TAESD_CASES, ...TAESD_ENCODER_CASES }))('%s', async (_, make) => {
    const network = await make('f32');
    expectClose(interpreted(network), network, BOUND);
  });
});
