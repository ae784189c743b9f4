/** Part `matrix`: the kernels for matrix units, by the check that every plan relies on, made anew. */
import { openAdapter } from '../../src/cli/adapter.ts';
import { matrixShape } from '../../src/kernels/common/matrix_tile.ts';
import '../../src/kernels/index.ts';
import { selfCheck } from '../../src/kernels/check/self_check.ts';
import type { Part } from './part.ts';

export const matrixPart: Part = {
  name: 'matrix',
  title: 'Do the kernels for matrix units compute rightly here?',
  limit: { full: 45, quick: 60 },
  run: async ({ adapter, row }) => {
    using device = await openAdapter(adapter);
    const shape = matrixShape(device.caps);
    if (!shape) {
      return 'this adapter shows no matrix units that a kernel takes, so nothing was checked';
    }
    const check = selfCheck(device);
    for (const kernel of check.kernels) {
      const start = performance.now();
      await check.ensure([kernel]);
      const problem = check.problem(kernel);
      const seconds = (performance.now() - start) / 1000;
      row({ name: kernel, ok: problem === null, shown: problem ?? 'right', seconds });
    }
    return `${check.kernels.length} kernels were checked with matrices of ${shape.m}x${shape.n}x${shape.k}`;
  },
};
