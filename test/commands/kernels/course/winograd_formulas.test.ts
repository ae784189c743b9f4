import { expect } from 'vitest';
import { at } from '../../../../src/tensor/types.ts';
import { describeFormulas, expectClose, random, table, total } from './formulas.ts';

/** The matrix of a formula `… \begin{pmatrix} 1 & 1/4 \\ … \end{pmatrix}`, row after row. */
function matrixOf(text: string): { rows: number; columns: number; data: Float64Array } {
  const [, inner = ''] = /\\begin\{pmatrix\}(.*)\\end\{pmatrix\}/.exec(text) ?? [];
  const lines = inner.split('\\\\').map((line) =>
    line.split('&').map((cell) => {
      const [above = Number.NaN, below = 1] = cell.split('/').map(Number);
      return above / below;
    }),
  );
  return { rows: lines.length, columns: at(lines, 0).length, data: Float64Array.from(lines.flat()) };
}

const A_TRANSPOSED = String.raw`A^T = \begin{pmatrix} 1 & 1 & 1 & 1 & 1 & 0 \\ 0 & 1 & -1 & 2 & -2 & 0 \\ 0 & 1 & 1 & 4 & 4 & 0 \\ 0 & 1 & -1 & 8 & -8 & 1 \end{pmatrix}`;
const G_MATRIX = String.raw`G = \begin{pmatrix} 1/4 & 0 & 0 \\ -1/6 & -1/6 & -1/6 \\ -1/6 & 1/6 & -1/6 \\ 1/24 & 1/12 & 1/6 \\ 1/24 & -1/12 & 1/6 \\ 0 & 0 & 1 \end{pmatrix}`;
const B_TRANSPOSED = String.raw`B^T = \begin{pmatrix} 4 & 0 & -5 & 0 & 1 & 0 \\ 0 & -4 & -4 & 1 & 1 & 0 \\ 0 & 4 & -4 & -1 & 1 & 0 \\ 0 & -2 & -1 & 2 & 1 & 0 \\ 0 & 2 & -1 & -2 & 1 & 0 \\ 0 & 4 & 0 & -5 & 0 & 1 \end{pmatrix}`;

const [At, G, Bt] = [matrixOf(A_TRANSPOSED), matrixOf(G_MATRIX), matrixOf(B_TRANSPOSED)];
const POINTS = [0, 1, -1, 2, -2];

type Matrix = ReturnType<typeof matrixOf>;
const times = (m: Matrix, x: ArrayLike<number>, columns = 1): Float64Array =>
  table(m.rows, columns, (i, j) => total(m.columns, (k) => at(m.data, i * m.columns + k) * at(x, k * columns + j)));
const transposed = (x: ArrayLike<number>, rows: number): Float64Array =>
  table(x.length / rows, rows, (i, j) => at(x, j * (x.length / rows) + i));
/** M x Mᵀ for a square x. */
const both = (m: Matrix, x: ArrayLike<number>): Float64Array =>
  transposed(times(m, transposed(times(m, x, m.columns), m.rows), m.rows), m.rows);

const [g, d] = [random(3, 1), random(6, 2)];
const filtered = table(4, 1, (i) => total(3, (k) => at(g, k) * at(d, i + k)));
const byPoints = (): Float64Array => {
  const [weights, values] = [times(G, g), times(Bt, d)];
  return times(
    At,
    weights.map((value, i) => value * at(values, i)),
  );
};
/** Y_ij = Σ g_uv d_(i+u)(j+v). */
const filteredTile = (weight: ArrayLike<number>, tile: ArrayLike<number>): Float64Array =>
  table(4, 4, (i, j) => total(9, (k) => at(weight, k) * at(tile, (i + Math.floor(k / 3)) * 6 + j + (k % 3))));

/** Coefficients of the product of (t - root), the constant first. */
function polynomial(roots: readonly number[]): number[] {
  let coefficients = [1];
  for (const root of roots) {
    const longer = [...coefficients, 0];
    coefficients = longer.map((value, n) => (coefficients[n - 1] ?? 0) - root * value);
  }
  return coefficients;
}

describeFormulas('winograd.md', [
  [
    String.raw`y_i = \sum_{k=0}^{2} g_k\, d_{i+k}, \qquad i = 0 \dots 3`,
    () => {
      // The rows of the direct formula in two dimensions, at a weight and a tile of one row.
      const [weight, tile] = [new Float64Array(9), new Float64Array(36)];
      weight.set(g);
      tile.set(d);
      expectClose(filteredTile(weight, tile).slice(0, 4), filtered);
    },
  ],
  [
    String.raw`c_n = \sum_{k} g_k\, h_{n-k}, \qquad n = 0 \dots 5`,
    () => {
      const h = random(4, 3);
      const value = (coefficients: ArrayLike<number>, t: number): number =>
        total(coefficients.length, (n) => at(coefficients, n) * t ** n);
      const c = table(6, 1, (n) => total(3, (k) => at(g, k) * (h[n - k] ?? 0)));
      for (const t of [0.3, -1.7, 2]) {
        expectClose([value(c, t)], [value(g, t) * value(h, t)]);
      }
      // c = B [(G g) ⊙ (A h)].
      const [weights, values] = [times(G, g), times({ rows: 6, columns: 4, data: transposed(At.data, 4) }, h)];
      const B = { rows: 6, columns: 6, data: transposed(Bt.data, 6) };
      expectClose(
        times(
          B,
          weights.map((x, i) => x * at(values, i)),
        ),
        c,
      );
    },
  ],
  [
    String.raw`(M^T d)_i = \sum_{n} g_{n-i}\, d_n = \sum_{k} g_k\, d_{i+k} = y_i`,
    () => {
      const M = { rows: 6, columns: 4, data: table(6, 4, (n, m) => g[n - m] ?? 0) };
      expectClose(times({ rows: 4, columns: 6, data: transposed(M.data, 6) }, d), filtered);
    },
  ],
  [String.raw`y = A^T \bigl[ (G g) \odot (B^T d) \bigr]`, () => expectClose(byPoints(), filtered)],
  [
    A_TRANSPOSED,
    () =>
      expectClose(
        At.data,
        table(4, 6, (power, i) => (i < 5 ? at(POINTS, i) ** power : Number(power === 3))),
      ),
  ],
  [
    G_MATRIX,
    () => {
      const divisors = POINTS.map((t, i) => POINTS.reduce((all, other, j) => (i === j ? all : all * (t - other)), 1));
      expect(divisors).toEqual([4, -6, -6, 24, 24]);
      expectClose(
        G.data,
        table(6, 3, (i, power) => (i < 5 ? at(POINTS, i) ** power / at(divisors, i) : Number(power === 2))),
      );
    },
  ],
  [
    B_TRANSPOSED,
    () => {
      const rows = [...POINTS.map((_, i) => polynomial(POINTS.filter((__, j) => j !== i))), polynomial(POINTS)];
      expectClose(
        Bt.data,
        rows.flatMap((row) => [...row, 0].slice(0, 6)),
      );
    },
  ],
  [
    String.raw`Y = A^T \bigl[ (G\, g\, G^T) \odot (B^T d\, B) \bigr] A`,
    () => {
      const [weight, tile] = [random(9, 4), random(36, 5)];
      const [weights, values] = [both(G, weight), both(Bt, tile)];
      expect(weights.length).toBe(36);
      expectClose(
        both(
          At,
          weights.map((x, i) => x * at(values, i)),
        ),
        filteredTile(weight, tile),
      );
    },
  ],
  [
    String.raw`m^{(\pi)}_{t o} = \sum_{c} \bigl(B^T d_{t c} B\bigr)_\pi \bigl(G\, g_{c o}\, G^T\bigr)_\pi`,
    () => {
      const CHANNELS = 3;
      const tiles = Array.from({ length: CHANNELS }, (_, c) => random(36, 10 + c));
      const weights = Array.from({ length: CHANNELS }, (_, c) => random(9, 20 + c));
      const points = table(36, 1, (point) =>
        total(CHANNELS, (c) => at(both(Bt, at(tiles, c)), point) * at(both(G, at(weights, c)), point)),
      );
      const direct = table(4, 4, (i, j) =>
        total(CHANNELS, (c) => at(filteredTile(at(weights, c), at(tiles, c)), i * 4 + j)),
      );
      expectClose(both(At, points), direct);
    },
  ],
]);
