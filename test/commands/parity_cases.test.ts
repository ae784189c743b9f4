import { describe, it } from 'vitest';
import { CASES, caseAt } from '../../commands/parity/cases/index.ts';
import { interpreted } from '../../commands/parity/golden.ts';
import { expectClose } from '../support/expect_close.ts';

/** PyTorch's own f32 rounding is up to 2e-12 here; a norm's epsilon of 1e-5 for 1e-6 is 7e-12 and more. */
const BOUND = 4e-12;

describe('in f64 on the CPU, as PyTorch', () => {
  it.each(Object.keys(CASES))('%s', async (name) => {
    const network = await caseAt(name, 'f32');
    expectClose(interpreted(network), network, BOUND);
  });
});
