/** The measures of `npm run fidelity`, and the networks that it measures. */
import { afterEach, describe, expect, it } from 'vitest';
import { compare, middle, worst } from '../../commands/fidelity/gradient_distance.ts';
import { halfProducts } from '../../commands/fidelity/half_products.ts';
import { MODULES } from '../../commands/fidelity/modules.ts';
import { matmulOp } from '../../src/kernels/matmul/matmul.ts';
import { variantNamed } from '../../src/tensor/op.ts';
import { at, sizeOf } from '../../src/tensor/types.ts';

describe('distances', () => {
  it('tell direction, length, lost and broken values apart', () => {
    expect(compare([2, 4], [1, 2])).toEqual({ cosine: 1, normRatio: 2, nmse: 1, zeros: 0, nonFinite: 0 });
    expect(compare([1, 0], [0, 1]).cosine).toBe(0);
    expect(compare([1, 0, 0, 0], [1, 1e-9, 0, 3])).toMatchObject({ zeros: 0.5 });
    expect(compare([1, Number.NaN, Number.POSITIVE_INFINITY, 1], [1, 1, 1, 1])).toMatchObject({ nonFinite: 0.5 });
    expect(() => compare([1], [1, 2])).toThrow('1 values cannot be compared with 2');
  });

  it('of several are the worst or the median in each respect', () => {
    const some = [compare([1, 1], [1, 1]), compare([3, 3], [1, 1]), compare([1, 0], [1, 1])];
    expect(worst(some)).toMatchObject({ normRatio: 3, nmse: 4, zeros: 0.5 });
    expect(middle(some)).toMatchObject({ nmse: 0.5, zeros: 0 });
    expect(worst([...some, compare([Number.NaN], [1])]).cosine).toBeNaN();
  });
});

describe('the networks', () => {
  it.each(MODULES.map((m) => [m.name, m] as const))('%s stores its activations as f16 where asked', (_, { trace }) => {
    const share = (dtype: 'f32' | 'f16'): number => {
      const made = trace(dtype).graph.nodes.filter((n) => n.op && n.stage === 'step');
      const size = (dtypes: readonly string[]): number =>
        made.flatMap((n) => n.outputs).reduce((n, t) => n + (dtypes.includes(t.dtype) ? sizeOf(t.shape) : 0), 0);
      return size(['f16']) / size(['f16', 'f32']);
    };
    expect(share('f32')).toBe(0);
    // BLIP's text encoder stays f32: a quarter.
    expect(share('f16')).toBeGreaterThan(0.7);
  });
});

// The variant is added to the registry, which other test files of this process read.
const { variants } = matmulOp;
afterEach(() => void Object.assign(matmulOp, { variants }));

it('products in f16 are a kernel of this benchmark, for f16 results alone', () => {
  const { matmul = '' } = halfProducts(16).variants ?? {};
  const variant = variantNamed(matmulOp, matmul);
  const site = (dtype: 'f32' | 'f16') => ({
    inputs: [
      { dtype, shape: [2, 3] },
      { dtype, shape: [3, 4] },
    ],
    outputs: [{ dtype, shape: [2, 4] }],
    attrs: { bias: false, residual: false },
  });
  const caps = {} as Parameters<NonNullable<typeof variant>['dispatches']>[1];
  expect(variant?.supports?.(site('f32'), caps)).toBe(false);
  expect(variant?.supports?.(site('f16'), caps)).toBe(true);
  const code = at(variant?.dispatches(site('f16'), caps) ?? [], 0).code;
  expect(code).toContain('part += f16(');
  expect(code).toContain('if (i % 16u == 15u)');
  expect(code).toContain('sum + f32(part)');
});
