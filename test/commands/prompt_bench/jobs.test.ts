import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Job, jobsOf } from '../../../commands/prompt_bench/jobs/job.ts';
import { ledgerLine, ledgerOf } from '../../../commands/prompt_bench/jobs/ledger.ts';
import { finishJob } from '../../../commands/prompt_bench/jobs/run_jobs.ts';
import {
  type ProcessHooks,
  runInProcesses,
  withFlag,
} from '../../../commands/prompt_bench/machines/worker_processes.ts';
import { benchPage } from '../../../commands/prompt_bench/results/report_page.ts';
import { categoryResults, type Picture, renderMarkdown } from '../../../commands/prompt_bench/results/results.ts';
import { differences } from '../../../commands/prompt_bench/results/results_difference.ts';
import { estimate } from '../../../commands/prompt_bench/results/statistics.ts';
import { FolderStore } from '../../../commands/prompt_bench/stores/job_store.ts';
import { REFERENCE_SETTINGS, withSettings } from '../../../src/reno/settings/settings.ts';

const settings = withSettings(REFERENCE_SETTINGS, { rewards: { clip: 1 } });
const identity = { tool: 'reno-webgpu 0', model: 'pocket', modelHash: 'a' };
const entries = [0, 1, 2].map((index) => ({ index, prompt: `prompt ${index}`, category: null, source: '' }));
const jobsWith = (changes: Partial<typeof settings> = {}, id = identity, seeds = [0]): Job[] =>
  jobsOf(entries, seeds, [{ name: 'reno', settings: withSettings(settings, changes), identity: id }]);

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reno-jobs-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const files = (text: string) => new Map([['result.json', bytes(text)]]);
const never = new AbortController().signal;

describe('the key of a job', () => {
  it('is another for another seed, prompt, setting, model or version', () => {
    const keys = [
      ...jobsWith(),
      ...jobsWith({}, identity, [1]),
      ...jobsWith({ lr: 6 }),
      ...jobsWith({}, { ...identity, modelHash: 'b' }),
      ...jobsWith({}, { ...identity, tool: 'reno-webgpu 1' }),
    ].map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is another where pictures on the way are judged', () => {
    const arm = { name: 'reno', settings, identity };
    const [plain] = jobsOf(entries, [0], [arm]);
    const [judged] = jobsOf(entries, [0], [{ ...arm, judged: [0, 5] }]);
    expect(judged?.key).not.toBe(plain?.key);
    expect(judged?.judged).toEqual([0, 5]);
    expect(plain && 'judged' in plain).toBe(false);
  });

  it('comes after those of the seeds before, whatever the kind of run', () => {
    const arms = ['a', 'b'].map((name, i) => ({ name, settings: withSettings(settings, { lr: i + 1 }), identity }));
    const order = jobsOf(entries.slice(0, 1), [3, 4], arms).map(({ listSeed, arm }) => `${listSeed}${arm}`);
    expect(order).toEqual(['3a', '3b', '4a', '4b']);
  });

  it('does not depend on the memory that a run may take, or on the name of its arm', () => {
    const [a] = jobsWith();
    const [b] = jobsWith({ budget: 2 ** 30 });
    const [c] = jobsOf(entries, [0], [{ name: 'another name', settings, identity }]);
    expect(b?.key).toBe(a?.key);
    expect(c?.key).toBe(a?.key);
  });
});

describe('jobs', () => {
  it('that fail are recorded with the reason and do not end the others; a success forgets it', async () => {
    const store = new FolderStore(folder);
    const jobs = jobsWith();
    let isBroken = true;
    const runner = {
      run: async ({ index, key }: Job) => {
        if (index === 1 && isBroken) {
          throw new Error('the loss is not finite');
        }
        return files(key);
      },
    };
    const ends: string[] = [];
    for (const job of jobs) {
      ends.push((await finishJob(runner, store, job, { signal: never })).end);
    }
    expect(ends).toEqual(['done', 'failed', 'done']);
    const ledger = await ledgerOf(jobs, store);
    expect(ledgerLine(ledger)).toBe('2 of 3 jobs done, 1 failed');
    expect(ledger.failed[0]).toMatchObject({ prompt: 'prompt 1', reason: 'the loss is not finite' });
    isBroken = false;
    for (const job of jobs) {
      ends.push((await finishJob(runner, store, job, { signal: never })).end);
    }
    expect(ends.slice(3)).toEqual(['there', 'done', 'there']);
    expect(ledgerLine(await ledgerOf(jobs, store))).toBe('3 of 3 jobs done');
  });

  it('that are left take the mean time of those that are done', () => {
    const ledger = { all: 200, done: 50, failed: [], left: 150, seconds: 2500 };
    expect(ledgerLine({ ...ledger, secondsLeft: 7500 })).toBe(
      '50 of 200 jobs done, 150 left, about 2 h 5 min of one device',
    );
    expect(ledgerLine({ ...ledger, secondsLeft: null })).toBe('50 of 200 jobs done, 150 left');
  });
});

/** A process that runs what it is given, and dies at the jobs that `dies` names. `most` becomes the largest number that one ran at once. */
function fakeProcesses(
  store: FolderStore,
  dies: (job: string) => boolean,
  jobs: readonly Job[],
  seen: { most: number },
): ProcessHooks['start'] {
  return () => {
    let running = 0;
    const listeners = new Map<string, (...args: never[]) => void>();
    const tell = (name: string, ...args: unknown[]): void => {
      setTimeout(() => listeners.get(name)?.(...(args as never[])), 0);
    };
    const child = {
      pid: 1,
      kill: () => true,
      on: (name: string, listener: (...args: never[]) => void) => {
        listeners.set(name, listener);
        return child;
      },
      send: ({ key }: { key: string | null }) => {
        const job = jobs.find((one) => one.key === key);
        if (!job) {
          tell('exit', 0, null);
        } else if (dies(job.key)) {
          tell('exit', null, 'SIGKILL');
        } else {
          running += 1;
          seen.most = Math.max(seen.most, running);
          void store.put(job.key, files(job.key)).then(() => {
            running -= 1;
            tell('message', { type: 'end', key: job.key, end: 'done' });
          });
        }
        return true;
      },
    };
    tell('message', { type: 'ready' });
    return child as unknown as ReturnType<ProcessHooks['start']>;
  };
}

describe('processes', () => {
  const run = async (dies: (key: string) => boolean, atOnce = 1) => {
    const seen = { most: 0 };
    const jobs = jobsWith({}, identity, [0, 1, 2]);
    const store = new FolderStore(folder);
    const ends: string[] = [];
    const poison: string[] = [];
    const said: string[] = [];
    await runInProcesses({
      jobs,
      count: 2,
      atOnce,
      start: fakeProcesses(store, dies, jobs, seen),
      onEnd: (job, end) => ends.push(`${job.key} ${end}`),
      onPoison: async (job, reason) => {
        poison.push(`${job.key} ${reason}`);
      },
      say: (sentence) => said.push(sentence),
      signal: never,
    });
    return { jobs, store, ends, poison, said, most: seen.most };
  };

  it('run every job once', async () => {
    const { jobs, ends } = await run(() => false);
    expect(ends.sort()).toEqual(jobs.map(({ key }) => `${key} done`).sort());
  });

  it('lose no job when one of them dies', async () => {
    let deaths = 0;
    const { jobs, ends, said } = await run(() => {
      deaths += 1;
      return deaths === 3;
    });
    expect(ends.sort()).toEqual(jobs.map(({ key }) => `${key} done`).sort());
    expect(said).toEqual([expect.stringMatching(/process \d ended by SIGKILL: another one is started/)]);
  });

  it('give up a job that ends every process, and finish the others', async () => {
    const [bad] = jobsWith();
    const { jobs, ends, poison } = await run((key) => key === bad?.key);
    expect(poison).toEqual([`${bad?.key} the process that ran it ended by SIGKILL, 3 times`]);
    expect(ends).toHaveLength(jobs.length);
    expect(ends.filter((end) => end.endsWith('done'))).toHaveLength(jobs.length - 1);
  });

  it('run several jobs at once, and no more than their share of a short list', async () => {
    const { jobs, ends, most } = await run(() => false, 4);
    expect(ends.sort()).toEqual(jobs.map(({ key }) => `${key} done`).sort());
    expect(most).toBe(4);
    expect((await run(() => false, 100)).most).toBe(Math.ceil(jobs.length / 2));
  });

  it('get the batch that was chosen, in place of the one that was asked for', () => {
    const rest = ['bench', 'pocket', '--limit', '2'];
    for (const asked of [[], ['--batch', 'auto'], ['--batch=auto']]) {
      expect(withFlag([...rest, ...asked], '--batch', '8')).toEqual([...rest, '--batch', '8']);
    }
  });

  it('run alone what ran when one of them died: only the job at fault is given up', async () => {
    const bad = jobsWith()[1];
    const { jobs, ends, poison } = await run((key) => key === bad?.key, 4);
    expect(poison).toEqual([`${bad?.key} the process that ran it ended by SIGKILL, 3 times`]);
    expect(ends.sort()).toEqual(jobs.map(({ key }) => `${key} ${key === bad?.key ? 'failed' : 'done'}`).sort());
  });
});

describe('results', () => {
  it('have the same interval each time, around the mean, and a narrow one for equal values', () => {
    const groups = Array.from({ length: 40 }, (_, i) => [i % 2, (i + 1) % 2, 1]);
    const found = estimate(groups);
    expect(estimate(groups)).toEqual(found);
    expect(found.mean).toBeCloseTo(2 / 3);
    expect(estimate([[1], [1], [1]])).toEqual({ mean: 1, low: 1, high: 1 });
    const coin = estimate(Array.from({ length: 100 }, (_, i) => [i % 2]));
    // The normal approximation of a share of 0.5 of 100 is 0.5 ± 0.098.
    expect(coin.low).toBeGreaterThan(0.37);
    expect(coin.low).toBeLessThan(0.43);
    expect(coin.high).toBeGreaterThan(0.57);
    expect(coin.high).toBeLessThan(0.63);
  });

  const picture = (method: string, index: number, total: number, right: boolean): Picture => {
    const of = (value: number) => ({ iteration: 0, total: value, losses: { HPS: value }, right, reason: null });
    return {
      method,
      index,
      listSeed: 0,
      prompt: 'p',
      category: index < 2 ? 'one' : 'two',
      key: '',
      file: 'best.png',
      result: of(total),
      first: of(3),
      totals: [],
      objects: null,
    };
  };
  const pictures = [picture('reno', 0, 2, true), picture('reno', 1, 4, false), picture('reno', 2, 1, true)];
  const method = { name: 'reno', arm: 'reno', picture: 'best', cost: 99 } as const;

  it('count by category and overall: losses, scores, improvements, verdicts', () => {
    const found = categoryResults([method], pictures, { HPS: 10 });
    expect(found.map(({ category, prompts }) => [category, prompts])).toEqual([
      ['one', 2],
      ['two', 1],
      ['overall', 3],
    ]);
    const all = found[2]?.methods[0];
    expect(all?.loss.mean).toBeCloseTo(7 / 3);
    expect(all?.scores.HPS?.mean).toBeCloseTo(10 - 7 / 3);
    expect(all?.improved.mean).toBeCloseTo(2 / 3);
    expect(all?.right?.mean).toBeCloseTo(2 / 3);
    const text = renderMarkdown({
      format: 1,
      tool: 't',
      list: 'l',
      model: 'm',
      modelHash: '',
      seeds: [0],
      settings: {},
      adapters: [],
      jobs: { all: 3, done: 3, failed: [] },
      categories: found,
      pictures: [],
    });
    expect(text).toContain('| reno');
    expect(text).toContain('66.7 %');
  });

  it('count the objects that a detector finds, and say that it is not the official evaluator', () => {
    const seen = pictures.map((one, i) => ({ ...one, objects: { right: i === 0, reason: null } }));
    const categories = categoryResults([method], seen, { HPS: 10 });
    expect(categories[2]?.methods[0]?.objects?.mean).toBeCloseTo(1 / 3);
    const about = { format: 1, tool: 't', list: 'l', model: 'm', modelHash: '', seeds: [0], settings: {} } as const;
    const jobs = { all: 3, done: 3, failed: [] };
    const results = { ...about, adapters: [], detector: 'FastestDet.onnx', jobs, categories, pictures: [] };
    expect(renderMarkdown(results)).toMatch(/\| *objects \|[\s\S]*33\.3 %/);
    const page = benchPage(results, [
      {
        picture: { ...seen[1], objects: { right: false, reason: 'expected cup>=1, found 0' } } as Picture,
        before: '',
        after: '',
      },
    ]);
    for (const text of [renderMarkdown(results), page]) {
      expect(text).toMatch(/looks at no colours and no positions, and is not GenEval(&#39;|')s own evaluator/);
    }
    expect(page).toContain('✗ expected cup&#62;=1, found 0');
  });

  it('of two runs are compared prompt by prompt', () => {
    const rows = (shift: number) =>
      [0, 1, 2, 3].map((index) => ({ method: 'reno', index, seed: 0, loss: index + shift, right: shift > 0 }));
    expect(differences(rows(0), rows(1))).toEqual([
      { method: 'reno', prompts: 4, pairs: 4, loss: { mean: 1, low: 1, high: 1 }, right: { mean: 1, low: 1, high: 1 } },
    ]);
    expect(differences(rows(0), [])).toEqual([]);
  });
});
