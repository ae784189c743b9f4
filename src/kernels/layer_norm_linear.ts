/**
 * LayerNorm and the product that takes its result, as one op. The planner makes it (`fusesPair`) where it is faster than two.
 * subgroup_matrix, gpu_tile: one dispatch, by matmul's tiles for GPUs, whose workgroups find mean and scale of their rows themselves.
 * separate: the two ops, one after the other.
 */
import type { DeviceCaps } from '../tensor/device/device_caps.ts';
import type { Binding, BufferRef, Dispatch } from '../tensor/dispatch.ts';
import type { Op, Attrs as OpAttrs, OpSite } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import { supportedVariants } from '../tensor/tuning/choose.ts';
import type { TensorType } from '../tensor/types.ts';
import { at, byteSize, sizeOf } from '../tensor/types.ts';
import { read, write } from './common/bindings.ts';
import { GPU_TILE_COLUMNS, MAX_GPU_TILE_ROWS } from './common/gpu_tile_wgsl.ts';
import { matrixTile } from './common/matrix_tile.ts';
import { lastOf } from './common/site.ts';
import { type LayerNorm, layerNormOp } from './layer_norm.ts';
import { gpuTile, tiledMatmul } from './matmul/gpu_tile.ts';
import { matmulOp } from './matmul/matmul.ts';
import type { MatmulAttrs } from './matmul/problem.ts';
import { siteProblem } from './matmul/problem.ts';
import { hasMatrices, matrixMatmul } from './matmul/subgroup_matrix.ts';

/** `keep`: the norm's result z is the last output, since other ops read it too. */
type Attrs = MatmulAttrs & { readonly eps: number; readonly keep?: boolean };

/**
 * Most elements that workgroups read once more, for the statistics, where the two are fused. In f16, 106 MB from a GPU's cache
 * take about 27 µs, no more than the dispatch that is saved (24 to 36 µs).
 */
const WORTHWHILE_READS = 5.3e7;

/** Number of the norm's inputs: x, gamma, beta. */
const NORM_INPUTS = 3;

/** Statistics of an invocation's four rows. Sums are taken around the mean of the row's first elements, so that nothing cancels. */
const NORM = /* wgsl */ `
var<private> norm_mean: vec4f;
var<private> norm_scale: vec4f;
var<private> norm_gains: u32;
var<private> norm_row: u32;
var<private> norm_start: u32;
var<private> is_first_column: bool;

fn sums_of(q: Quad) -> vec4f {
  let one = vec4f(1.0);
  return vec4f(dot(q.a, one), dot(q.b, one), dot(q.c, one), dot(q.d, one));
}

fn prepare(group: vec3u, start: u32, row: u32, index: u32) {
  norm_gains = group.z * params.gain_step;
  norm_row = row;
  norm_start = start;
  is_first_column = group.x == 0u;
  let origin = (sums_of(fetch_a(start, row, 0u)) + sums_of(fetch_a(start, row, 4u))
    + sums_of(fetch_a(start, row, 8u)) + sums_of(fetch_a(start, row, 12u))) / 16.0;
  var sum = vec4f();
  var squares = vec4f();
  for (var k = (index & 3u) * 4u; k < params.k; k += 16u) {
    var q = fetch_a(start, row, k);
    q.a -= origin.x;
    q.b -= origin.y;
    q.c -= origin.z;
    q.d -= origin.w;
    sum += sums_of(q);
    squares += vec4f(dot(q.a, q.a), dot(q.b, q.b), dot(q.c, q.c), dot(q.d, q.d));
  }
  tile_a[index] = sum;
  tile_a[ROWS + index] = squares;
  workgroupBarrier();
  let first = index - (index & 3u);
  sum = (tile_a[first] + tile_a[first + 1u] + (tile_a[first + 2u] + tile_a[first + 3u])) * params.share;
  squares = tile_a[ROWS + first] + tile_a[ROWS + first + 1u] + (tile_a[ROWS + first + 2u] + tile_a[ROWS + first + 3u]);
  workgroupBarrier();
  norm_mean = origin + sum;
  norm_scale = 1.0 / sqrt(max(squares * params.share - sum * sum, vec4f()) + params.eps);
  if (group.x == 0u && (index & 3u) == 0u) {
    for (var i = 0u; i < 4u; i++) {
      if (row + i < params.m) {
        let at = 2u * (group.z * params.m + row + i);
        store_stats(at, norm_mean[i]);
        store_stats(at + 1u, norm_scale[i]);
      }
    }
  }
}

fn normed(q: Quad, k: u32) -> Quad {
  let gamma = load_gamma(norm_gains + k / 4u);
  let beta = load_beta(norm_gains + k / 4u);
  let z = Quad(
    (q.a - norm_mean.x) * norm_scale.x * gamma + beta,
    (q.b - norm_mean.y) * norm_scale.y * gamma + beta,
    (q.c - norm_mean.z) * norm_scale.z * gamma + beta,
    (q.d - norm_mean.w) * norm_scale.w * gamma + beta,
  );
  keep(k, z);
  return z;
}
`;

/** Other ops read the normalised rows too: the workgroups of the first columns store them. */
const KEEP = /* wgsl */ `
fn keep_row(i: u32, k: u32, v: vec4f) {
  if (norm_row + i < params.m) {
    store_kept((norm_start + (norm_row + i) * params.k + k) / 4u, v);
  }
}
fn keep(k: u32, z: Quad) {
  if (is_first_column && k < params.k) {
    keep_row(0u, k, z.a);
    keep_row(1u, k, z.b);
    keep_row(2u, k, z.c);
    keep_row(3u, k, z.d);
  }
}
`;
const KEEP_NOTHING = /* wgsl */ `
fn keep(k: u32, z: Quad) {}
`;

/** The site of the norm and the site of the product, whose first input is the norm's result. */
function parts(site: OpSite<Attrs>): { norm: OpSite<LayerNorm>; product: OpSite<MatmulAttrs> } {
  const { eps, keep: _, ...attrs } = site.attrs;
  const [x, gamma, beta, ...rest] = site.inputs;
  if (!x || !gamma || !beta) {
    throw new Error('needs x, gamma, beta and what the product takes');
  }
  const norm = { inputs: [x, gamma, beta], attrs: { eps } };
  const product = { inputs: [x, ...rest], attrs };
  return {
    norm: { ...norm, outputs: layerNormOp.infer(norm.inputs, norm.attrs) },
    product: { ...product, outputs: matmulOp.infer(product.inputs, attrs) },
  };
}

const rebound = (dispatches: readonly Dispatch[], ref: (ref: BufferRef) => BufferRef): Dispatch[] =>
  dispatches.map((d) => ({ ...d, bindings: d.bindings.map((b): Binding => ({ ...b, ref: ref(b.ref) })) }));

/** Moves the product's operands behind the norm's, and its scratch behind the norm's result where that is scratch too. */
const shifted = (ref: BufferRef, norm: BufferRef): BufferRef => {
  if ('input' in ref) {
    return ref.input === 0 ? norm : { input: ref.input + NORM_INPUTS - 1 };
  }
  return 'scratch' in ref && 'scratch' in norm ? { ...ref, scratch: ref.scratch + 1 } : ref;
};

/** Number of groups of rows that have a gain of their own: one, or one for each product of the batch. */
const gainGroups = (gamma: TensorType): number => (gamma.shape.length === 2 ? at(gamma.shape, 0) : 1);

const canJoin = (site: OpSite<Attrs>, caps: DeviceCaps): boolean => {
  const { product } = parts(site);
  const [x, gamma] = [at(site.inputs, 0), at(site.inputs, 1)];
  const weight = at(product.inputs, 1);
  const batch = sizeOf(weight.shape.slice(0, -2));
  return (
    lastOf(x.shape) % 16 === 0 &&
    caps.maxInvocations >= MAX_GPU_TILE_ROWS &&
    [1, batch].includes(gainGroups(gamma)) &&
    (batch === 1 || sizeOf(x.shape.slice(0, -2)) === batch) &&
    (gpuTile.supports?.(product, caps) ?? true)
  );
};

/** Elements of x that the workgroups of the product read to find the statistics of their rows. */
function statisticsReads(product: OpSite<MatmulAttrs>, caps: DeviceCaps): number {
  const { m, n, k, batch } = siteProblem(product);
  const tile = hasMatrices(product, caps) ? matrixTile(m, n, batch, caps) : null;
  return batch * m * k * Math.ceil(n / (tile?.columns ?? GPU_TILE_COLUMNS));
}

function joined(site: OpSite<Attrs>, name: string, tiled: (product: OpSite<MatmulAttrs>) => Dispatch[]): Dispatch[] {
  const { product } = parts(site);
  const width = lastOf(at(site.inputs, 0).shape);
  const grouped = gainGroups(at(site.inputs, 1)) > 1;
  return rebound(tiled(product), (ref) => shifted(ref, { input: 0 })).map((d) => ({
    ...d,
    label: `layer_norm_linear.${name}`,
    params: {
      ...d.params,
      gain_step: grouped ? width / 4 : 0,
      share: { f32: 1 / width },
      eps: { f32: site.attrs.eps },
    },
    bindings: [
      ...[...d.bindings, read('gamma', 1, 4), read('beta', 2, 4), write('stats', 1)],
      ...(site.attrs.keep ? [write('kept', 2, 4)] : []),
    ],
  }));
}

const firstOf = <A extends OpAttrs>(op: Op<A>, site: OpSite<A>, caps: DeviceCaps): readonly Dispatch[] =>
  supportedVariants(op, site, caps)[0]?.dispatches(site, caps) ?? [];

function apart(site: OpSite<Attrs>, caps: DeviceCaps): Dispatch[] {
  const { norm, product } = parts(site);
  const between: BufferRef = site.attrs.keep ? { output: 2 } : { scratch: 0, type: at(norm.outputs, 0) };
  return [
    ...rebound(firstOf(layerNormOp, norm, caps), (ref) => ('output' in ref && ref.output === 0 ? between : ref)),
    ...rebound(firstOf(matmulOp, product, caps), (ref) => shifted(ref, between)),
  ];
}

/** y = LayerNorm(x) weight + bias in one pass over x: the product normalises the rows that it loads. */
defineOp<Attrs>({
  name: 'layer_norm_linear',
  storesOnce: true,
  infer: (inputs, attrs) => {
    const { norm, product } = parts({ inputs, outputs: [], attrs });
    return [at(product.outputs, 0), at(norm.outputs, 1), ...(attrs.keep ? [at(norm.outputs, 0)] : [])];
  },
  reference: ([x, gamma, beta, ...rest], site) => {
    const { norm, product } = parts(site);
    if (!x || !gamma || !beta) {
      throw new Error('layer_norm_linear needs x, gamma and beta');
    }
    const [n, stats] = layerNormOp.reference([x, gamma, beta], norm);
    const y = matmulOp.reference([{ shape: x.shape, data: n ?? new Float64Array() }, ...rest], product);
    return [at(y, 0), stats ?? new Float64Array(), ...(site.attrs.keep ? [n ?? new Float64Array()] : [])];
  },
  fusesPair: {
    producer: 'layer_norm',
    consumer: 'matmul',
    keepsResult: true,
    attrs: (norm, product, caps, keep) => {
      const attrs = { ...product.attrs, ...norm.attrs, ...(keep ? { keep } : {}) } as Attrs;
      const site = { inputs: [...norm.inputs, ...product.inputs.slice(1)], outputs: product.outputs, attrs };
      if (caps.software || norm.inputs.length !== NORM_INPUTS || !canJoin(site, caps)) {
        return null;
      }
      return statisticsReads(product as OpSite<MatmulAttrs>, caps) <= WORTHWHILE_READS ? attrs : null;
    },
  },
  variants: [
    {
      name: 'subgroup_matrix',
      supports: (site, caps) => canJoin(site, caps) && hasMatrices(parts(site).product, caps),
      dispatches: (site, caps) =>
        joined(site, 'subgroup_matrix', (product) =>
          matrixMatmul(product, caps, site.attrs.keep ? 'normalised and stored' : 'normalised'),
        ),
    },
    {
      name: 'gpu_tile',
      supports: canJoin,
      dispatches: (site) =>
        joined(site, 'gpu_tile', (product) =>
          tiledMatmul(product, { norm: NORM + (site.attrs.keep ? KEEP : KEEP_NOTHING) }),
        ),
    },
    { name: 'separate', dispatches: apart },
  ],
  cost: (site) => {
    const { norm, product } = parts(site);
    const flops = layerNormOp.cost(norm).flops + matmulOp.cost(product).flops;
    return { flops, bytes: [...site.inputs, ...site.outputs].reduce((n, t) => n + byteSize(t), 0) };
  },
  cases: [
    {
      name: 'past the tile',
      inputs: [{ shape: [2, 35, 32] }, { shape: [32] }, { shape: [32] }, { shape: [32, 68] }, { shape: [68] }],
      attrs: { eps: 1e-5, bias: true, residual: false },
    },
    {
      name: 'weight as stored, f16, residual',
      inputs: [
        { shape: [5, 48], dtype: 'f16' },
        { shape: [48], dtype: 'f16' },
        { shape: [48] },
        { shape: [12, 48], dtype: 'f16' },
        { shape: [5, 12], dtype: 'f16' },
      ],
      attrs: { eps: 1e-6, bias: false, residual: true, transposeB: true },
    },
    {
      name: 'gains and weights for each of a batch',
      inputs: [{ shape: [3, 7, 16] }, { shape: [3, 16] }, { shape: [3, 16] }, { shape: [3, 16, 8] }, { shape: [3, 8] }],
      attrs: { eps: 1e-5, bias: true, residual: false },
    },
    ...[
      { name: 'all f16, past the tiles, gains and weights for each of a batch', batch: 3, rows: 70, k: 48, n: 72 },
      { name: 'all f16, so many products that matrix units take tiles of 128x128', batch: 264, rows: 5, k: 16, n: 128 },
    ].map(({ name, batch, rows, k, n }) => {
      const shapes = [
        [batch, rows, k],
        [batch, k],
        [batch, k],
        [batch, k, n],
        [batch, n],
      ];
      const inputs = shapes.map((shape) => ({ shape, dtype: 'f16' as const }));
      return { name, inputs, attrs: { eps: 1e-5, bias: true, residual: false } };
    }),
    {
      name: 'the norm read by others too',
      inputs: [{ shape: [2, 35, 32] }, { shape: [32] }, { shape: [32] }, { shape: [32, 132] }, { shape: [132] }],
      attrs: { eps: 1e-5, bias: true, residual: false, keep: true },
    },
    {
      name: 'all f16, the norm read by others too',
      inputs: [
        { shape: [2, 35, 48], dtype: 'f16' },
        { shape: [48], dtype: 'f16' },
        { shape: [48], dtype: 'f16' },
        { shape: [72, 48], dtype: 'f16' },
        { shape: [72], dtype: 'f16' },
      ],
      attrs: { eps: 1e-5, bias: true, residual: false, transposeB: true, keep: true },
    },
    {
      name: 'far from zero',
      inputs: [{ shape: [9, 64], fill: 'positive', scale: 100 }, { shape: [64] }, { shape: [64] }, { shape: [64, 8] }],
      attrs: { eps: 1e-5, bias: false, residual: false },
    },
    {
      name: 'rows no multiple of 16',
      inputs: [{ shape: [3, 20] }, { shape: [20] }, { shape: [20] }, { shape: [20, 6] }],
      attrs: { eps: 1e-5, bias: false, residual: false },
    },
  ],
});
