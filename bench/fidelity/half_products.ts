/** What this project does not do: products accumulated in f16, as one kernel that exists in this benchmark alone. */
import { matmulOp } from '../../src/kernels/matmul.ts';
import type { PlanSpec } from '../../src/tensor/schedule/plan_spec.ts';

const NAME = 'f16_accumulation';

/** matmul.v1, its sum an f16 after each term. @throws Error when v1 is not written as this expects */
function accumulatingInHalf(code: string): string {
  const changed = code
    .replace('var sum = 0.0;', 'var sum = f16(0.0);')
    .replace(/sum \+= (load_a\(.*\) \* load_b\(.*\));/, 'sum += f16($1);')
    .replace('store_y(i, sum +', 'store_y(i, f32(sum) +');
  if ((changed.match(/f16\(|f32\(sum/g) ?? []).length < 3) {
    throw new Error('matmul.v1 is written otherwise than bench/fidelity/half_products.ts expects');
  }
  return changed;
}

/** Planning with which every product that stores f16 sums in f16. */
export function halfProducts(): Partial<PlanSpec> {
  const v1 = matmulOp.variants.v1;
  Object.assign(matmulOp.variants, {
    [NAME]: {
      supports: (site) => site.outputs[0]?.dtype === 'f16',
      dispatches: (site, caps) =>
        (v1?.dispatches(site, caps) ?? []).map((d) => ({
          ...d,
          label: `matmul.${NAME}`,
          code: accumulatingInHalf(d.code),
        })),
    } satisfies (typeof matmulOp.variants)[string],
  });
  // Unfused, for fused ops have kernels of their own.
  return { fuse: false, variants: { matmul: NAME } };
}
