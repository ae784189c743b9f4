import { expect } from 'vitest';
import { f16BitsToF32, f32ToF16Bits } from '../../../../src/tensor/half.ts';
import { at } from '../../../../src/tensor/types.ts';
import { describeFormulas, dot, expectClose, expectGradient, random, referenceOf, table, total } from './formulas.ts';

const [M, K, N] = [4, 5, 3];
const [a, b, dy] = [random(M * K, 1), random(K * N, 2), random(M * N, 3)];

type Matrix = ArrayLike<number>;
const product = (x: Matrix, y: Matrix): Float64Array =>
  table(M, N, (i, j) => total(K, (k) => at(x, i * K + k) * at(y, k * N + j)));
const loss = (): number => dot(dy, product(a, b));
/** dy bᵀ and aᵀ dy. */
const da = table(M, K, (i, k) => total(N, (j) => at(dy, i * N + j) * at(b, k * N + j)));
const db = table(K, N, (k, j) => total(M, (i) => at(a, i * K + k) * at(dy, i * N + j)));

describeFormulas('product.md', [
  [
    String.raw`y_{ij} = \sum_{k=1}^{K} a_{ik}\, b_{kj}`,
    () => {
      const [y = new Float64Array()] = referenceOf(
        'matmul',
        [
          [a, [M, K]],
          [b, [K, N]],
        ],
        { bias: false, residual: false },
      );
      expectClose(product(a, b), y);
    },
  ],
  [
    String.raw`dL = \langle dy,\; da\, b + a\, db \rangle = \langle dy\, b^T,\; da \rangle + \langle a^T dy,\; db \rangle`,
    () => {
      const [changeA, changeB] = [random(M * K, 4), random(K * N, 5)];
      const left = dot(dy, product(changeA, b)) + dot(dy, product(a, changeB));
      expectClose([left], [dot(da, changeA) + dot(db, changeB)]);
      const along = (t: number): number =>
        dot(
          dy,
          product(
            a.map((x, i) => x + t * at(changeA, i)),
            b.map((x, i) => x + t * at(changeB, i)),
          ),
        );
      expectClose([left], [(along(1e-5) - along(-1e-5)) / 2e-5], 1e-8);
    },
  ],
  [
    String.raw`\frac{\partial L}{\partial a} = dy\, b^T, \qquad \frac{\partial L}{\partial b} = a^T dy`,
    () => {
      expectGradient(da, loss, a);
      expectGradient(db, loss, b);
    },
  ],
  [
    String.raw`\frac{\partial L}{\partial \beta_j} = \sum_{i=1}^{M} dy_{ij}`,
    () => {
      const beta = random(N, 6);
      const biased = (): number =>
        dot(
          dy,
          product(a, b).map((value, i) => value + at(beta, i % N)),
        );
      const sums = table(1, N, (_, j) => total(M, (i) => at(dy, i * N + j)));
      expectGradient(sums, biased, beta);
    },
  ],
  [
    String.raw`\frac{R + C}{R\, C} = \frac{1}{R} + \frac{1}{C}`,
    () => {
      for (const [rows, columns] of [
        [1, 1],
        [4, 8],
        [32, 32],
      ] as const) {
        const loaded = new Set<string>();
        let products = 0;
        for (let row = 0; row < rows; row++) {
          for (let column = 0; column < columns; column++) {
            loaded.add(`a ${row}`).add(`b ${column}`);
            products++;
          }
        }
        expectClose(
          [loaded.size / products, 1 / rows + 1 / columns],
          [(rows + columns) / (rows * columns), loaded.size / products],
        );
      }
    },
  ],
  [
    String.raw`a\, b \approx a_h b_h + a_h b_l + a_l b_h, \qquad a_h = \mathrm{f16}(a),\; a_l = \mathrm{f16}(a - a_h)`,
    () => {
      const f16 = (x: number): number => f16BitsToF32(f32ToF16Bits(x));
      const split = (x: number): readonly [number, number] => [f16(x), f16(x - f16(x))];
      for (const [i, x] of random(200, 7).entries()) {
        const y = at(random(200, 8), i);
        const [[xh, xl], [yh, yl]] = [split(x), split(y)];
        // Below 1/16 the low part is one of f16's small numbers, which are coarser: the kernel scales its operands.
        if (Math.min(Math.abs(x), Math.abs(y)) > 1 / 16) {
          expect(Math.abs(xh * yh + xh * yl + xl * yh - x * y) / Math.abs(x * y)).toBeLessThan(2 ** -20);
          expect(Math.abs(xh * yh - x * y) / Math.abs(x * y)).toBeLessThan(2 ** -9);
        }
      }
    },
  ],
]);
