/**
 * Variants of ops that only move data: each element of the result is an element of x, or zero.
 * naive: an invocation moves one element. vec4: it moves a vec4, where the innermost dimension is contiguous in x and counts in
 * fours. vec4_store: it gathers four elements for one vec4 store, the only way to store f16 without shader-f16.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Dispatch } from '../../tensor/dispatch.ts';
import type { Attrs, OpSite, Variant } from '../../tensor/op.ts';
import { at, sizeOf } from '../../tensor/types.ts';
import { read, write } from './bindings.ts';
import { perElement } from './per_element.ts';
import { canStoreOne } from './site.ts';
import type { Nest } from './strided.ts';
import { COORDINATES, collapse, MAX_RANK, nestParams, offsetSnippet, padFront } from './strided.ts';

/** The source of each element of the result. */
export interface Movement {
  /** Dimensions of the result, and the stride in x of each. */
  readonly nest: Nest;
  /** Index in x of the result's first element. */
  readonly offset: number;
  /** For padding: the number of zeros before x, and x's size, in each dimension. */
  readonly window?: { readonly before: readonly number[]; readonly sizes: readonly number[] };
}

const GATHER = `
fn fetch(i: u32) -> E { return load_x(params.offset + offset_x(place(i))); }
`;

const GATHER_WINDOW = `
fn fetch(i: u32) -> E {
  let here = place(i);
  // Unsigned: before the window wraps to a large number.
  let at = Place(
    here.outer - vec3<u32>(params.b0, params.b1, params.b2),
    here.inner - vec3<u32>(params.b3, params.b4, params.b5),
  );
  let outside = (at.outer >= vec3<u32>(params.n0, params.n1, params.n2))
    | (at.inner >= vec3<u32>(params.n3, params.n4, params.n5));
  if (any(outside)) {
    return E();
  }
  return load_x(params.offset + offset_x(at));
}
`;

const ONE = `
fn run(i: u32) { store_y(i, fetch(i)); }
`;

const FOUR = `
fn run(i: u32) {
  let k = 4u * i;
  store_y(i, V(fetch(k), fetch(k + 1u), fetch(k + 2u), fetch(k + 3u)));
}
`;

/** Makes the variants of an op that moves data. */
export function movementVariants<A extends Attrs>(
  name: string,
  movementOf: (site: OpSite<A>) => Movement,
): Variant<A>[] {
  const dispatch = (site: OpSite<A>, variant: string, movement: Movement, load: 1 | 4, store: 1 | 4): Dispatch => {
    const output = at(site.outputs, 0);
    const scalar = output.dtype === 'i32' ? 'i32' : 'f32';
    const { window } = movement;
    // A window has bounds in each dimension, so dimensions are not merged.
    const nest = window ? movement.nest : collapse(movement.nest);
    const windowParams: Record<string, number> = {};
    if (window) {
      padFront(window.before, MAX_RANK, 0).forEach((b, d) => {
        windowParams[`b${d}`] = b;
      });
      padFront(window.sizes, MAX_RANK, 1).forEach((n, d) => {
        windowParams[`n${d}`] = n;
      });
    }
    return perElement({
      label: `${name}.${variant}`,
      code: [COORDINATES, offsetSnippet('x'), window ? GATHER_WINDOW : GATHER, load === store ? ONE : FOUR].join(''),
      size: sizeOf(output.shape) / store,
      constants: { E: load === 4 ? `vec4<${scalar}>` : scalar, V: `vec4<${scalar}>` },
      params: { offset: movement.offset, ...nestParams(nest, ['x']), ...windowParams },
      bindings: [read('x', 0, load), write('y', 0, store)],
    });
  };
  return [
    {
      name: 'vec4',
      supports: (site) => inFours(movementOf(site)) !== null,
      dispatches: (site) => {
        const movement = inFours(movementOf(site));
        return movement ? [dispatch(site, 'vec4', movement, 4, 4)] : [];
      },
    },
    {
      name: 'naive',
      supports: (site: OpSite<A>, caps: DeviceCaps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => [dispatch(site, 'naive', movementOf(site), 1, 1)],
    },
    {
      name: 'vec4_store',
      supports: (site) => sizeOf(at(site.outputs, 0).shape) % 4 === 0,
      dispatches: (site) => [dispatch(site, 'vec4_store', movementOf(site), 1, 4)],
    },
  ];
}

/** The movement counted in vec4s; null unless the innermost dimension is contiguous and every size and offset divides by 4. */
function inFours(movement: Movement): Movement | null {
  const { nest, offset, window } = movement;
  const strides = at(nest.strides, 0);
  const last = nest.dims.length - 1;
  if (last < 0 || at(strides, last) !== 1) {
    return null;
  }
  const quarter = (values: readonly number[]): number[] => values.map((v, d) => (d === last ? v / 4 : v));
  const scaled: Movement = {
    nest: { dims: quarter(nest.dims), strides: [strides.map((s, d) => (d === last ? 1 : s / 4))] },
    offset: offset / 4,
    ...(window ? { window: { before: quarter(window.before), sizes: quarter(window.sizes) } } : {}),
  };
  const all = [...scaled.nest.dims, ...at(scaled.nest.strides, 0), scaled.offset];
  const inside = scaled.window ? [...scaled.window.before, ...scaled.window.sizes] : [];
  return [...all, ...inside].every(Number.isInteger) ? scaled : null;
}
