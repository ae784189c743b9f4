/**
 * The gradient of a linear layer and of the layer norm before it, as one op. The planner makes it (rewrite/norm_gradient.ts)
 * where the product runs on matrix units.
 *
 * Forward: n = (x - mean) scale, z = gamma n + beta, y = z Wᵀ + b. Backward, with g = gamma (dy W):
 * dx = scale (g - mean(g) - n mean(g n)) as in layer_norm.ts. Both means run over a row of the product, so they seem to need all of
 * it. But they are also sums over the row of dy that the product reads anyway, with u = W gamma and c = W beta + b, which depend on
 * weights alone (the input `terms`, [..., 2, K]):
 *   N mean(g)   = Σₖ dyₖ uₖ
 *   N mean(g n) = Σₖ dyₖ Σⱼ Wₖⱼ gammaⱼ nⱼ = Σₖ dyₖ (yₖ - cₖ)
 * So the product has both when its last step is done, and stores dx itself.
 */
import type { DeviceCaps } from '../tensor/device/device_caps.ts';
import type { Dispatch } from '../tensor/dispatch.ts';
import type { NormGradientFusion, OpSite } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { at, byteSize, sizeOf, type TensorType } from '../tensor/types.ts';
import { read, write } from './common/bindings.ts';
import { matrixTile, matrixTileCode, tileWork } from './common/matrix_tile.ts';
import { perElement } from './common/per_element.ts';
import { canStoreOne, expectShape, lastOf } from './common/site.ts';
import { concat } from './concat.ts';
import { add } from './elementwise/binary.ts';
import { cast } from './elementwise/cast.ts';
import { matmulOp } from './matmul/matmul.ts';
import { type MatmulAttrs, siteProblem } from './matmul/problem.ts';
import { hasMatrices, productHooks } from './matmul/subgroup_matrix.ts';
import { reshape } from './reshape.ts';

type Attrs = { readonly transposeB?: boolean };

const NAME = 'linear_layer_norm_backward';

/** Largest product that is fused: above it, reading y once for each tile of columns costs more than a dispatch (24 to 36 µs). */
const WORTHWHILE_FLOPS = 1.1e10;

/** Sums over the rows of dy while they are fetched; eight neighbouring invocations share a row. */
const HOOKS = /* wgsl */ `
var<private> sums_u: array<f32, A_ITEMS>;
var<private> sums_y: array<f32, A_ITEMS>;
/** mean(g) and mean(g n) of each row of the tile. */
var<workgroup> row_means: array<vec2f, TILE_ROWS>;

fn begin(group: vec3u, index: u32) { place(group); }

fn fetch_a(item: u32, index: u32) -> Four {
  let start = start_of(item, index);
  let v = four_a(start, first_k + a_k(index));
  let k = min(first_k + a_k(index), params.k - 4u);
  let dy = vec4f(v);
  let term = (product * 2u * params.k + k) / 4u;
  sums_u[item] += dot(dy, load_terms(term));
  sums_y[item] += dot(dy, load_y((start + k) / 4u) - load_terms(term + params.k / 4u));
  return v;
}

fn sum_of_row(x: f32) -> f32 {
  let a = x + subgroupShuffleXor(x, 1u);
  let b = a + subgroupShuffleXor(a, 2u);
  return b + subgroupShuffleXor(b, 4u);
}

fn put_row_means(index: u32) {
  for (var i = 0u; i < A_ITEMS; i++) {
    let means = vec2f(sum_of_row(sums_u[i]), sum_of_row(sums_y[i])) * params.share;
    if (a_k(index) == 0u) {
      row_means[a_row(i, index)] = means;
    }
  }
}

fn put(r: u32, c: u32, v: vec4f) {
  let row = first_row + r;
  let column = first_column / 4u + c;
  if (row < params.m && column < params.n4) {
    let line = product * params.m + row;
    let i = line * params.n4 + column;
    let scale = load_stats(2u * line + 1u);
    let n = (load_x(i) - load_stats(2u * line)) * scale;
    let g = v * load_gamma(product * params.gain_step + column);
    store_dx(i, scale * (g - row_means[r].x - n * row_means[r].y));
  }
}
`;

const BEFORE_STORE = /* wgsl */ `
  put_row_means(index);
  workgroupBarrier();
`;

/** An invocation computes an element, and both means of its row for itself. */
const NAIVE = /* wgsl */ `
fn run(i: u32) {
  let line = i / params.n;
  let column = i % params.n;
  let product = line / params.m;
  let terms = product * params.step_terms;
  var v = 0.0;
  var mean_g = 0.0;
  var mean_gn = 0.0;
  for (var k = 0u; k < params.k; k++) {
    let dy = load_dy(line * params.k + k);
    v += dy * load_w(product * params.stepB + select(k * params.n + column, column * params.k + k, params.transposed == 1u));
    mean_g += dy * load_terms(terms + k);
    mean_gn += dy * (load_y(line * params.k + k) - load_terms(terms + params.k + k));
  }
  let scale = load_stats(2u * line + 1u);
  let n = (load_x(i) - load_stats(2u * line)) * scale;
  let g = v * load_gamma(product * params.gain_step + column);
  store_dx(i, scale * (g - params.share * (mean_g + n * mean_gn)));
}
`;

/** The product dy W of the site. */
function productSite({ inputs, attrs: { transposeB } }: OpSite<Attrs>): OpSite<MatmulAttrs> {
  const operands = [at(inputs, 0), at(inputs, 1)];
  const attrs = { bias: false, residual: false, ...(transposeB ? { transposeB } : {}) };
  return { inputs: operands, attrs, outputs: matmulOp.infer(operands, attrs) };
}

const isGrouped = (gamma: TensorType): boolean => gamma.shape.length === 2;

function canFuse(site: OpSite<Attrs>, caps: DeviceCaps): boolean {
  const product = productSite(site);
  const { k, batch, stepA } = siteProblem(product);
  const isHalf = at(site.inputs, 3).dtype === 'f16' && at(site.inputs, 4).dtype === 'f16';
  return isHalf && k % 4 === 0 && (batch === 1 || stepA > 0) && hasMatrices(product, caps);
}

function matrixDispatch(site: OpSite<Attrs>, caps: DeviceCaps): Dispatch[] {
  const product = productSite(site);
  const { m, n, k, batch, stepA, stepB } = siteProblem(product);
  const tile = matrixTile(m, n, batch, caps);
  if (!tile) {
    throw new Error(`${NAME}.subgroup_matrix needs f16 matrices in subgroups`);
  }
  return [
    {
      label: `${NAME}.subgroup_matrix`,
      code: matrixTileCode(productHooks(product, HOOKS), product.attrs.transposeB ?? false, caps, BEFORE_STORE),
      constants: tile.constants,
      params: {
        ...{ m, n, k, stepA, stepB, n4: n / 4 },
        gain_step: isGrouped(at(site.inputs, 6)) ? n / 4 : 0,
        share: { f32: 1 / n },
      },
      bindings: [
        ...[read('a', 0, 4), read('b', 1, 4), write('dx', 0, 4), read('terms', 2, 4), read('y', 3, 4)],
        ...[read('x', 4, 4), read('stats', 5), read('gamma', 6, 4)],
      ],
      workgroups: [Math.ceil(n / tile.columns), Math.ceil(m / tile.rows), batch],
      matrixWork: tileWork(tile, { m, n, k, batch }),
    },
  ];
}

function naiveDispatch(site: OpSite<Attrs>): Dispatch[] {
  const { m, n, k, batch, stepB } = siteProblem(productSite(site));
  return [
    perElement({
      label: `${NAME}.naive`,
      code: NAIVE,
      size: batch * m * n,
      params: {
        ...{ m, n, k, stepB, step_terms: batch > 1 ? 2 * k : 0 },
        transposed: site.attrs.transposeB ? 1 : 0,
        gain_step: isGrouped(at(site.inputs, 6)) ? n : 0,
        share: { f32: 1 / n },
      },
      bindings: [
        ...[read('dy', 0), read('w', 1), write('dx', 0), read('terms', 2), read('y', 3)],
        ...[read('x', 4), read('stats', 5), read('gamma', 6)],
      ],
    }),
  ];
}

/** The conditions of the fusion, and the terms u and c. */
const fusion: NormGradientFusion = {
  norm: 'layer_norm',
  gradient: 'layer_norm_backward',
  product: 'matmul',
  attrs: (site, caps) => {
    const { transposeB } = site.attrs as MatmulAttrs;
    const attrs: Attrs = transposeB ? { transposeB } : {};
    const fused = { ...site, attrs };
    const isWorthwhile = matmulOp.cost(productSite(fused)).flops <= WORTHWHILE_FLOPS;
    const isLeftOut = caps.leftOut?.[NAME]?.includes('subgroup_matrix') ?? false;
    return isWorthwhile && !isLeftOut && !caps.software && canFuse(fused, caps) ? attrs : null;
  },
  weightTerms: ({ weight, transposeB, gamma, beta, bias }) => {
    const isBatch = weight.shape.length > 2;
    const rows = (t: Tensor): Tensor => reshape(cast(t, 'f32'), [...(isBatch ? [-1] : []), 1, t.dim(-1)]);
    const attrs = { bias: false, residual: false, ...(transposeB ? {} : { transposeB: true }) };
    const timesWeight = (t: Tensor): Tensor => matmulOp.one([rows(t), weight], attrs);
    const c = timesWeight(beta);
    return concat([timesWeight(gamma), bias ? add(c, rows(bias)) : c], -2);
  },
};

/** dx of a layer norm from dy of the linear layer behind it: the product dy W, whose rows are then differentiated through the norm. */
defineOp<Attrs>({
  name: 'linear_layer_norm_backward',
  storesOnce: true,
  fusesNormGradient: fusion,
  infer: (inputs, attrs) => {
    if (inputs.length !== 7) {
      throw new Error('needs dy, w, terms, y, x, stats and gamma');
    }
    const [dy, y, x] = [at(inputs, 0), at(inputs, 3), at(inputs, 4)];
    const product = at(productSite({ inputs, attrs, outputs: [] }).outputs, 0);
    expectShape(y, dy.shape, 'y');
    if (sizeOf(product.shape) !== sizeOf(x.shape) || lastOf(product.shape) !== lastOf(x.shape)) {
      throw new Error(`x must have the rows of the product [${product.shape.join(',')}]`);
    }
    return [{ dtype: dy.dtype, shape: x.shape }];
  },
  reference: ([dy, w, terms, y, x, stats, gamma], site) => {
    const { m, n, k, batch, stepB } = siteProblem(productSite(site));
    const data = (t: typeof dy): Float64Array => t?.data ?? new Float64Array();
    const dx = new Float64Array(batch * m * n);
    const gains = isGrouped(at(site.inputs, 6)) ? n : 0;
    for (let line = 0; line < batch * m; line++) {
      const z = Math.floor(line / m);
      const row = (values: Float64Array): Float64Array => values.subarray(line * k, (line + 1) * k);
      const from = (batch > 1 ? 2 * z : 0) * k;
      const [u, c] = [data(terms).subarray(from), data(terms).subarray(from + k)];
      const own = row(data(dy));
      const meanG = own.reduce((sum, d, i) => sum + d * at(u, i), 0) / n;
      const meanGn = own.reduce((sum, d, i) => sum + d * (at(row(data(y)), i) - at(c, i)), 0) / n;
      const [mean, scale] = [at(data(stats), 2 * line), at(data(stats), 2 * line + 1)];
      for (let j = 0; j < n; j++) {
        const v = own.reduce(
          (sum, d, i) => sum + d * at(data(w), z * stepB + (site.attrs.transposeB ? j * k + i : i * n + j)),
          0,
        );
        const normalised = (at(data(x), line * n + j) - mean) * scale;
        dx[line * n + j] = scale * (v * at(data(gamma), z * gains + j) - meanG - normalised * meanGn);
      }
    }
    return [dx];
  },
  variants: [
    { name: 'subgroup_matrix', supports: canFuse, dispatches: matrixDispatch },
    {
      name: 'naive',
      supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: naiveDispatch,
    },
  ],
  cost: (site) => {
    const product = matmulOp.cost(productSite(site)).flops;
    const bytes = [...site.inputs, ...site.outputs].reduce((sum, t) => sum + byteSize(t), 0);
    return { flops: product + 10 * sizeOf(at(site.outputs, 0).shape) + 5 * sizeOf(at(site.inputs, 0).shape), bytes };
  },
  cases: [
    { name: 'odd', rows: 5, k: 7, n: 6 },
    { name: 'weight as [n,k]', rows: 5, k: 8, n: 12, attrs: { transposeB: true } },
    { name: 'all f16', rows: 70, k: 48, n: 72, dtype: 'f16' as const },
    { name: 'all f16, weight as [n,k]', rows: 33, k: 36, n: 40, dtype: 'f16' as const, attrs: { transposeB: true } },
    { name: 'all f16, weights and gains for each of a batch', batch: 3, rows: 35, k: 68, n: 40, dtype: 'f16' as const },
    {
      name: 'all f16, so many products that matrix units take tiles of 128x128',
      batch: 264,
      rows: 3,
      k: 12,
      n: 128,
      dtype: 'f16' as const,
    },
  ].map(({ name, batch, rows, k, n, dtype = 'f32' as const, attrs = {} }) => {
    const some = batch === undefined ? [] : [batch];
    return {
      name,
      attrs,
      inputs: [
        { shape: [...some, rows, k], dtype },
        { shape: [...some, ...('transposeB' in attrs ? [n, k] : [k, n])], dtype },
        { shape: [...some, 2, k] },
        { shape: [...some, rows, k], dtype },
        { shape: [...some, rows, n], dtype },
        { shape: [(batch ?? 1) * rows, 2] },
        { shape: [...some, n], dtype },
      ],
    };
  }),
});
