/** Several runs on one plan with a batch: each gives what it gives alone, whatever its neighbours are. */
import { describe, expect, it } from 'vitest';
import { affine, log, mean, mul, reshape, sigmoid, square, sub } from '../../../src/kernels/index.ts';
import { AllRows, type BatchedPlan, Lanes } from '../../../src/reno/loop/batch_lanes.ts';
import { runLoop, type Search, type StepRunner, type Trajectory } from '../../../src/reno/loop/loop.ts';
import { buildStep, type StepConfig, type StepGraph } from '../../../src/reno/loop/step_graph.ts';
import { drawNoise, noiseDraws } from '../../../src/reno/noise/draw_noise.ts';
import { lbfgsNoise } from '../../../src/reno/optimizers/lbfgs_noise.ts';
import { freshNoise, optimisedNoise } from '../../../src/reno/search/image_select.ts';
import { multiStart } from '../../../src/reno/search/multi_start.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import type { Plan } from '../../../src/tensor/plan/plan.ts';
import type { StageResults } from '../../../src/tensor/plan/stage_part.ts';
import { sizeOf } from '../../../src/tensor/types.ts';
import { InterpretedPlan } from '../interpreted.ts';

const ONE = [1, 3, 2, 2];
const SGD: StepConfig = { kind: 'optimise', optimizer: { name: 'sgd', lr: 1 }, gradClip: 0.1, regWeight: 0.01 };

/** Noise → pictures of 2×2 pixels. The prompt is a colour; a reward likes pictures that have it. A colour below 0 breaks the run. */
function toyStep(batch: number, change: Partial<StepConfig> = {}): StepGraph {
  const graph = new Graph();
  const latents = graph.input('latents', [batch, 3, 2, 2], 'step');
  const wanted = graph.input('prompt', [batch, 3], 'prompt');
  const image = reshape(sigmoid(latents), [batch, 2, 2, 3]);
  const colour = mean(square(sub(image, reshape(wanted, [batch, 1, 1, 3]))), [1, 2, 3]);
  const flat = affine(mean(mul(image, log(reshape(wanted, [batch, 1, 1, 3]))), [1, 2, 3]), 2, 0.5);
  const rewards = [
    { name: 'HPS', weight: 5, loss: colour },
    { name: 'CLIP', weight: 0.01, loss: reshape(flat, [batch, 1]) },
  ];
  return buildStep({ latents, image, rewards }, { ...SGD, ...change });
}

/** The interpreter with rows that can be written by themselves. */
class InterpretedBatch extends InterpretedPlan {
  readonly stages: string[] = [];
  readonly #lengths: ReadonlyMap<string, number>;

  constructor(step: StepGraph) {
    super(step);
    const graph = step.latents.graph;
    this.#lengths = new Map(graph.nodes.flatMap((n) => (n.name ? [[n.name, sizeOf(n.outputs[0]?.shape ?? [])]] : [])));
  }

  writePart(name: string, bytes: Uint8Array<ArrayBuffer>, offset: number): void {
    const values = this.values.get(name) ?? new Float32Array(this.#lengths.get(name) ?? 0);
    values.set(new Float32Array(bytes.buffer), offset / 4);
    this.values.set(name, values);
  }

  override run(stage: 'load' | 'prompt' | 'step', results?: StageResults): Promise<void> {
    this.stages.push(results ? 'part' : stage);
    if (stage === 'step') {
      super.run(stage, results);
    }
    return Promise.resolve();
  }
}

interface Job {
  readonly prompt: readonly number[];
  readonly seed: number;
  readonly iterations: number;
}

const JOBS: readonly Job[] = [
  { prompt: [0.2, 0.4, 0.9], seed: 0, iterations: 6 },
  { prompt: [0.7, 0.1, 0.3], seed: 1, iterations: 3 },
  { prompt: [-1, 0.1, 0.3], seed: 2, iterations: 4 },
  { prompt: [0.9, 0.9, 0.1], seed: 3, iterations: 5 },
  { prompt: [0.5, 0.2, 0.6], seed: 4, iterations: 1 },
];

type SearchOf = (step: StepGraph, runner: StepRunner, job: Job) => Search;
const METHODS: readonly (readonly [string, Partial<StepConfig>, SearchOf])[] = [
  ['sgd', {}, (_, __, { seed, iterations }) => ({ iterations, noise: optimisedNoise(ONE, seed) })],
  [
    'adam',
    { optimizer: { name: 'adam', lr: 0.5 } },
    (_, __, { seed, iterations }) => ({ iterations, noise: optimisedNoise(ONE, seed) }),
  ],
  [
    'lbfgs',
    { optimizer: { name: 'lbfgs' } },
    (step, runner, { seed, iterations }) => ({
      iterations,
      noise: lbfgsNoise(runner, step, { start: drawNoise(ONE, seed), lr: 1, regWeight: 0.01 }),
    }),
  ],
  ['best of n', { kind: 'score' }, (_, __, { seed, iterations }) => ({ iterations, noise: freshNoise(ONE, seed) })],
  [
    'multi-start',
    { judges: true },
    (_, __, { seed, iterations }) =>
      multiStart({ candidates: iterations, chains: 1, steps: 3 }, noiseDraws(ONE, seed, 'reno')),
  ],
];

type Result = Omit<Trajectory, 'seconds'> | string;

async function trajectory(runner: StepRunner, step: StepGraph, search: Search): Promise<Result> {
  try {
    const { seconds: _, ...rest } = await runLoop(runner, step, {
      ...search,
      now: () => 0,
      wantsFrame: (i) => i === 1,
    });
    return rest;
  } catch (error) {
    return String(error);
  }
}

async function alone(change: Partial<StepConfig>, searchOf: SearchOf): Promise<Result[]> {
  const results: Result[] = [];
  for (const job of JOBS) {
    const step = toyStep(1, change);
    const plan = new InterpretedPlan(step);
    plan.write('prompt', job.prompt);
    results.push(await trajectory(plan, step, searchOf(step, plan, job)));
  }
  return results;
}

function together(
  change: Partial<StepConfig>,
  searchOf: SearchOf,
  batch: number,
): [InterpretedBatch, Promise<Result[]>] {
  const step = toyStep(batch, change);
  const plan = new InterpretedBatch(step);
  const lanes = new Lanes(plan satisfies BatchedPlan, batch);
  const runs = JOBS.map(async (job): Promise<Result> => {
    const lane = await lanes.take();
    lanes.writePrompt([['prompt', job.prompt]], lane);
    const result = await trajectory(lane, step, searchOf(step, lane, job));
    lanes.release(lane);
    return result;
  });
  return [plan, Promise.all(runs)];
}

describe('five runs on lanes', () => {
  it.each(METHODS)(
    '%s: three lanes, of which one run breaks, give what each gives alone',
    async (_, change, searchOf) => {
      const expected = await alone(change, searchOf);
      expect(expected.filter((result) => typeof result === 'string')).toHaveLength(1);
      const [, results] = together(change, searchOf, 3);
      expect(await results).toEqual(expected);
    },
  );

  it('a step serves all lanes, and a lane whose run has ended is taken by the next', async () => {
    const [, change, searchOf] = METHODS[0] ?? ['', {}, () => ({ iterations: 0, noise: () => null })];
    const [plan, results] = together(change, searchOf, 2);
    await results;
    // 6, 3, broken after 1, 5 and 1 iterations on two lanes: alone they take 16 steps.
    expect(plan.stages.filter((stage) => stage === 'step').length).toBeLessThanOrEqual(12);
    expect(plan.stages[0]).toBe('prompt');
  });

  it('a step that fails is every lane’s failure', async () => {
    const failing: BatchedPlan = {
      writePart: () => {},
      read: async () => new Float32Array(2),
      run: () => Promise.reject(new Error('the GPU is gone')),
    };
    const lanes = new Lanes(failing, 2);
    const two = await Promise.all([lanes.take(), lanes.take()]);
    const steps = two.map((lane) => lane.run('step'));
    for (const step of steps) {
      await expect(step).rejects.toThrow('the GPU is gone');
    }
  });
});

it('all rows of a plan can be one run, which repeats a run alone', async () => {
  const step = toyStep(2);
  const plan = new InterpretedBatch(step);
  const rows = new AllRows(plan as unknown as Plan, 2);
  const job = { prompt: [0.2, 0.4, 0.9], seed: 0, iterations: 6 };
  rows.write('prompt', job.prompt);
  const search = { iterations: 6, noise: optimisedNoise(ONE, 0) };
  const made = await trajectory(rows, step, search);
  expect(made).toEqual(
    (await alone({}, (_, __, { seed, iterations }) => ({ iterations, noise: optimisedNoise(ONE, seed) })))[0],
  );
  const latents = plan.values.get('latents') ?? new Float32Array();
  expect(latents.slice(12)).toEqual(latents.slice(0, 12));
});
