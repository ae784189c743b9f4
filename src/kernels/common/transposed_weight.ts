/**
 * Makes variants that read a weight (input 1) in one layout only run also at sites that have it transposed, with its last two axes
 * exchanged: a first dispatch transposes it into scratch. On CPU drivers that costs little beside the product.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Binding, Dispatch } from '../../tensor/dispatch.ts';
import type { Attrs, OpSite, Variant } from '../../tensor/op.ts';
import type { TensorType } from '../../tensor/types.ts';
import { at } from '../../tensor/types.ts';
import { transposeOp } from '../transpose.ts';

const WEIGHT = 1;

/** The type with its last two axes exchanged. */
export function transposedType({ dtype, shape }: TensorType): TensorType {
  const rank = shape.length;
  return { dtype, shape: [...shape.slice(0, -2), at(shape, rank - 1), at(shape, rank - 2)] };
}

/**
 * `variant` for both layouts. `plainAttrs` returns the attributes of the same site without the transposition, or null where the
 * weight is not transposed.
 */
export function throughScratch<A extends Attrs>(variant: Variant<A>, plainAttrs: (attrs: A) => A | null): Variant<A> {
  const plainSite = (site: OpSite<A>): OpSite<A> | null => {
    const attrs = plainAttrs(site.attrs);
    const inputs = site.inputs.map((type, i) => (i === WEIGHT ? transposedType(type) : type));
    return attrs && { ...site, attrs, inputs };
  };
  return {
    name: variant.name,
    supports: (site, caps) => {
      const plain = plainSite(site);
      const can = variant.supports?.(plain ?? site, caps) ?? true;
      return can && (!plain || transposition(at(site.inputs, WEIGHT), caps) !== undefined);
    },
    dispatches: (site, caps) => {
      const plain = plainSite(site);
      const own = variant.dispatches(plain ?? site, caps);
      if (!plain) {
        return own;
      }
      const refs = own.flatMap((d) => d.bindings.map((b) => b.ref));
      const scratch = refs.reduce((n, ref) => ('scratch' in ref ? Math.max(n, ref.scratch + 1) : n), 0);
      const ref = { scratch, type: at(plain.inputs, WEIGHT) };
      const first = transposition(at(site.inputs, WEIGHT), caps) ?? [];
      return [
        ...rebound(first, (b) => ('input' in b.ref ? { ...b, ref: { input: WEIGHT } } : { ...b, ref })),
        ...rebound(own, (b) => ('input' in b.ref && b.ref.input === WEIGHT ? { ...b, ref } : b)),
      ];
    },
  };
}

const rebound = (dispatches: readonly Dispatch[], change: (b: Binding) => Binding): Dispatch[] =>
  dispatches.map((d) => ({ ...d, bindings: d.bindings.map(change) }));

/** The dispatches that transpose a tensor of `type`; undefined where this adapter cannot. */
function transposition(type: TensorType, caps: DeviceCaps): readonly Dispatch[] | undefined {
  const rank = type.shape.length;
  const permutation = type.shape.map((_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
  const site = { inputs: [type], outputs: [transposedType(type)], attrs: { permutation } };
  const variant = transposeOp.variants.find((v) => v.supports?.(site, caps) ?? true);
  return variant?.dispatches(site, caps);
}
