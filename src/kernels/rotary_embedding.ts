/**
 * Rotary position embedding (Su et al. 2021): neighbouring channels (2i, 2i+1) of every head are rotated by an angle
 * of their token and pair. The table [T, D] holds cosine and sine of each angle side by side; it is a constant.
 * naive: an invocation rotates one pair. vec4: it rotates two pairs.
 */
import type { Dispatch } from '../tensor/dispatch.ts';
import type { HostArray, Op, OpSite } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { at, sizeOf } from '../tensor/types.ts';
import { read, write } from './common/bindings.ts';
import { DIVIDE } from './common/divide.ts';
import { perElement } from './common/per_element.ts';
import { canStoreOne, elementCost, expectShape } from './common/site.ts';

/** `inverse`: rotated back, which is also the gradient of the rotation. */
type Rotary = { readonly inverse: boolean };

/** `angle(i)`: index in the table of the angles of element i of x; both count T. */
const ANGLE = `${DIVIDE}
fn angle(i: u32) -> u32 {
  let head = quotient(i, params.head);
  let token = quotient(head, params.heads);
  return (token - quotient(token, params.tokens) * params.tokens) * params.head + i - head * params.head;
}
`;

const NAIVE = `${ANGLE}
fn run(pair: u32) {
  let i = 2u * pair;
  let at = angle(i);
  let c = load_table(at);
  let s = load_table(at + 1u) * params.sign;
  let a = load_x(i);
  let b = load_x(i + 1u);
  store_y(i, a * c - b * s);
  store_y(i + 1u, b * c + a * s);
}
`;

const VEC4 = `${ANGLE}
fn run(i: u32) {
  let t = load_table(angle(i));
  let x = load_x(i);
  store_y(i, x * t.xxzz + vec4f(-x.y, x.x, -x.w, x.z) * t.yyww * params.sign);
}
`;

function dispatches(site: OpSite<Rotary>, variant: 'naive' | 'vec4'): Dispatch[] {
  const { shape } = at(site.inputs, 0);
  const vec = variant === 'vec4' ? 4 : 1;
  return [
    perElement({
      label: `rotary_embedding.${variant}`,
      code: variant === 'vec4' ? VEC4 : NAIVE,
      size: sizeOf(shape) / (variant === 'vec4' ? 4 : 2),
      params: {
        tokens: at(shape, 1),
        heads: at(shape, 2),
        head: at(shape, 3) / vec,
        sign: { f32: site.attrs.inverse ? -1 : 1 },
      },
      bindings: [read('x', 0, vec), read('table', 1, vec), write('y', 0, vec)],
    }),
  ];
}

function reference([x, table]: readonly HostArray[], { attrs }: OpSite<Rotary>): Float64Array[] {
  const [v, t] = [x?.data ?? [], table?.data ?? []];
  const [tokens, heads, head] = [1, 2, 3].map((d) => at(x?.shape ?? [], d));
  const y = new Float64Array(v.length);
  for (let i = 0; i < v.length; i += 2) {
    const token = Math.floor(i / ((heads ?? 1) * (head ?? 1))) % (tokens ?? 1);
    const angle = token * (head ?? 1) + (i % (head ?? 1));
    const [c, s] = [at(t, angle), at(t, angle + 1) * (attrs.inverse ? -1 : 1)];
    y[i] = at(v, i) * c - at(v, i + 1) * s;
    y[i + 1] = at(v, i + 1) * c + at(v, i) * s;
  }
  return [y];
}

const rotaryOp: Op<Rotary> = defineOp<Rotary>({
  name: 'rotary_embedding',
  infer: ([x, table]) => {
    if (!x || !table || x.shape.length !== 4 || at(x.shape, 3) % 2 !== 0) {
      throw new Error('needs x [B,T,H,D] with an even D, and a table [T,D]');
    }
    expectShape(table, [at(x.shape, 1), at(x.shape, 3)], 'the table');
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  vjp: ({ inputs, attrs, dy }) => [() => rotaryOp.one([dy, at(inputs, 1)], { inverse: !attrs.inverse }), null],
  reference,
  variants: [
    {
      name: 'vec4',
      supports: (site) => at(at(site.inputs, 0).shape, 3) % 4 === 0,
      dispatches: (site) => dispatches(site, 'vec4'),
    },
    {
      name: 'naive',
      supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => dispatches(site, 'naive'),
    },
  ],
  cost: (site) => elementCost(site, 3),
  cases: [
    { name: 'heads of 6', inputs: [{ shape: [2, 5, 3, 6] }, { shape: [5, 6] }], attrs: { inverse: false }, grad: [0] },
    { name: 'vec4', inputs: [{ shape: [2, 3, 2, 8] }, { shape: [3, 8] }], attrs: { inverse: false }, grad: [0] },
    { name: 'back', inputs: [{ shape: [1, 3, 2, 8] }, { shape: [3, 8] }], attrs: { inverse: true }, grad: [0] },
    {
      name: 'f16',
      inputs: [{ shape: [1, 3, 2, 8], dtype: 'f16' }, { shape: [3, 8] }],
      attrs: { inverse: false },
      grad: [0],
    },
  ],
});

/**
 * x [B,T,H,D] rotated by the angles of `table` [T,D], which holds (cos θ, sin θ) for each pair of channels; the same
 * for every head. The table has no gradient. @throws Error when shapes do not fit or D is odd
 */
export const rotaryEmbedding = (x: Tensor, table: Tensor): Tensor => rotaryOp.one([x, table], { inverse: false });
