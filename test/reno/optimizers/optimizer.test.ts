/** Optimisers, clip and regulariser against torch's numbers (python/reference/optimizer_numbers.py prints them). */
import { describe, expect, it } from 'vitest';
import { affine, mul, square, sub, sum } from '../../../src/kernels/index.ts';
import { noiseRegulariser, regulariserFactors } from '../../../src/reno/loop/objective.ts';
import { clipGradNorm } from '../../../src/reno/optimizers/grad_clip.ts';
import { type OptimizerConfig, optimizerStep } from '../../../src/reno/optimizers/optimizer.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { at, sizeOf } from '../../../src/tensor/types.ts';
import { gradients } from '../../../src/tensor/vjp.ts';

const cases: { name: string; config: OptimizerConfig; clip: number | null; torch: number[][] }[] = [
  {
    name: 'SGD with Nesterov',
    config: { name: 'sgd', lr: 0.1 },
    clip: null,
    torch: [
      [0.257, 0.3335, 0.882],
      [0.32747, 0.24180875, 2.15106],
      [0.4018037, 0.130304459375, 2.9052498],
      [0.471833627, 0.004201832867, 3.108814434],
    ],
  },
  {
    name: 'SGD with plain momentum',
    config: { name: 'sgd', lr: 0.1, nesterov: false },
    clip: null,
    torch: [
      [0.23, 0.365, 0.18],
      [0.284, 0.299375, 1.428],
      [0.3542, 0.207828125, 2.7228],
      [0.43196, 0.095240234375, 3.67128],
    ],
  },
  {
    name: 'SGD with Nesterov, clipped as in ReNO',
    config: { name: 'sgd', lr: 5 },
    clip: 0.1,
    torch: [
      [0.236474813358, 0.357446051083, 0.348345147304],
      [0.302360567897, 0.274483162721, 1.699087809733],
      [0.529892675933, -0.079134013868, 3.343774154234],
      [0.636654428229, -0.304872409845, 3.459983409953],
    ],
  },
  {
    name: 'Adam',
    config: { name: 'adam', lr: 0.5 },
    clip: null,
    torch: [
      [0.683870967742, -0.086111111111, -0.100640204866],
      [0.771457951216, -0.554227462733, 0.393111786166],
      [0.63722352075, -0.980941688613, 0.875261033114],
      [0.450307621264, -1.331448628295, 1.337381963987],
    ],
  },
  {
    name: 'Adam, clipped',
    config: { name: 'adam', lr: 0.5 },
    clip: 0.1,
    torch: [
      [0.33871407164, 0.245319057532, -0.145526641038],
      [0.457124995139, 0.086232359258, 0.308955235182],
      [0.547354517153, -0.078728641389, 0.763440330082],
      [0.597845530954, -0.252057948061, 1.217911493782],
    ],
  },
];

describe.each(cases)('$name', ({ config, clip, torch }) => {
  it('takes the steps that torch takes', () => {
    const graph = new Graph();
    const z = graph.input('z', [1, 3], 'step');
    const offset = sub(z, graph.constant([0.5, -1, 2], [3]));
    const loss = affine(sum(mul(square(offset), graph.constant([1, 0.25, 3], [3]))), 0.5);
    const gradient = gradients(loss, [z])[0];
    const step = optimizerStep(z, clip === null ? gradient : clipGradNorm(gradient, clip).grad, config);
    const feeds = new Map<string, ArrayLike<number>>([['z', [0.2, 0.4, -0.6]]]);
    for (const { state, initial } of step.updates) {
      feeds.set(state.node.name ?? '', new Float64Array(sizeOf(state.shape)).fill(initial ?? Number.NaN));
    }
    for (const expected of torch) {
      const [next, ...states] = interpret([step.next, ...step.updates.map((u) => u.value)], feeds);
      feeds.set('z', next ?? []);
      step.updates.forEach(({ state }, i) => {
        feeds.set(state.node.name ?? '', at(states, i));
      });
      expected.forEach((value, i) => {
        expect(next?.[i]).toBeCloseTo(value, 9);
      });
    }
  });
});

describe('clipGradNorm', () => {
  const clipped = (values: number[], maxNorm: number): { grad: Float64Array; norm: number } => {
    const graph = new Graph();
    const { grad, norm } = clipGradNorm(graph.input('g', [1, values.length], 'step'), maxNorm);
    const [scaled, before] = interpret([grad, norm], new Map([['g', values]]));
    return { grad: scaled ?? new Float64Array(), norm: before?.[0] ?? Number.NaN };
  };

  it('scales a long gradient to the maximum, and says how long it was', () => {
    const { grad, norm } = clipped([3, -4], 0.1);
    expect(norm).toBeCloseTo(5, 12);
    expect(Math.hypot(...grad)).toBeCloseTo(0.1 * (5 / (5 + 1e-6)), 12);
    expect(at(grad, 0) / at(grad, 1)).toBeCloseTo(-0.75, 12);
  });

  it('leaves a short gradient and a zero alone', () => {
    expect([...clipped([0.03, -0.04], 0.1).grad]).toEqual([0.03, -0.04]);
    expect([...clipped([0, 0], 0.1).grad]).toEqual([0, 0]);
  });
});

it('clipGradNorm clips the gradient of each picture of a batch by itself', () => {
  const { grad, norm } = clipGradNorm(new Graph().input('g', [2, 2, 1, 1], 'step'), 0.1);
  const [scaled, before] = interpret([grad, norm], new Map([['g', [3, -4, 0.03, -0.04]]]));
  expect(norm.shape).toEqual([2, 1, 1, 1]);
  expect(before?.[0]).toBeCloseTo(5, 12);
  expect(before?.[1]).toBeCloseTo(0.05, 12);
  expect(Math.hypot(...(scaled ?? []).slice(0, 2))).toBeCloseTo(0.1 * (5 / (5 + 1e-6)), 12);
  expect([...(scaled ?? [])].slice(2)).toEqual([0.03, -0.04]);
});

describe('noiseRegulariser', () => {
  const gradientAt = (z: number[]): Float64Array => {
    const graph = new Graph();
    const input = graph.input('z', [z.length], 'step');
    const value = noiseRegulariser(sum(square(input)), regulariserFactors(z.length, 0.01));
    return at(interpret(gradients(value, [input]), new Map([['z', z]])), 0);
  };

  it('is 0.01·(½‖z‖² − (d−1)·ln‖z‖)', () => {
    const graph = new Graph();
    const z = [0.3, -1.2, 2.5, 0.8];
    const value = noiseRegulariser(sum(square(graph.input('z', [4], 'step'))), regulariserFactors(4, 0.01));
    const norm = Math.hypot(...z);
    expect(interpret([value], new Map([['z', z]]))[0]?.[0]).toBeCloseTo(
      0.01 * (0.5 * norm ** 2 - 3 * Math.log(norm)),
      12,
    );
  });

  it('has no gradient where ‖z‖² = d − 1, pulls in a longer noise and pushes out a shorter one', () => {
    const direction = [1, 2, -2, 4, 0.5].map((v) => v / Math.hypot(1, 2, 2, 4, 0.5));
    const scaled = (norm: number): number[] => direction.map((v) => v * norm);
    for (const g of gradientAt(scaled(2))) {
      expect(Math.abs(g)).toBeLessThan(1e-15);
    }
    expect(at(gradientAt(scaled(3)), 0)).toBeGreaterThan(1e-3);
    expect(at(gradientAt(scaled(1)), 0)).toBeLessThan(-1e-3);
  });
});
