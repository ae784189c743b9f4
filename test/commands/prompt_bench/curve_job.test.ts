/** A job that judges pictures on its way, on a run and an evaluator that are made up. */
import { expect, it } from 'vitest';
import { jobsOf } from '../../../commands/prompt_bench/jobs/job.ts';
import type { JobResult } from '../../../commands/prompt_bench/jobs/job_result.ts';
import { JobRunner, type OpenedArm } from '../../../commands/prompt_bench/jobs/run_jobs.ts';
import type { GenerateOptions } from '../../../src/reno/session.ts';
import { REFERENCE_SETTINGS } from '../../../src/reno/settings/settings.ts';

/** Losses of six iterations; each picture is its number. */
const TOTALS = [9, 7, 8, 6, 6.5, 7];

function opened(asked: GenerateOptions[], looked: number[]): OpenedArm {
  const pixels = (i: number): Float32Array => new Float32Array(3).fill(i / 100);
  const records = TOTALS.map((total, iteration) => ({ iteration, losses: {}, total }));
  const frames = TOTALS.map((_, iteration) => ({ iteration, pixels: pixels(iteration) }));
  const images = { initImage: pixels(0), bestImage: pixels(3) };
  const trajectory = { records, frames, best: 3, stopped: null, seconds: 1, ...images };
  const generate = async (options: GenerateOptions) => {
    asked.push(options);
    return { trajectory, history: { config: { rewards: [] } } };
  };
  const judge = {
    judge: async ([first = 0]: Float32Array) => {
      const iteration = Math.round(100 * first);
      looked.push(iteration);
      return { right: iteration === 1 || iteration === 5, reason: 'a fault' };
    },
  };
  const steady = { reno: { imageSize: { height: 1, width: 1 } }, generate };
  return { steady, judge, adapter: {}, [Symbol.dispose]: () => {} } as unknown as OpenedArm;
}

type Kept = { readonly judged?: readonly number[]; readonly lengths?: readonly number[] };

async function filesOf(kept: Kept, asked: GenerateOptions[], looked: number[]) {
  const entry = { index: 0, prompt: 'a cat', category: null, source: '', scene: { objects: [], relation: null } };
  const identity = { tool: '', model: '', modelHash: '' };
  const arm = { name: 'reno', settings: REFERENCE_SETTINGS, identity, ...kept };
  const { signal } = new AbortController();
  using runner = new JobRunner({
    open: async () => opened(asked, looked),
    host: '',
    now: () => new Date(0),
    commit: '',
    signal,
  });
  const [job] = jobsOf([entry], [0], [arm]);
  const files = job && (await runner.run(job));
  return { files, result: JSON.parse(new TextDecoder().decode(files?.get('result.json'))) as JobResult };
}

async function resultOf(judged: readonly number[] | undefined, asked: GenerateOptions[], looked: number[]) {
  return (await filesOf(judged ? { judged } : {}, asked, looked)).result;
}

it('has the verdict of each picture, and of the one with the lowest loss until there, and judges none of them twice', async () => {
  const [asked, looked]: [GenerateOptions[], number[]] = [[], []];
  const { curve } = await resultOf([0, 2, 5], asked, looked);
  expect(curve).toEqual([
    { iteration: 0, total: 9, right: false, best: { iteration: 0, total: 9, right: false } },
    { iteration: 2, total: 8, right: false, best: { iteration: 1, total: 7, right: true } },
    { iteration: 5, total: 7, right: true, best: { iteration: 3, total: 6, right: false } },
  ]);
  expect(looked).toEqual([0, 3, 0, 2, 1, 5, 3]);
  expect(asked[0]?.wantsFrame?.(4)).toBe(true);
});

it('asks for no pictures on the way where none is judged', async () => {
  const asked: GenerateOptions[] = [];
  expect(await resultOf(undefined, asked, [])).not.toHaveProperty('curve');
  expect(asked[0]).not.toHaveProperty('wantsFrame');
});

it('keeps the best pictures of the shorter runs that it contains, with or without pictures on its way', async () => {
  const asked: GenerateOptions[] = [];
  const short = await filesOf({ lengths: [2, 3] }, asked, []);
  expect([0, 1, 2, 3].map((i) => asked[0]?.wantsFrame?.(i))).toEqual([false, 'best', 'best', false]);
  expect(short.result.shorter).toEqual([
    { length: 2, best: { iteration: 1, total: 7, losses: {}, right: true, reason: 'a fault' } },
    { length: 3, best: { iteration: 1, total: 7, losses: {}, right: false, reason: 'a fault' } },
  ]);
  expect([...(short.files?.keys() ?? [])].slice(4)).toEqual(['best-2.png', 'best-3.png']);
  const curve = await filesOf({ lengths: [3], judged: [0, 5] }, asked, []);
  expect(asked[1]?.wantsFrame?.(4)).toBe(true);
  expect(curve.result.shorter).toMatchObject([{ length: 3, best: { iteration: 1, right: true } }]);
});
