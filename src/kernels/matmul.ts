/**
 * Batched matrix product y = a b (+ bias) (+ residual), and `linear`, which is it on a transposed weight.
 * The op reads a [..., M, K] and b [..., K, N], or b [..., N, K] with `transposeB`. A trace has transposed operands as transpose
 * nodes, which for weights run once; a plan that stores weights once has the product read them so (tensor/schedule/weight_layout.ts).
 * A `b` without batch dimensions folds the batch of `a` into its rows.
 */

import type { Binding, Dispatch } from '../tensor/dispatch.ts';
import { MAX_GROUPS_PER_DIMENSION } from '../tensor/grid.ts';
import type { HostArray, OpSite, Variant } from '../tensor/op.ts';
import { defineOp } from '../tensor/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Shape } from '../tensor/types.ts';
import { at, broadcastShapes, byteSize, sameShape, sizeOf } from '../tensor/types.ts';
import { read, write } from './common/bindings.ts';
import { GPU_TILE, GPU_TILE_COLUMNS, gpuTileRows, MAX_GPU_TILE_ROWS, operands, QUAD } from './common/gpu_tile_wgsl.ts';
import type { Activation } from './common/linalg_basic.ts';
import { activate, sumRows, transposeLast } from './common/linalg_basic.ts';
import {
  batchEpilogueCode,
  epilogueCode,
  MATMUL_CPU_TILE_4X8,
  MATMUL_GPU_TILE,
  MATMUL_NAIVE,
  MATMUL_TILE,
  ROWS_AS_THEY_ARE,
} from './common/matmul_wgsl.ts';
import { NARROW_COLUMNS, NARROW_ROWS, NARROW_TILE } from './common/narrow_tile_wgsl.ts';
import type { Operands } from './common/panels.ts';
import { columnPanels, packDispatches, panelProduct, panelsPay, rowPanels } from './common/panels.ts';
import { canStoreOne } from './common/site.ts';
import { MATRIX_MAIN, MATRIX_TILE, matrixConstants, matrixShape } from './common/subgroup_matrix.ts';
import { hasSubgroupTile } from './common/subgroup_tile.ts';
import { sumTo } from './common/sum_to.ts';
import { throughScratch, transposedType } from './common/transposed_weight.ts';
import { MATMUL_CPU_TILE_32X32, WIDE_COLUMNS, WIDE_ROWS, wideTile } from './common/wide_tile_wgsl.ts';
import { broadcastTo } from './elementwise/broadcast_to.ts';
import { sum } from './reduce/reduce.ts';
import { reshape } from './reshape.ts';

export type MatmulAttrs = { readonly bias: boolean; readonly residual: boolean; readonly transposeB?: boolean };

/** The product as `batch` products of [m,k] and [k,n]; a step of 0 means that operand is shared. */
interface Problem {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly stepA: number;
  readonly stepB: number;
}

function problemOf(a: Shape, b: Shape, transposeB: boolean): Problem {
  const m = at(a, a.length - 2);
  const k = at(a, a.length - 1);
  const n = at(b, b.length - (transposeB ? 2 : 1));
  const batchA = sizeOf(a.slice(0, -2));
  const batchB = sizeOf(b.slice(0, -2));
  if (batchB === 1) {
    return { batch: 1, m: m * batchA, n, k, stepA: 0, stepB: 0 };
  }
  return { batch: batchB, m, n, k, stepA: batchA === 1 ? 0 : m * k, stepB: k * n };
}

const siteProblem = (site: OpSite<MatmulAttrs>): Problem =>
  problemOf(at(site.inputs, 0).shape, at(site.inputs, 1).shape, site.attrs.transposeB ?? false);

/** One bias [N] for all products, or one each [B,N]. */
const biases = (site: OpSite<MatmulAttrs>): number =>
  site.attrs.bias ? sizeOf(at(site.inputs, 2).shape.slice(0, -1)) : 1;

interface Extra {
  readonly params?: Readonly<Record<string, number>>;
  readonly constants?: Readonly<Record<string, number>>;
  readonly vecA?: 1 | 4;
  readonly vecB?: 1 | 4;
}

/** y, and what its epilogue reads. */
function resultBindings({ attrs: { bias, residual } }: OpSite<MatmulAttrs>, vec: 1 | 4): Binding[] {
  return [
    write('y', 0, vec),
    ...(bias ? [read('bias', 2, vec)] : []),
    ...(residual ? [read('residual', bias ? 3 : 2, vec)] : []),
  ];
}

/** The one dispatch of a variant; `vec` says how b (unless `vecB` does), y, bias and residual are indexed. */
function dispatch(
  site: OpSite<MatmulAttrs>,
  label: string,
  code: string,
  workgroups: (p: Problem) => readonly [number, number, number],
  vec: 1 | 4 = 1,
  { params = {}, constants = {}, vecA = 1, vecB = vec }: Extra = {},
): Dispatch[] {
  const problem = siteProblem(site);
  const { m, n, k, stepA, stepB } = problem;
  const bindings: Binding[] = [read('a', 0, vecA), read('b', 1, vecB), ...resultBindings(site, vec)];
  return [
    {
      label,
      code: code + (biases(site) > 1 ? batchEpilogueCode(site.attrs, vec) : epilogueCode(site.attrs, vec)),
      constants,
      params: { m, n, k, stepA, stepB, n4: Math.floor(n / 4), ...params },
      bindings,
      workgroups: workgroups(problem),
    },
  ];
}

const columnsInFours = (site: OpSite<MatmulAttrs>): boolean => siteProblem(site).n % 4 === 0;

function reference([a, b, ...rest]: readonly HostArray[], site: OpSite<MatmulAttrs>): Float64Array[] {
  if (!a || !b) {
    throw new Error('matmul needs two inputs');
  }
  const { batch, m, n, k, stepA, stepB } = siteProblem(site);
  const bias = site.attrs.bias ? at(rest, 0).data : null;
  const residual = site.attrs.residual ? at(rest, site.attrs.bias ? 1 : 0).data : null;
  const ownBias = biases(site) > 1;
  const y = new Float64Array(batch * m * n);
  for (let i = 0; i < y.length; i++) {
    const column = i % n;
    const row = Math.floor(i / n) % m;
    const z = Math.floor(i / (n * m));
    let total = (bias ? at(bias, (ownBias ? z * n : 0) + column) : 0) + (residual ? at(residual, i) : 0);
    for (let j = 0; j < k; j++) {
      const place = site.attrs.transposeB ? column * k + j : j * n + column;
      total += at(a.data, z * stepA + row * k + j) * at(b.data, z * stepB + place);
    }
    y[i] = total;
  }
  return [y];
}

function biasGradient(dy: Tensor, bias: Shape): Tensor {
  return bias.length === 1 ? sumRows(dy) : sum(reshape(dy, [at(bias, 0), -1, at(bias, 1)]), [1]);
}

export const matmulOp = defineOp<MatmulAttrs>({
  name: 'matmul',
  storesOnce: true,
  infer: ([a, given, ...rest], { bias, residual, transposeB }) => {
    if (!a || !given || a.shape.length < 2 || given.shape.length < 2) {
      throw new Error('needs matrices a [..., M, K] and b [..., K, N]');
    }
    const b = transposeB ? transposedType(given) : given;
    if (a.shape.at(-1) !== b.shape.at(-2)) {
      throw new Error(`a has ${a.shape.at(-1)} columns, b ${b.shape.at(-2)} rows`);
    }
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
    for (const x of [a, b]) {
      const own = x.shape.slice(0, -2);
      if (sizeOf(own) !== 1 && sizeOf(own) !== sizeOf(batch)) {
        throw new Error(`batch [${own.join(',')}] is neither one matrix nor the whole batch [${batch.join(',')}]`);
      }
    }
    const shape = [...batch, at(a.shape, a.shape.length - 2), at(b.shape, b.shape.length - 1)];
    if (rest.length !== Number(bias) + Number(residual)) {
      throw new Error('bias and residual do not match the attributes');
    }
    const n = at(shape, shape.length - 1);
    const products = problemOf(a.shape, b.shape, false).batch;
    if (bias && ![[n], [products, n]].some((fits) => sameShape(at(rest, 0).shape, fits))) {
      throw new Error(`bias must be [N] or [B,N], one for each of ${products} products`);
    }
    if (residual && !sameShape(at(rest, bias ? 1 : 0).shape, shape)) {
      throw new Error(`residual must be [${shape.join(',')}]`);
    }
    return [{ dtype: a.dtype, shape }];
  },
  vjp: ({ inputs, attrs, dy }) => {
    const a = at(inputs, 0);
    const given = at(inputs, 1);
    const b = attrs.transposeB ? transposeLast(given) : given;
    const gradB = (): Tensor => {
      if (sizeOf(b.shape.slice(0, -2)) !== 1) {
        return sumTo(matmul(transposeLast(a), dy), b.shape);
      }
      const rows = (t: Tensor): Tensor => reshape(t, [sizeOf(t.shape) / t.dim(-1), t.dim(-1)]);
      return reshape(matmul(transposeLast(rows(a)), rows(dy)), b.shape);
    };
    return [
      () => sumTo(matmul(dy, transposeLast(b)), a.shape),
      attrs.transposeB ? () => transposeLast(gradB()) : gradB,
      ...(attrs.bias ? [() => biasGradient(dy, at(inputs, 2).shape)] : []),
      ...(attrs.residual ? [() => dy] : []),
    ];
  },
  reference,
  readTransposed: (attrs, index) => (index === 1 ? { ...attrs, transposeB: !attrs.transposeB } : null),
  // Those for one kind of driver come before those that run on any.
  variants: [
    {
      name: 'subgroup_matrix',
      supports: (site, caps) =>
        matrixShape(caps) !== null && columnsInFours(site) && site.inputs.slice(0, 2).every((t) => t.dtype === 'f16'),
      dispatches: (site, caps) => {
        const shape = matrixShape(caps);
        if (!shape) {
          throw new Error('matmul.subgroup_matrix needs f16 matrices in subgroups');
        }
        const { m, n, k, batch } = siteProblem(site);
        const { code, ...vec } = operands(k, site.attrs.transposeB ?? false);
        const groups = () => [Math.ceil(n / MATRIX_TILE), Math.ceil(m / MATRIX_TILE), batch] as const;
        const extra = { constants: matrixConstants(shape, caps), ...vec };
        return dispatch(site, 'matmul.subgroup_matrix', QUAD + code + MATMUL_TILE + MATRIX_MAIN, groups, 4, extra);
      },
    },
    {
      name: 'packed_panels',
      supports: (site, caps) => {
        const problem = siteProblem(site);
        return hasSubgroupTile(caps) && problem.batch === 1 && panelsPay(problem);
      },
      dispatches: (site) => {
        const problem = siteProblem(site);
        const operands: Operands = {
          a: { scratch: 0, type: rowPanels(problem) },
          b: { scratch: 1, type: columnPanels(problem) },
          rest: resultBindings(site, 4),
        };
        return [
          ...packDispatches('matmul.packed_panels', problem, site.attrs.transposeB ?? false),
          panelProduct('matmul.packed_panels', problem, operands, epilogueCode(site.attrs, 4)),
        ];
      },
    },
    {
      name: 'cpu_tile_32x32',
      supports: (site, caps) => {
        const { m, n, k } = siteProblem(site);
        // For few rows cpu_tile_4x8 is faster, but it would have b transposed first.
        const isWorth = m >= WIDE_ROWS / 2 || (site.attrs.transposeB ?? false);
        return hasSubgroupTile(caps) && n % 4 === 0 && k % 4 === 0 && isWorth;
      },
      dispatches: (site) => {
        const groups = ({ batch, m, n }: Problem) =>
          [Math.ceil(n / WIDE_COLUMNS), Math.ceil(m / WIDE_ROWS), batch] as const;
        const code = wideTile(site.attrs.transposeB ?? false) + MATMUL_CPU_TILE_32X32;
        return dispatch(site, 'matmul.cpu_tile_32x32', code, groups, 4, { vecA: 4, params: { tile: WIDE_ROWS } });
      },
    },
    readsPlain({
      name: 'cpu_tile_4x8',
      supports: (site, caps) => caps.software && columnsInFours(site),
      dispatches: (site) => {
        const groups = ({ batch, m, n }: Problem) =>
          [Math.ceil(n / NARROW_COLUMNS), Math.ceil(m / NARROW_ROWS), batch] as const;
        return dispatch(site, 'matmul.cpu_tile_4x8', NARROW_TILE + MATMUL_CPU_TILE_4X8, groups, 4, {
          params: { tile: 8 },
        });
      },
    }),
    {
      name: 'gpu_tile',
      supports: (site, caps) => caps.maxInvocations >= MAX_GPU_TILE_ROWS && columnsInFours(site),
      dispatches: (site) => tiledMatmul(site),
    },
    {
      name: 'naive',
      supports: (site, caps) => {
        const { batch, m, n } = siteProblem(site);
        const fits = Math.max(Math.ceil(n / 8), Math.ceil(m / 8), batch) <= MAX_GROUPS_PER_DIMENSION;
        return fits && canStoreOne(at(site.outputs, 0), caps);
      },
      dispatches: (site) => {
        const { n, k } = siteProblem(site);
        const strides = site.attrs.transposeB ? { columnB: k, rowB: 1 } : { columnB: 1, rowB: n };
        const groups = ({ batch, m }: Problem) => [Math.ceil(n / 8), Math.ceil(m / 8), batch] as const;
        return dispatch(site, 'matmul.naive', MATMUL_NAIVE, groups, 1, { params: strides });
      },
    },
  ],
  cost: (site) => {
    const { batch, m, n, k } = siteProblem(site);
    const bytes = [...site.inputs, ...site.outputs].reduce((sum, t) => sum + byteSize(t), 0);
    return { flops: 2 * batch * m * n * k, bytes };
  },
  cases: [
    { name: 'multiples of 4', inputs: [{ shape: [20, 24] }, { shape: [24, 36] }], attrs: plain() },
    {
      name: 'past the tiles',
      inputs: [{ shape: [67, 19] }, { shape: [19, 72] }, { shape: [72] }],
      attrs: { bias: true, residual: false },
      grad: [], // finite differences of thousands of inputs; smaller cases take them
    },
    {
      name: 'past the wide tiles, batched, a bias for each product, residual',
      inputs: [{ shape: [2, 43, 20] }, { shape: [2, 20, 68] }, { shape: [2, 68] }, { shape: [2, 43, 68] }],
      attrs: { bias: true, residual: true },
      grad: [],
    },
    {
      name: 'past the wide tiles, transposed b, f16',
      inputs: [{ shape: [45, 36], dtype: 'f16' }, { shape: [76, 36], dtype: 'f16' }, { shape: [76] }],
      attrs: { bias: true, residual: false, transposeB: true },
      grad: [],
    },
    {
      name: 'past the panels, epilogue',
      inputs: [{ shape: [609, 68] }, { shape: [68, 612] }, { shape: [612] }, { shape: [609, 612] }],
      attrs: { bias: true, residual: true },
      grad: [],
    },
    {
      name: 'past the panels, transposed b, f16',
      inputs: [
        { shape: [611, 68], dtype: 'f16' },
        { shape: [620, 68], dtype: 'f16' },
      ],
      attrs: { ...plain(), transposeB: true },
      grad: [],
    },
    { name: 'odd sizes', inputs: [{ shape: [5, 7] }, { shape: [7, 3] }], attrs: plain() },
    { name: 'row of one', inputs: [{ shape: [1, 12] }, { shape: [12, 8] }], attrs: plain() },
    {
      name: 'batch folded into rows, epilogue',
      inputs: [{ shape: [2, 3, 8] }, { shape: [8, 12] }, { shape: [12] }, { shape: [2, 3, 12] }],
      attrs: { bias: true, residual: true },
    },
    {
      name: 'residual, odd',
      inputs: [{ shape: [9, 5] }, { shape: [5, 6] }, { shape: [9, 6] }],
      attrs: { bias: false, residual: true },
    },
    { name: 'batched', inputs: [{ shape: [3, 4, 8] }, { shape: [3, 8, 4] }], attrs: plain() },
    {
      name: 'batched, many workgroups',
      inputs: [{ shape: [96, 130, 20] }, { shape: [96, 20, 4] }],
      attrs: plain(),
      grad: [],
    },
    { name: 'shared a', inputs: [{ shape: [4, 8] }, { shape: [2, 8, 12] }], attrs: plain() },
    {
      name: 'batched, odd',
      inputs: [{ shape: [2, 2, 3, 5] }, { shape: [2, 2, 5, 7] }, { shape: [7] }],
      attrs: { bias: true, residual: false },
    },
    {
      name: 'a bias for each product',
      inputs: [{ shape: [2, 5, 6] }, { shape: [2, 6, 8] }, { shape: [2, 8] }],
      attrs: { bias: true, residual: false },
    },
    {
      name: 'a bias for each product, residual, odd',
      inputs: [{ shape: [4, 3, 5] }, { shape: [4, 5, 7] }, { shape: [4, 7] }, { shape: [4, 3, 7] }],
      attrs: { bias: true, residual: true },
    },
    {
      name: 'a bias for each product, in f16, shared a',
      inputs: [{ shape: [9, 4] }, { shape: [3, 4, 12], dtype: 'f16' }, { shape: [3, 12], dtype: 'f16' }],
      attrs: { bias: true, residual: false },
    },
    {
      name: 'all f16, past the tiles',
      inputs: [
        { shape: [67, 40], dtype: 'f16' },
        { shape: [40, 72], dtype: 'f16' },
        { shape: [72], dtype: 'f16' },
      ],
      attrs: { bias: true, residual: false },
      grad: [],
    },
    {
      name: 'all f16, batched, b transposed, odd k',
      inputs: [
        { shape: [2, 5, 35], dtype: 'f16' },
        { shape: [2, 12, 35], dtype: 'f16' },
        { shape: [2, 5, 12], dtype: 'f16' },
      ],
      attrs: { bias: false, residual: true, transposeB: true },
      grad: [],
    },
    {
      name: 'f16 weight',
      inputs: [{ shape: [6, 16] }, { shape: [16, 20], dtype: 'f16' }, { shape: [20], dtype: 'f16' }],
      attrs: { bias: true, residual: false },
    },
    { name: 'b transposed', inputs: [{ shape: [9, 12] }, { shape: [8, 12] }], attrs: { ...plain(), transposeB: true } },
    {
      name: 'b transposed, past the tiles',
      inputs: [{ shape: [67, 20] }, { shape: [76, 20], dtype: 'f16' }, { shape: [76] }],
      attrs: { bias: true, residual: false, transposeB: true },
      grad: [],
    },
    {
      name: 'b transposed, odd',
      inputs: [{ shape: [2, 3, 5] }, { shape: [7, 5] }, { shape: [7] }, { shape: [2, 3, 7] }],
      attrs: { bias: true, residual: true, transposeB: true },
    },
    {
      name: 'b transposed, K odd',
      inputs: [{ shape: [6, 7] }, { shape: [8, 7] }],
      attrs: { ...plain(), transposeB: true },
    },
    {
      name: 'b transposed, batched',
      inputs: [{ shape: [3, 4, 8] }, { shape: [3, 4, 8] }],
      attrs: { ...plain(), transposeB: true },
    },
    { name: 'f16 weight, odd', inputs: [{ shape: [3, 9] }, { shape: [9, 5], dtype: 'f16' }], attrs: plain() },
  ],
});

/** `norm` defines `prepare` and `normed`, which gpu_tile calls for the rows of a. */
export function tiledMatmul(site: OpSite<MatmulAttrs>, norm = ROWS_AS_THEY_ARE): Dispatch[] {
  const { m, n, k, batch } = siteProblem(site);
  const rows = gpuTileRows(m, n, batch);
  const { code, ...vec } = operands(k, site.attrs.transposeB ?? false);
  const groups = () => [Math.ceil(n / GPU_TILE_COLUMNS), Math.ceil(m / rows), batch] as const;
  return dispatch(site, 'matmul.gpu_tile', GPU_TILE + code + MATMUL_GPU_TILE + norm, groups, 4, {
    constants: { ROWS: rows },
    ...vec,
  });
}

/** A variant whose kernel has b as [..., K, N] only. */
function readsPlain(variant: Variant<MatmulAttrs>): Variant<MatmulAttrs> {
  return throughScratch(variant, (attrs) => (attrs.transposeB ? { ...attrs, transposeB: false } : null));
}

function plain(): MatmulAttrs {
  return { bias: false, residual: false };
}

export interface MatmulOptions {
  /** `a` is given as [..., K, M]. */
  readonly transposeA?: boolean;
  /** `b` is given as [..., N, K]. */
  readonly transposeB?: boolean;
  /** [N], or [B,N] for the products of a batch */
  readonly bias?: Tensor | null;
  /** Added to the product; of its shape. */
  readonly residual?: Tensor;
  /** Applied last. */
  readonly activation?: Activation;
}

/**
 * activation(a b + bias + residual) for a [..., M, K], b [..., K, N] → [..., M, N]; batch dimensions broadcast.
 * @throws Error when sizes do not fit.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false, bias, residual, activation } = options;
  const inputs = broadcastBatches(transposeA ? transposeLast(a) : a, transposeB ? transposeLast(b) : b);
  if (bias) {
    inputs.push(bias);
  }
  if (residual) {
    inputs.push(residual);
  }
  return activate(matmulOp.one(inputs, { bias: Boolean(bias), residual: Boolean(residual) }), activation);
}

/** Repeats an operand whose batch is neither one matrix nor the whole batch; the op takes those two as they are. */
function broadcastBatches(a: Tensor, b: Tensor): Tensor[] {
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  return [a, b].map((x) => {
    const own = sizeOf(x.shape.slice(0, -2));
    return own === 1 || own === sizeOf(batch) ? x : broadcastTo(x, [...batch, ...x.shape.slice(-2)]);
  });
}

/**
 * x [..., K] times `weight` [N, K] transposed (PyTorch's layout), plus bias [N] → [..., N]. Or R layers at once: weight
 * [R, N, K] and bias [R, N] for R equal parts of x's first axis.
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  options: Pick<MatmulOptions, 'residual' | 'activation'> = {},
): Tensor {
  if (x.shape.length < 2) {
    const rows = matmul(reshape(x, [1, x.dim(-1)]), weight, {
      transposeB: true,
      ...(bias ? { bias } : {}),
      ...(options.residual ? { residual: reshape(options.residual, [1, weight.dim(0)]) } : {}),
    });
    return activate(reshape(rows, [weight.dim(0)]), options.activation);
  }
  if (weight.shape.length === 3) {
    const parts = (t: Tensor): Tensor => reshape(t, [weight.dim(0), -1, t.dim(-1)]);
    const { residual } = options;
    const own = { ...options, ...(residual ? { residual: parts(residual) } : {}), ...(bias ? { bias } : {}) };
    return reshape(matmul(parts(x), weight, { ...own, transposeB: true }), [...x.shape.slice(0, -1), weight.dim(1)]);
  }
  return matmul(x, weight, { transposeB: true, ...(bias ? { bias } : {}), ...options });
}
