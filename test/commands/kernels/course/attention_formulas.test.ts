import { expect } from 'vitest';
import { at } from '../../../../src/tensor/types.ts';
import { describeFormulas, dot, expectClose, expectGradient, random, referenceOf, table, total } from './formulas.ts';

const [T, S, D] = [4, 7, 3];
const c = 1 / Math.sqrt(D);
const [q, k, v, dy] = [random(T * D, 1), random(S * D, 2), random(S * D, 3), random(T * D, 4)];
const attrs = { heads: 1, scale: c, causal: false, mask: false };
const OPERANDS = [
  [q, [1, T, D]],
  [k, [1, S, D]],
  [v, [1, S, D]],
] as const;

const scores = (): Float64Array => table(T, S, (i, j) => c * total(D, (d) => at(q, i * D + d) * at(k, j * D + d)));
function probabilities(): Float64Array {
  const s = scores();
  return table(T, S, (i, j) => Math.exp(at(s, i * S + j)) / total(S, (l) => Math.exp(at(s, i * S + l))));
}
function result(): Float64Array {
  const p = probabilities();
  return table(T, D, (i, d) => total(S, (j) => at(p, i * S + j) * at(v, j * D + d)));
}
const loss = (): number => dot(dy, result());

const p = probabilities();
const dp = table(T, S, (i, j) => total(D, (d) => at(dy, i * D + d) * at(v, j * D + d)));
const sums = table(T, 1, (i) => total(S, (l) => at(p, i * S + l) * at(dp, i * S + l)));
const ds = table(T, S, (i, j) => at(p, i * S + j) * (at(dp, i * S + j) - at(sums, i)));
const [y = new Float64Array(), lse = new Float64Array()] = referenceOf('attention', OPERANDS, attrs);

/** The numbers that are kept of one row: the reference m, the sum and the weighted values. */
interface Kept {
  readonly m: number;
  readonly sum: number;
  readonly o: Float64Array;
}

/** Takes the keys first … end - 1 into what is kept of row i. */
function withBlock({ m, sum, o }: Kept, i: number, first: number, end: number): Kept {
  const s = scores().slice(i * S + first, i * S + end);
  const next = Math.max(m, ...s);
  const shrink = Math.exp(m - next);
  return {
    m: next,
    sum: shrink * sum + total(s.length, (j) => Math.exp(at(s, j) - next)),
    o: o.map(
      (value, d) => shrink * value + total(s.length, (j) => Math.exp(at(s, j) - next) * at(v, (first + j) * D + d)),
    ),
  };
}

/** All keys of row i, in blocks of `size`. */
function inBlocks(i: number, size: number): Kept {
  let kept: Kept = { m: -1e30, sum: 0, o: new Float64Array(D) };
  for (let first = 0; first < S; first += size) {
    kept = withBlock(kept, i, first, Math.min(S, first + size));
  }
  return kept;
}

describeFormulas('attention.md', [
  [
    String.raw`s_{ij} = c \sum_{d=1}^{D} q_{id}\, k_{jd}, \qquad p_{ij} = \frac{e^{s_{ij}}}{\sum_{l=1}^{S} e^{s_{il}}}, \qquad y_{id} = \sum_{j=1}^{S} p_{ij}\, v_{jd}`,
    () => expectClose(result(), y),
  ],
  [
    String.raw`m' = \max\bigl(m, \max_j s_j\bigr), \qquad \ell' = e^{m - m'} \ell + \sum_j e^{s_j - m'}, \qquad o' = e^{m - m'} o + \sum_j e^{s_j - m'} v_j`,
    () => {
      const s = scores();
      for (const size of [1, 2, 3, S]) {
        for (let i = 0; i < T; i++) {
          const { m, sum, o } = inBlocks(i, size);
          const row = s.slice(i * S, (i + 1) * S);
          expect(m).toBe(Math.max(...row));
          expectClose([sum], [total(S, (j) => Math.exp(at(row, j) - m))]);
          expectClose(
            o,
            table(1, D, (_, d) => total(S, (j) => Math.exp(at(row, j) - m) * at(v, j * D + d))),
          );
        }
      }
    },
  ],
  [
    String.raw`y = \frac{o}{\ell}, \qquad \mathrm{lse} = m + \log \ell`,
    () => {
      for (let i = 0; i < T; i++) {
        const { m, sum, o } = inBlocks(i, 2);
        expectClose(
          o.map((value) => value / sum),
          y.slice(i * D, (i + 1) * D),
        );
        expectClose([m + Math.log(sum)], [at(lse, i)]);
      }
    },
  ],
  [
    String.raw`dv_{jd} = \sum_{i=1}^{T} p_{ij}\, dy_{id}, \qquad dp_{ij} = \sum_{d=1}^{D} dy_{id}\, v_{jd}`,
    () => {
      expectGradient(
        table(S, D, (j, d) => total(T, (i) => at(p, i * S + j) * at(dy, i * D + d))),
        loss,
        v,
      );
      const given = Float64Array.from(p);
      const fromGiven = (): number =>
        dot(
          dy,
          table(T, D, (i, d) => total(S, (j) => at(given, i * S + j) * at(v, j * D + d))),
        );
      expectGradient(dp, fromGiven, given);
    },
  ],
  [
    String.raw`\frac{\partial p_{il}}{\partial s_{ij}} = p_{il} \left( \delta_{lj} - p_{ij} \right)`,
    () => {
      const row = scores().slice(S, 2 * S);
      const softmax = (l: number): number => Math.exp(at(row, l)) / total(S, (j) => Math.exp(at(row, j)));
      for (let l = 0; l < S; l++) {
        const slopes = table(S, 1, (j) => softmax(l) * (Number(l === j) - softmax(j)));
        expectGradient(slopes, () => softmax(l), row);
      }
    },
  ],
  [
    String.raw`ds_{ij} = \sum_{l=1}^{S} dp_{il}\, \frac{\partial p_{il}}{\partial s_{ij}} = p_{ij} \Bigl( dp_{ij} - \sum_{l=1}^{S} p_{il}\, dp_{il} \Bigr)`,
    () => {
      const s = scores();
      const fromScores = (): number =>
        dot(
          dp,
          table(T, S, (i, j) => Math.exp(at(s, i * S + j)) / total(S, (l) => Math.exp(at(s, i * S + l)))),
        );
      expectGradient(ds, fromScores, s);
    },
  ],
  [
    String.raw`\Delta_i = \sum_{l=1}^{S} p_{il}\, dp_{il} = \sum_{l=1}^{S} p_{il} \sum_{d=1}^{D} dy_{id}\, v_{ld} = \sum_{d=1}^{D} dy_{id}\, y_{id}`,
    () =>
      expectClose(
        sums,
        table(T, 1, (i) => total(D, (d) => at(dy, i * D + d) * at(y, i * D + d))),
      ),
  ],
  [
    String.raw`dq_{id} = c \sum_{j=1}^{S} ds_{ij}\, k_{jd}, \qquad dk_{jd} = c \sum_{i=1}^{T} ds_{ij}\, q_{id}`,
    () => {
      const dq = table(T, D, (i, d) => c * total(S, (j) => at(ds, i * S + j) * at(k, j * D + d)));
      const dk = table(S, D, (j, d) => c * total(T, (i) => at(ds, i * S + j) * at(q, i * D + d)));
      expectGradient(dq, loss, q);
      expectGradient(dk, loss, k);
      const saved = [
        [y, [1, T, D]],
        [dy, [1, T, D]],
        [lse, [1, 1, T]],
      ] as const;
      const [ownQ, ownK] = referenceOf('attention_backward', [...OPERANDS, ...saved], { ...attrs, gradients: 'all' });
      expectClose(dq, ownQ ?? []);
      expectClose(dk, ownK ?? []);
    },
  ],
  [
    String.raw`p_{ij} = e^{s_{ij} - \mathrm{lse}_i}`,
    () => {
      const s = scores();
      expectClose(
        table(T, S, (i, j) => Math.exp(at(s, i * S + j) - at(lse, i))),
        p,
      );
    },
  ],
]);
