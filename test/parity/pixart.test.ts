import { describe, it } from 'vitest';
import { expectClose, interpreted } from '../support/golden.ts';
import { PIXART_CASES } from './cases/pixart.ts';

describe('in f64 on the CPU, as PyTorch', () => {
  it.each(Object.entries(PIXART_CASES))('%s', async (_, make) => {
    const network = await make();
    expectClose(interpreted(network), network, 4e-12);
  });
});
