/**
 * A matmul kernel that sums `interval` products in f16 before it adds them to a sum in f32. It exists for comparison: it shows what
 * arithmetic in f16 costs a gradient, whatever the tiles of a kernel.
 */
import { matmulOp } from '../../src/kernels/matmul/matmul.ts';
import type { MatmulAttrs } from '../../src/kernels/matmul/problem.ts';
import { type Variant, variantNamed } from '../../src/tensor/op.ts';
import type { PlanSpec } from '../../src/tensor/schedule/plan_spec.ts';

const NAME = 'f16_accumulation';

/** The interval of a kernel whose whole sum is in f16. */
export const WHOLE_SUM = 0xffffffff;

/**
 * The naive matmul, each product rounded to f16 and `interval` of them summed in f16.
 * @throws Error when that variant is not written as this expects
 */
function accumulatingInHalf(code: string, interval: number): string {
  const flush = `if (i % ${interval}u == ${interval - 1}u) {\n      sum += f32(part);\n      part = f16(0.0);\n    }`;
  const changed = code
    .replace('var sum = 0.0;', 'var sum = 0.0;\n  var part = f16(0.0);')
    .replace(/sum \+= (load_a\(.*\) \* load_b\(.*\));/, `part += f16($1);\n    ${flush}`)
    .replace('store_y(i, sum +', 'store_y(i, sum + f32(part) +');
  if ((changed.match(/var part|part \+= f16|sum \+ f32\(part\)/g) ?? []).length < 3) {
    throw new Error('matmul.naive is written otherwise than commands/fidelity/half_products.ts expects');
  }
  return changed;
}

/** Planning with which every product that stores f16 sums `interval` products in f16. */
export function halfProducts(interval: number): Partial<PlanSpec> {
  const naive = variantNamed(matmulOp, 'naive');
  const inHalf: Variant<MatmulAttrs> = {
    name: NAME,
    supports: (site) => site.outputs[0]?.dtype === 'f16',
    dispatches: (site, caps) =>
      (naive?.dispatches(site, caps) ?? []).map((d) => ({
        ...d,
        label: `matmul.${NAME}`,
        code: accumulatingInHalf(d.code, interval),
      })),
  };
  Object.assign(matmulOp, { variants: [...matmulOp.variants.filter(({ name }) => name !== NAME), inHalf] });
  // Unfused, for fused ops have kernels of their own.
  return { fuse: false, variants: { matmul: NAME } };
}
