/** Attributes of a matrix product, and the sizes that follow from them and the shapes around a use. */
import type { OpSite } from '../../tensor/op.ts';
import type { Shape } from '../../tensor/types.ts';
import { at, sizeOf } from '../../tensor/types.ts';

export type MatmulAttrs = { readonly bias: boolean; readonly residual: boolean; readonly transposeB?: boolean };

/** A product as `batch` products of [m,k] and [k,n]; a step of 0 means that operand is shared. */
export interface Problem {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly stepA: number;
  readonly stepB: number;
}

export function problemOf(a: Shape, b: Shape, transposeB: boolean): Problem {
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

export const siteProblem = (site: OpSite<MatmulAttrs>): Problem =>
  problemOf(at(site.inputs, 0).shape, at(site.inputs, 1).shape, site.attrs.transposeB ?? false);

/** Number of biases: one [N] for all products, or one for each [B,N]. */
export const biasCount = (site: OpSite<MatmulAttrs>): number =>
  site.attrs.bias ? sizeOf(at(site.inputs, 2).shape.slice(0, -1)) : 1;

/** Whether y's columns come in fours, as every variant but the naive one needs. */
export const columnsInFours = (site: OpSite<MatmulAttrs>): boolean => siteProblem(site).n % 4 === 0;
