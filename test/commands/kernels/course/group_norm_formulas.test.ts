import { at } from '../../../../src/tensor/types.ts';
import {
  describeFormulas,
  differences,
  dot,
  expectClose,
  expectGradient,
  random,
  referenceOf,
  table,
  total,
} from './formulas.ts';

/** One group: 5 pixels of 4 channels. */
const [PIXELS, CHANNELS] = [5, 4];
const N = PIXELS * CHANNELS;
const EPS = 1e-3;
const [x, gamma, beta, dy] = [random(N, 1), random(CHANNELS, 2), random(CHANNELS, 3), random(N, 4)];

const mean = (values: ArrayLike<number>): number => total(values.length, (i) => at(values, i)) / values.length;
const squares = (values: ArrayLike<number>): number => {
  const mu = mean(values);
  return total(values.length, (i) => (at(values, i) - mu) ** 2);
};
const scale = (): number => 1 / Math.sqrt(squares(x) / N + EPS);
const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
const normalised = (): Float64Array => {
  const [mu, r] = [mean(x), scale()];
  return x.map((value) => (value - mu) * r);
};
const before = (): Float64Array => normalised().map((n, i) => at(gamma, i % CHANNELS) * n + at(beta, i % CHANNELS));
const result = (): Float64Array => before().map((z) => z * sigmoid(z));
const loss = (): number => dot(dy, result());

const [mu, r, n, z] = [mean(x), scale(), normalised(), before()];
const dz = table(N, 1, (i) => at(dy, i) * sigmoid(at(z, i)) * (1 + at(z, i) * (1 - sigmoid(at(z, i)))));
const g = dz.map((value, i) => at(gamma, i % CHANNELS) * value);
const meanG = mean(g);
const meanGn = mean(g.map((value, i) => value * at(n, i)));
const dx = table(N, 1, (j) => r * (at(g, j) - meanG - at(n, j) * meanGn));
const perChannel = (values: Float64Array): Float64Array =>
  table(CHANNELS, 1, (c) => total(PIXELS, (pixel) => at(values, pixel * CHANNELS + c)));
const [y = new Float64Array(), stats = new Float64Array()] = referenceOf(
  'group_norm',
  [
    [x, [1, PIXELS, CHANNELS]],
    [gamma, [CHANNELS]],
    [beta, [CHANNELS]],
  ],
  { groups: 1, eps: EPS, silu: true },
);

describeFormulas('group-norm.md', [
  [
    String.raw`\mu = \frac{1}{N} \sum_{i=1}^{N} x_i, \qquad \sigma^2 = \frac{1}{N} \sum_{i=1}^{N} (x_i - \mu)^2, \qquad r = \frac{1}{\sqrt{\sigma^2 + \varepsilon}}`,
    () => expectClose([mu, r], stats),
  ],
  [
    String.raw`n_i = (x_i - \mu)\, r, \qquad z_i = \gamma_i n_i + \beta_i, \qquad y_i = z_i\, s(z_i), \qquad s(z) = \frac{1}{1 + e^{-z}}`,
    () => expectClose(result(), y),
  ],
  [
    String.raw`dz_i = dy_i\, s(z_i)\, \bigl(1 + z_i\, (1 - s(z_i))\bigr), \qquad g_i = \frac{\partial L}{\partial n_i} = \gamma_i\, dz_i`,
    () => {
      const given = Float64Array.from(n);
      const fromNormalised = (): number =>
        dot(
          dy,
          given.map((value, i) => {
            const activated = at(gamma, i % CHANNELS) * value + at(beta, i % CHANNELS);
            return activated * sigmoid(activated);
          }),
        );
      expectGradient(g, fromNormalised, given);
    },
  ],
  [
    String.raw`\frac{\partial \mu}{\partial x_j} = \frac{1}{N}, \qquad \frac{\partial r}{\partial x_j} = -\frac{r^3}{2}\, \frac{\partial \sigma^2}{\partial x_j} = -\frac{r^3}{N} (x_j - \mu) = -\frac{r^2}{N}\, n_j`,
    () => {
      expectGradient(new Float64Array(N).fill(1 / N), () => mean(x), x);
      const slopes = differences(() => squares(x) / N, x).map((slope) => (-(r ** 3) / 2) * slope);
      expectClose(
        slopes,
        x.map((value) => (-(r ** 3) / N) * (value - mu)),
        1e-8,
      );
      expectClose(
        x.map((value) => (-(r ** 3) / N) * (value - mu)),
        n.map((value) => (-(r ** 2) / N) * value),
      );
      expectGradient(
        n.map((value) => (-(r ** 2) / N) * value),
        scale,
        x,
      );
    },
  ],
  [
    String.raw`\frac{\partial n_i}{\partial x_j} = r \left( \delta_{ij} - \frac{1}{N} - \frac{n_i\, n_j}{N} \right)`,
    () => {
      for (const i of [0, 7, N - 1]) {
        const row = table(N, 1, (j) => r * (Number(i === j) - 1 / N - (at(n, i) * at(n, j)) / N));
        expectGradient(row, () => at(normalised(), i), x);
      }
    },
  ],
  [
    String.raw`dx_j = \sum_{i=1}^{N} g_i \frac{\partial n_i}{\partial x_j} = r \left( g_j - \overline{g} - n_j\, \overline{g n} \right), \qquad \overline{g} = \frac{1}{N} \sum_{i=1}^{N} g_i, \qquad \overline{g n} = \frac{1}{N} \sum_{i=1}^{N} g_i n_i`,
    () => {
      expectGradient(dx, loss, x);
      const inputs = [
        [x, [1, PIXELS, CHANNELS]],
        [stats, [1, 1, 2]],
        [gamma, [CHANNELS]],
        [beta, [CHANNELS]],
        [dy, [1, PIXELS, CHANNELS]],
      ] as const;
      expectClose(dx, referenceOf('group_norm_backward', inputs, { silu: true })[0] ?? []);
    },
  ],
  [
    String.raw`\frac{\partial L}{\partial \gamma_c} = \sum_{i \in c} dz_i\, n_i, \qquad \frac{\partial L}{\partial \beta_c} = \sum_{i \in c} dz_i`,
    () => {
      expectGradient(perChannel(dz.map((value, i) => value * at(n, i))), loss, gamma);
      expectGradient(perChannel(dz), loss, beta);
    },
  ],
  [
    String.raw`n_i = \frac{x_i}{\sqrt{\frac{1}{N} \sum_{l=1}^{N} x_l^2 + \varepsilon}} = x_i\, r, \qquad dx_j = r \left( g_j - n_j\, \overline{g n} \right)`,
    () => {
      const root = (): number => 1 / Math.sqrt(dot(x, x) / N + EPS);
      const rmsNormed = (): Float64Array => x.map((value) => value * root());
      const [own, rms] = [rmsNormed(), root()];
      const meanProduct = mean(dy.map((value, i) => value * at(own, i)));
      const gradient = table(N, 1, (j) => rms * (at(dy, j) - at(own, j) * meanProduct));
      expectGradient(gradient, () => dot(dy, rmsNormed()), x);
      const [reference] = referenceOf(
        'rms_norm',
        [
          [x, [1, N]],
          [new Float64Array(N).fill(1), [N]],
        ],
        { eps: EPS },
      );
      expectClose(own, reference ?? []);
    },
  ],
  [
    String.raw`N = N_a + N_b, \qquad \mu = \frac{N_a \mu_a + N_b \mu_b}{N}, \qquad M = M_a + M_b + N_a (\mu_a - \mu)^2 + N_b (\mu_b - \mu)^2`,
    () => {
      for (const count of [1, 6, 19]) {
        const [a, b] = [x.slice(0, count), x.slice(count)];
        const combined = (a.length * mean(a) + b.length * mean(b)) / N;
        const around = a.length * (mean(a) - combined) ** 2 + b.length * (mean(b) - combined) ** 2;
        expectClose([combined, squares(a) + squares(b) + around], [mu, squares(x)]);
      }
    },
  ],
  [
    String.raw`dx_j = r \gamma_j\, dz_j + u\, x_j + v, \qquad u = -r^2\, \overline{g n}, \qquad v = -r\, \overline{g} - u\, \mu`,
    () => {
      const u = -(r ** 2) * meanGn;
      const shift = -r * meanG - u * mu;
      expectClose(
        table(N, 1, (j) => r * at(gamma, j % CHANNELS) * at(dz, j) + u * at(x, j) + shift),
        dx,
      );
    },
  ],
]);
