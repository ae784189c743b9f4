/** A run that goes on from any of its states ends in the same bytes as one that was never disturbed. */
import { describe, expect, it } from 'vitest';
import { affine, mean, mul, reshape, sigmoid, square, sub } from '../../../src/kernels/index.ts';
import { type LoopOptions, runLoop } from '../../../src/reno/loop/loop.ts';
import { assertSameRun, decodeRunState, encodeRunState, type RunState } from '../../../src/reno/loop/run_state.ts';
import { SavingTimes } from '../../../src/reno/loop/saving_times.ts';
import { buildStep, type StepConfig, type StepGraph } from '../../../src/reno/loop/step_graph.ts';
import { drawNoise } from '../../../src/reno/noise/draw_noise.ts';
import { lbfgsNoise } from '../../../src/reno/optimizers/lbfgs_noise.ts';
import type { RunConfig } from '../../../src/reno/report/history.ts';
import { freshNoise, optimisedNoise } from '../../../src/reno/search/image_select.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { InterpretedPlan } from '../interpreted.ts';

const SHAPE = [1, 3, 2, 2];
const CONFIG = { prompt: 'a cat "and" ünïcode', seed: 3 } as RunConfig;

function toyStep(change: Partial<StepConfig>): StepGraph {
  const graph = new Graph();
  const latents = graph.input('latents', SHAPE, 'step');
  const image = reshape(sigmoid(latents), [1, 2, 2, 3]);
  const loss = mean(square(sub(image, graph.constant([0.2, 0.4, 0.9], [3]))));
  const rewards = [
    { name: 'HPS', weight: 5, loss },
    { name: 'CLIP', weight: 0.01, loss: reshape(affine(mean(mul(image, image)), 2, 0.5), [1]) },
  ];
  const config: StepConfig = { kind: 'optimise', optimizer: { name: 'sgd', lr: 1 }, gradClip: 0.1, regWeight: 0.01 };
  return buildStep({ latents, image, rewards }, { ...config, ...change });
}

const METHODS: Readonly<Record<string, Partial<StepConfig>>> = {
  sgd: {},
  adam: { optimizer: { name: 'adam', lr: 0.1 } },
  lbfgs: { optimizer: { name: 'lbfgs' } },
  'best of N': { kind: 'score' },
};

function runOf(method: string, options: Partial<LoopOptions> = {}) {
  const step = toyStep(METHODS[method] ?? {});
  const plan = new InterpretedPlan(step);
  const { resume } = options;
  const noise =
    method === 'lbfgs'
      ? lbfgsNoise(plan, step, {
          start: drawNoise(SHAPE, 0),
          lr: 1,
          regWeight: 0.01,
          ...(resume ? { past: resume } : {}),
        })
      : method === 'best of N'
        ? freshNoise(SHAPE, 0, 'torch-cpu')
        : optimisedNoise(SHAPE, 0);
  const base = { iterations: 12, noise, wantsFrame: (i: number) => i % 3 === 0, keepsGradients: method === 'lbfgs' };
  return runLoop(plan, step, { ...base, now: () => 0, ...options });
}

describe.each(Object.keys(METHODS))('a run with %s', (method) => {
  it('ends in the same bytes from each of its states, through a file', async () => {
    const files: Uint8Array[] = [];
    const whole = await runOf(method, {
      saveEvery: 1,
      onState: (state) => void files.push(encodeRunState({ config: CONFIG, ...state })),
    });
    expect(whole).toEqual(await runOf(method));
    expect(files.length).toBeGreaterThanOrEqual(whole.records.length - 1);
    for (const [i, bytes] of files.entries()) {
      const resume = await decodeRunState('state', bytes);
      expect(resume.config).toEqual(CONFIG);
      expect(resume.iteration).toBe(i + 1);
      expect(await runOf(method, { resume })).toEqual(whole);
    }
  });

  it('gives its state when it is interrupted, and goes on from there', async () => {
    const abort = new AbortController();
    let state: RunState | undefined;
    const cut = await runOf(method, {
      signal: abort.signal,
      onIteration: ({ iteration }) => iteration === 3 && abort.abort(),
      onState: (s) => {
        state = { config: CONFIG, ...s };
      },
    });
    expect(cut.stoppedBy).toBe('signal');
    expect(state?.iteration).toBe(cut.records.length);
    expect(await runOf(method, state ? { resume: state } : {})).toEqual(await runOf(method));
  });
});

describe('a state', () => {
  it('of another run is refused, by what differs', () => {
    expect(() => assertSameRun({ ...CONFIG, seed: 4 }, CONFIG)).toThrow(
      'the state belongs to another run: its seed is 4, and here it is 3',
    );
    expect(() => assertSameRun({ ...CONFIG, dtype: 'f16' }, { ...CONFIG, dtype: 'f32' })).not.toThrow();
  });

  it('of another shape is refused', async () => {
    let state: RunState | undefined;
    await runOf('sgd', {
      saveEvery: 1,
      onState: (s) => {
        state = { config: CONFIG, ...s };
      },
    });
    await expect(runOf('adam', state ? { resume: state } : {})).rejects.toThrow(
      'the state of the run has no optimizer.exp_avg of shape [1, 3, 2, 2]: it belongs to another run',
    );
  });

  it('is no other file', async () => {
    await expect(decodeRunState('x.state', new Uint8Array(4))).rejects.toThrow(/^x\.state: /);
  });
});

describe('states by time', () => {
  it('take less than 2 % of it', async () => {
    let clock = 0;
    const times = new SavingTimes(() => clock, undefined);
    let spent = 0;
    for (let i = 1; i <= 2000; i++) {
      clock += 100;
      if (times.isDue(i)) {
        await times.measured(() => {
          clock += 400;
          spent += 400;
        });
      }
    }
    expect(spent).toBeGreaterThan(0);
    expect(spent / clock).toBeLessThan(0.02);
  });
});
