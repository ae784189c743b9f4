/** `reno kernels run --gpu`: the process that compiles for another GPU gets the same kernel. */
import { describe, expect, it } from 'vitest';
import { chosenKernel } from '../../../commands/kernels/chosen_kernel.ts';
import { flagsOf } from '../../../commands/kernels/compiled_for.ts';
import { GPU_CAPS } from '../../../src/cli/plan/planned_run.ts';
import { allOps } from '../../../src/tensor/op.ts';

const ops = [...allOps().values()].filter((op) => op.variants.length > 0 && !op.isView);

describe('flagsOf', () => {
  it.each(ops.map((op) => [op.name, op] as const))(
    'finds each case of %s again, with the dtype of each input',
    (_, op) => {
      for (const [i, c] of op.cases.entries()) {
        const kernel = chosenKernel(op, { case: String(i) }, GPU_CAPS);
        expect(kernel.case.inputs).toEqual(c.inputs);
        expect(chosenKernel(op, flagsOf(kernel), GPU_CAPS)).toEqual(kernel);
      }
    },
  );

  it('finds a kernel again whose shapes, attributes and dtype were given', () => {
    const op = allOps().get('matmul');
    const args = { shape: '8x16,16x32', dtype: 'f16' };
    const kernel = op && chosenKernel(op, args, GPU_CAPS);
    expect(kernel?.case.inputs.map(({ dtype }) => dtype)).toEqual(['f16', 'f16']);
    expect(op && kernel && chosenKernel(op, flagsOf(kernel), GPU_CAPS)).toEqual(kernel);
  });
});
