/**
 * The product that gives the gradient of a GEGLU's result, and the gradient of the GEGLU, as one op. The planner makes it
 * (`fusesPair`): the product stores both halves of dx where it would store dy, so dy never crosses memory.
 */
import type { Dispatch } from '../tensor/dispatch.ts';
import type { OpSite, Variant } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import { at, byteSize, sizeOf } from '../tensor/types.ts';
import { read } from './common/bindings.ts';
import { DIVIDE } from './common/divide.ts';
import { GELU } from './common/math.ts';
import { lastOf } from './common/site.ts';
import { gegluBackwardOp } from './geglu.ts';
import { gpuTile } from './matmul/gpu_tile.ts';
import { matmulOp } from './matmul/matmul.ts';
import { naive } from './matmul/naive.ts';
import type { MatmulAttrs } from './matmul/problem.ts';
import { subgroupMatrix, subgroupMatrixSplit } from './matmul/subgroup_matrix.ts';

/** Stores both halves of dx for an element (or four) of the product. */
const STORE = /* wgsl */ `${DIVIDE}${GELU}
fn store_y(i: u32, dy: T) {
  let a = i + quotient(i, params.geglu_width) * params.geglu_width;
  let gate = load_geglu_x(a + params.geglu_width);
  put_y(a, dy * gelu(gate));
  put_y(a + params.geglu_width, dy * load_geglu_x(a) * gelu_slope(gate));
}
`;

/** The site of the product, whose inputs come first, and the site of the GEGLU's gradient. */
function parts({ inputs, attrs }: OpSite<MatmulAttrs>): { product: OpSite<MatmulAttrs>; gradient: OpSite } {
  const operands = inputs.slice(0, -1);
  const product = { inputs: operands, outputs: matmulOp.infer(operands, attrs), attrs };
  const own = [at(inputs, inputs.length - 1), at(product.outputs, 0)];
  return { product, gradient: { inputs: own, outputs: gegluBackwardOp.infer(own, {}), attrs: {} } };
}

function throughGeglu(dispatches: readonly Dispatch[], site: OpSite<MatmulAttrs>): Dispatch[] {
  const x = site.inputs.length - 1;
  return dispatches.map((d) => {
    const y = d.bindings.find(({ ref }) => 'output' in ref);
    if (!y) {
      return d;
    }
    const vec = y.vec ?? 1;
    return {
      ...d,
      label: d.label.replace('matmul', 'linear_geglu_backward'),
      code: STORE + d.code,
      fusedStore: y.name,
      constants: { ...d.constants, T: vec === 4 ? 'vec4<f32>' : 'f32' },
      params: { ...d.params, geglu_width: lastOf(at(site.inputs, x).shape) / 2 / vec },
      bindings: [...d.bindings, read('geglu_x', x, vec)],
    };
  });
}

const variant = ({ name, supports, dispatches }: Variant<MatmulAttrs>): Variant<MatmulAttrs> => ({
  name,
  supports: (site, caps) => supports?.(parts(site).product, caps) ?? true,
  dispatches: (site, caps) => throughGeglu(dispatches(parts(site).product, caps), site),
});

/** The gradient of a GEGLU from dy of the linear layer behind it: the product dy W, whose store differentiates the GEGLU. */
defineOp<MatmulAttrs>({
  name: 'linear_geglu_backward',
  infer: (inputs, attrs) => parts({ inputs, outputs: [], attrs }).gradient.outputs,
  reference: (inputs, site) => {
    const { product, gradient } = parts(site);
    const [dy] = matmulOp.reference(inputs.slice(0, -1), product);
    const x = at(inputs, inputs.length - 1);
    return gegluBackwardOp.reference([x, { shape: at(product.outputs, 0).shape, data: dy ?? new Float64Array() }], {
      ...gradient,
      attrs: {},
    });
  },
  fusesPair: {
    producer: 'matmul',
    consumer: 'geglu_backward',
    consumerInput: 1,
    // CPU drivers keep the tiles of products that are for them.
    attrs: (product, _, caps) => (caps.software ? null : product.attrs),
  },
  variants: [subgroupMatrix, subgroupMatrixSplit, gpuTile, naive].map(variant),
  cost: (site) => {
    const { product, gradient } = parts(site);
    const flops = matmulOp.cost(product).flops + 11 * sizeOf(at(gradient.outputs, 0).shape);
    return { flops, bytes: [...site.inputs, ...site.outputs].reduce((n, t) => n + byteSize(t), 0) };
  },
  cases: [
    { name: 'odd', inputs: [{ shape: [5, 7] }, { shape: [7, 3] }, { shape: [5, 6] }] },
    { name: 'past the tiles', inputs: [{ shape: [67, 20] }, { shape: [20, 72] }, { shape: [67, 144] }] },
    {
      name: 'weight as [n,k], batch folded into rows',
      inputs: [{ shape: [2, 9, 12] }, { shape: [20, 12] }, { shape: [2, 9, 40] }],
      attrs: { bias: false, residual: false, transposeB: true },
    },
    {
      name: 'batched, bias and residual',
      inputs: [
        { shape: [2, 5, 8] },
        { shape: [2, 8, 12] },
        { shape: [12] },
        { shape: [2, 5, 12] },
        { shape: [2, 5, 24] },
      ],
      attrs: { bias: true, residual: true },
    },
    {
      name: 'all f16, past the tiles',
      inputs: [
        [67, 40],
        [40, 72],
        [67, 144],
      ].map((shape) => ({ shape, dtype: 'f16' as const })),
    },
    {
      name: 'all f16, odd k, weight as [n,k]',
      inputs: [
        [70, 35],
        [136, 35],
        [70, 272],
      ].map((shape) => ({ shape, dtype: 'f16' as const })),
      attrs: { bias: false, residual: false, transposeB: true },
    },
  ].map((c) => ({ attrs: { bias: false, residual: false }, ...c })),
});
