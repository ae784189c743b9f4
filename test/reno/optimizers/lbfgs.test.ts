/** L-BFGS evaluates where torch.optim.LBFGS does (python/reference/lbfgs.py), and ends where it cannot go on. */
import { describe, expect, it } from 'vitest';
import { fixtureJson } from '../../../commands/parity/fixtures.ts';
import { type Evaluation, lbfgs } from '../../../src/reno/optimizers/lbfgs.ts';
import { at } from '../../../src/tensor/types.ts';

type Problem = (z: Float64Array) => Evaluation;

const rosenbrock: Problem = (z) => {
  const gradient = new Float64Array(z.length);
  let loss = 0;
  for (let i = 0; i + 1 < z.length; i++) {
    const [a, b] = [at(z, i), at(z, i + 1)];
    const valley = b - a * a;
    loss += 100 * valley ** 2 + (1 - a) ** 2;
    gradient[i] = at(gradient, i) - 400 * a * valley - 2 * (1 - a);
    gradient[i + 1] = at(gradient, i + 1) + 200 * valley;
  }
  return { loss, gradient };
};

/** python/reference/lbfgs.py: bumps, products of neighbours, and the norm's regulariser. */
const reno: Problem = (z) => {
  const n = z.length;
  const s = z.reduce((total, v) => total + v * v, 0);
  let loss = 0.01 * (0.5 * s - (n - 1) * 0.5 * Math.log(s));
  const gradient = z.map((v) => 0.01 * (v - ((n - 1) * v) / s));
  z.forEach((v, i) => {
    const height = (0.5 + i / (n - 1)) / 8;
    loss += height * Math.sin(3 * v);
    gradient[i] = at(gradient, i) + 3 * height * Math.cos(3 * v);
    if (i + 1 < n) {
      const other = at(z, i + 1);
      const bent = Math.tanh(v * other);
      loss += bent / 4;
      gradient[i] = at(gradient, i) + ((1 - bent * bent) * other) / 4;
      gradient[i + 1] = at(gradient, i + 1) + ((1 - bent * bent) * v) / 4;
    }
  });
  return { loss, gradient };
};

interface Case {
  readonly start: number[];
  readonly lr: number;
  readonly points: number[][];
  readonly losses: number[];
}
const cases = Object.entries((await fixtureJson('lbfgs')) as Record<string, Case>);

/** The evaluations of at most `most` points. */
function evaluated(
  problem: Problem,
  start: readonly number[],
  lr: number,
  most: number,
): { x: Float64Array; loss: number }[] {
  const search = lbfgs(Float64Array.from(start), { lr });
  const all: { x: Float64Array; loss: number }[] = [];
  for (let next = search.next(); !next.done && all.length < most; ) {
    const evaluation = problem(next.value);
    all.push({ x: next.value, loss: evaluation.loss });
    next = search.next(evaluation);
  }
  return all;
}

describe('L-BFGS', () => {
  it.each(cases)('goes where torch goes: %s', (name, { start, lr, points, losses }) => {
    const all = evaluated(name.startsWith('rosenbrock') ? rosenbrock : reno, start, lr, losses.length);
    const off = all.map(({ x, loss }, i) => {
      const point = at(points, i);
      return Math.max(Math.abs(loss - at(losses, i)) / (1 + loss), ...point.map((v, k) => Math.abs(v - at(x, k))));
    });
    expect(off.findIndex((error) => !(error < 1e-6))).toBe(-1);
    expect(all.length).toBe(losses.length);
  });

  it('ends at the minimum', () => {
    const all = evaluated(rosenbrock, [-1.2, 1, 0.7], 1, 500);
    expect(all.length).toBeLessThan(200);
    expect(all.at(-1)?.loss).toBeLessThan(1e-9);
    expect(evaluated(rosenbrock, [1, 1, 1], 1, 500)).toHaveLength(1);
  });
});
