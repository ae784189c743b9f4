import { describe, it } from 'vitest';
import { expectClose, interpreted } from '../support/golden.ts';
import { NETWORKS } from './networks.ts';

describe('in f64 on the CPU, as PyTorch', () => {
  it.each(Object.entries(NETWORKS))('%s', async (_, make) => {
    const network = await make();
    expectClose(interpreted(network), network, 1e-9);
  });
});
