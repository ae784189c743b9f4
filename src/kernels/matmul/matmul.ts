/**
 * Batched matrix product y = a b (+ bias) (+ residual), and `linear`, which is it on a transposed weight.
 * The op reads a [..., M, K] and b [..., K, N], or b [..., N, K] with `transposeB`. A trace has transposed operands as transpose
 * nodes, which for weights run once; a plan that stores weights once has the product read them so (tensor/schedule/weight_layout.ts).
 * A `b` without batch dimensions folds the batch of `a` into its rows.
 */
import type { HostArray, OpSite } from '../../tensor/op.ts';
import { defineOp } from '../../tensor/op.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { at, broadcastShapes, byteSize, sameShape, sizeOf } from '../../tensor/types.ts';
import type { Activation } from '../common/compositions.ts';
import { activate, sumRows, transposeLast } from '../common/compositions.ts';
import { transposedType } from '../common/transposed_weight.ts';
import { unbroadcast } from '../common/unbroadcast.ts';
import { broadcastTo } from '../elementwise/broadcast_to.ts';
import { sum } from '../reduce/reduce.ts';
import { reshape } from '../reshape.ts';
import { CASES } from './cases.ts';
import { cpuTile4x8 } from './cpu_tile_4x8.ts';
import { cpuTile32x32 } from './cpu_tile_32x32.ts';
import { gpuTile } from './gpu_tile.ts';
import { naive } from './naive.ts';
import { packedF16 } from './packed_f16.ts';
import { packedPanels } from './packed_panels.ts';
import type { MatmulAttrs } from './problem.ts';
import { biasCount, problemOf, siteProblem } from './problem.ts';
import { subgroupMatrix, subgroupMatrixSplit } from './subgroup_matrix.ts';

function reference([a, b, ...rest]: readonly HostArray[], site: OpSite<MatmulAttrs>): Float64Array[] {
  if (!a || !b) {
    throw new Error('matmul needs two inputs');
  }
  const { batch, m, n, k, stepA, stepB } = siteProblem(site);
  const bias = site.attrs.bias ? at(rest, 0).data : null;
  const residual = site.attrs.residual ? at(rest, site.attrs.bias ? 1 : 0).data : null;
  const ownBias = biasCount(site) > 1;
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
        return unbroadcast(matmul(transposeLast(a), dy), b.shape);
      }
      const rows = (t: Tensor): Tensor => reshape(t, [sizeOf(t.shape) / t.dim(-1), t.dim(-1)]);
      return reshape(matmul(transposeLast(rows(a)), rows(dy)), b.shape);
    };
    return [
      () => unbroadcast(matmul(dy, transposeLast(b)), a.shape),
      attrs.transposeB ? () => transposeLast(gradB()) : gradB,
      ...(attrs.bias ? [() => biasGradient(dy, at(inputs, 2).shape)] : []),
      ...(attrs.residual ? [() => dy] : []),
    ];
  },
  reference,
  readTransposed: (attrs, index) => (index === 1 ? { ...attrs, transposeB: !attrs.transposeB } : null),
  // Those for one kind of driver come before those that run on any. packed_f16 is never the first: it rounds more.
  variants: [subgroupMatrix, subgroupMatrixSplit, packedPanels, cpuTile32x32, cpuTile4x8, gpuTile, packedF16, naive],
  cost: (site) => {
    const { batch, m, n, k } = siteProblem(site);
    const bytes = [...site.inputs, ...site.outputs].reduce((sum, t) => sum + byteSize(t), 0);
    return { flops: 2 * batch * m * n * k, bytes };
  },
  cases: CASES,
});

/** How the operands of a product are given, and what follows it in the same kernel. */
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
