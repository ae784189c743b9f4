import { expect } from 'vitest';
import { at } from '../../../../src/tensor/types.ts';
import { describeFormulas, dot, expectClose, expectGradient, random, referenceOf, table, total } from './formulas.ts';

const [HEIGHT, WIDTH, CHANNELS, OUTPUTS] = [5, 6, 2, 3];
const TAPS = 3;

interface Geometry {
  readonly stride: number;
  readonly padding: number;
}

const GEOMETRIES: readonly Geometry[] = [
  { stride: 1, padding: 1 },
  { stride: 1, padding: 0 },
  { stride: 2, padding: 1 },
];

/** Pixels of the result along an axis. */
const resultOf = (size: number, { stride, padding }: Geometry): number =>
  Math.floor((size + 2 * padding - TAPS) / stride) + 1;

const x = random(HEIGHT * WIDTH * CHANNELS, 1);
const w = random(TAPS * TAPS * CHANNELS * OUTPUTS, 2);
const weight = (u: number, v: number, c: number, o: number): number =>
  at(w, ((u * TAPS + v) * CHANNELS + c) * OUTPUTS + o);

/** An element of an image, zero outside. */
const pixel = (
  image: ArrayLike<number>,
  [height, width, channels]: readonly [number, number, number],
  row: number,
  column: number,
  channel: number,
): number =>
  row >= 0 && row < height && column >= 0 && column < width
    ? at(image, (row * width + column) * channels + channel)
    : 0;

function convolved(g: Geometry): Float64Array {
  const [rows, columns] = [resultOf(HEIGHT, g), resultOf(WIDTH, g)];
  return table(rows * columns, OUTPUTS, (place, o) => {
    const [row, column] = [Math.floor(place / columns), place % columns];
    return total(TAPS * TAPS * CHANNELS, (i) => {
      const [u, v, c] = [Math.floor(i / CHANNELS / TAPS), Math.floor(i / CHANNELS) % TAPS, i % CHANNELS];
      const source = [g.stride * row + u - g.padding, g.stride * column + v - g.padding] as const;
      return pixel(x, [HEIGHT, WIDTH, CHANNELS], source[0], source[1], c) * weight(u, v, c, o);
    });
  });
}

const cotangent = (g: Geometry): Float64Array => random(resultOf(HEIGHT, g) * resultOf(WIDTH, g) * OUTPUTS, 3);
const attrsOf = ({ stride, padding }: Geometry) => ({ stride, padding: [padding, padding, padding, padding] });

describeFormulas('convolution.md', [
  [
    String.raw`y_{Y X o} = \sum_{u, v, c} x_{\,sY + u - p,\; sX + v - p,\; c}\; w_{u v c o}`,
    () => {
      for (const g of GEOMETRIES) {
        const [y = new Float64Array()] = referenceOf(
          'conv2d',
          [
            [x, [1, HEIGHT, WIDTH, CHANNELS]],
            [w, [TAPS, TAPS, CHANNELS, OUTPUTS]],
          ],
          { ...attrsOf(g), bias: false, residual: false },
        );
        expectClose(convolved(g), y);
      }
    },
  ],
  [
    String.raw`a = sY + u - p \quad\text{and}\quad b = sX + v - p`,
    () => {
      // A change of x at (a, b) changes exactly the results that have such a tap.
      for (const g of GEOMETRIES) {
        const before = convolved(g);
        const columns = resultOf(WIDTH, g);
        for (let place = 0; place < HEIGHT * WIDTH; place++) {
          const [a, b] = [Math.floor(place / WIDTH), place % WIDTH];
          x[place * CHANNELS] = at(x, place * CHANNELS) + 1;
          const changed = convolved(g).map((value, i) => Number(Math.abs(value - at(before, i)) > 1e-9));
          x[place * CHANNELS] = at(x, place * CHANNELS) - 1;
          const expected = table(before.length / OUTPUTS, OUTPUTS, (result) => {
            const [row, column] = [Math.floor(result / columns), result % columns];
            const taps = [a - g.stride * row + g.padding, b - g.stride * column + g.padding];
            return Number(taps.every((tap) => tap >= 0 && tap < TAPS));
          });
          expect([...changed]).toEqual([...expected]);
        }
      }
    },
  ],
  [
    String.raw`dx_{a b c} = \sum_{u, v, o} dy_{\,(a + p - u) / s,\; (b + p - v) / s,\; o}\; w_{u v c o}`,
    () => {
      for (const g of GEOMETRIES) {
        const { stride: s, padding: p } = g;
        const size = [resultOf(HEIGHT, g), resultOf(WIDTH, g), OUTPUTS] as const;
        const dy = cotangent(g);
        const dx = table(HEIGHT * WIDTH, CHANNELS, (place, c) => {
          const [a, b] = [Math.floor(place / WIDTH), place % WIDTH];
          return total(TAPS * TAPS * OUTPUTS, (i) => {
            const [u, v, o] = [Math.floor(i / OUTPUTS / TAPS), Math.floor(i / OUTPUTS) % TAPS, i % OUTPUTS];
            const divides = (a + p - u) % s === 0 && (b + p - v) % s === 0;
            return divides ? pixel(dy, size, (a + p - u) / s, (b + p - v) / s, o) * weight(u, v, c, o) : 0;
          });
        });
        expectGradient(dx, () => dot(dy, convolved(g)), x);
      }
    },
  ],
  [
    String.raw`dx_{a b c} = \sum_{u, v, o} dy_{\,a + u - (2 - p),\; b + v - (2 - p),\; o}\; w_{\,2 - u,\; 2 - v,\; c,\; o} \qquad (s = 1)`,
    () => {
      for (const g of GEOMETRIES.filter(({ stride }) => stride === 1)) {
        const size = [resultOf(HEIGHT, g), resultOf(WIDTH, g), OUTPUTS] as const;
        const dy = cotangent(g);
        const dx = table(HEIGHT * WIDTH, CHANNELS, (place, c) =>
          total(TAPS * TAPS * OUTPUTS, (i) => {
            const [u, v, o] = [Math.floor(i / OUTPUTS / TAPS), Math.floor(i / OUTPUTS) % TAPS, i % OUTPUTS];
            const [a, b] = [Math.floor(place / WIDTH), place % WIDTH];
            return pixel(dy, size, a + u - (2 - g.padding), b + v - (2 - g.padding), o) * weight(2 - u, 2 - v, c, o);
          }),
        );
        expectGradient(dx, () => dot(dy, convolved(g)), x);
      }
    },
  ],
  [
    String.raw`dw_{u v c o} = \sum_{Y, X} x_{\,sY + u - p,\; sX + v - p,\; c}\; dy_{Y X o}`,
    () => {
      for (const g of GEOMETRIES) {
        const dy = cotangent(g);
        const columns = resultOf(WIDTH, g);
        const dw = table(TAPS * TAPS * CHANNELS, OUTPUTS, (row, o) => {
          const [u, v, c] = [Math.floor(row / CHANNELS / TAPS), Math.floor(row / CHANNELS) % TAPS, row % CHANNELS];
          return total(dy.length / OUTPUTS, (place) => {
            const source = [
              g.stride * Math.floor(place / columns) + u - g.padding,
              g.stride * (place % columns) + v - g.padding,
            ] as const;
            return pixel(x, [HEIGHT, WIDTH, CHANNELS], source[0], source[1], c) * at(dy, place * OUTPUTS + o);
          });
        });
        expectGradient(dw, () => dot(dy, convolved(g)), w);
      }
    },
  ],
  [
    String.raw`q\,R + \frac{e + \sigma\,(k - p)}{C}`,
    () => {
      for (const { stride: s, padding: p } of GEOMETRIES) {
        for (let k = 0; k < TAPS; k++) {
          for (let result = 0; result < 12; result++) {
            const walk = (classes: number, reach: number, sign: number): number =>
              Math.floor(result / classes) * reach + ((result % classes) + sign * (k - p)) / classes;
            expect(walk(1, s, 1)).toBe(s * result + k - p);
            expect(walk(s, 1, -1)).toBe((result + p - k) / s);
          }
        }
      }
    },
  ],
]);
