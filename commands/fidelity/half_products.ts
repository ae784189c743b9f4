/** A matmul kernel that accumulates in f16. The project never does this: the kernel exists for comparison only. */
import { matmulOp } from '../../src/kernels/matmul/matmul.ts';
import type { MatmulAttrs } from '../../src/kernels/matmul/problem.ts';
import { type Variant, variantNamed } from '../../src/tensor/op.ts';
import type { PlanSpec } from '../../src/tensor/schedule/plan_spec.ts';

const NAME = 'f16_accumulation';

/** The naive matmul, its sum an f16 after each term. @throws Error when that variant is not written as this expects */
function accumulatingInHalf(code: string): string {
  const changed = code
    .replace('var sum = 0.0;', 'var sum = f16(0.0);')
    .replace(/sum \+= (load_a\(.*\) \* load_b\(.*\));/, 'sum += f16($1);')
    .replace('store_y(i, sum +', 'store_y(i, f32(sum) +');
  if ((changed.match(/f16\(|f32\(sum/g) ?? []).length < 3) {
    throw new Error('matmul.naive is written otherwise than commands/fidelity/half_products.ts expects');
  }
  return changed;
}

/** Planning with which every product that stores f16 sums in f16. */
export function halfProducts(): Partial<PlanSpec> {
  const naive = variantNamed(matmulOp, 'naive');
  const inHalf: Variant<MatmulAttrs> = {
    name: NAME,
    supports: (site) => site.outputs[0]?.dtype === 'f16',
    dispatches: (site, caps) =>
      (naive?.dispatches(site, caps) ?? []).map((d) => ({
        ...d,
        label: `matmul.${NAME}`,
        code: accumulatingInHalf(d.code),
      })),
  };
  Object.assign(matmulOp, { variants: [...matmulOp.variants.filter(({ name }) => name !== NAME), inHalf] });
  // Unfused, for fused ops have kernels of their own.
  return { fuse: false, variants: { matmul: NAME } };
}
