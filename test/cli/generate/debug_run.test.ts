/** DEBUG=reno:5 on the command line: a run whose losses became not finite is searched. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type GenerateRun, keptRun } from '../../../src/cli/generate/generate_run.ts';
import { NotFiniteError } from '../../../src/reno/loop/loop.ts';
import { printed } from '../in_process.ts';

const before = process.env.DEBUG;
beforeEach(() => {
  process.env.DEBUG = 'reno:5';
});
afterEach(() => {
  if (before === undefined) {
    delete process.env.DEBUG;
  } else {
    process.env.DEBUG = before;
  }
});

const found = {
  node: { op: { name: 'conv2d' }, path: 'generator.unet', backward: true },
  output: 0,
  type: { dtype: 'f32', shape: [2, 3] },
  kernel: 'conv2d.gpu_tile+add',
  iteration: 4,
};

/** A run with networks that end with `outcome`. */
const runThat = (outcome: () => Promise<unknown>): GenerateRun =>
  ({
    store: { loadState: async () => undefined },
    interruption: { signal: new AbortController().signal },
    steady: { generate: outcome, reno: { findBadValue: async () => found } },
  }) as unknown as GenerateRun;

const sentence =
  'first value that is not finite: output 0 (f32[2,3]) of conv2d in backward generator.unet (kernel conv2d.gpu_tile+add), at iteration 4';

it('names the first bad value of a run that stopped', async () => {
  const run = runThat(async () => ({ trajectory: { stoppedBy: 'not-finite' } }));
  const { stderr } = await printed(() => keptRun(run, 'key', { prompt: 'a cat', seed: 1 }).then(() => 0));
  expect(stderr).toContain(sentence);
});

it('names the first bad value of a run without a single finite loss, which fails as before', async () => {
  const run = runThat(() => Promise.reject(new NotFiniteError('the loss of CLIP became NaN at iteration 0')));
  const { stderr, error } = await printed(() => keptRun(run, 'key', { prompt: 'a cat', seed: 1 }).then(() => 0));
  expect(stderr).toContain(sentence);
  expect(error).toContain('the loss of CLIP became NaN');
});

it('does not search after other failures, or where nobody asks', async () => {
  const other = runThat(() => Promise.reject(new Error('no memory')));
  expect((await printed(() => keptRun(other, 'key', { prompt: 'a cat', seed: 1 }).then(() => 0))).stderr).toEqual(['']);
  process.env.DEBUG = 'reno:4';
  const run = runThat(async () => ({ trajectory: { stoppedBy: 'not-finite' } }));
  expect((await printed(() => keptRun(run, 'key', { prompt: 'a cat', seed: 1 }).then(() => 0))).stderr).toEqual(['']);
});
