import { describe, expect, it } from 'vitest';
import { parseSeeds } from '../../../commands/common/seed_list.ts';
import { type PromptEntry, readList } from '../../../commands/prompt_bench/lists/benchmark_lists.ts';
import { assertLayoutFits, layout } from '../../../commands/prompt_bench/lists/layouts.ts';
import { inShard, shardOf } from '../../../commands/prompt_bench/machines/shard.ts';
import { compared, parseMethods, parseSweeps } from '../../../commands/prompt_bench/methods.ts';
import type { Picture } from '../../../commands/prompt_bench/results/results.ts';
import { REFERENCE_SETTINGS, withSettings } from '../../../src/reno/settings/settings.ts';

const settings = withSettings(REFERENCE_SETTINGS, { nIters: 50, rewards: { hps: 5, clip: 0.2, image_reward: 1 } });

describe('lists', () => {
  it('reads GenEval, and keeps a broken line with its reason', () => {
    const text = '{"tag":"colors","prompt":"a red cat"}\r\n\r\nno json\n';
    expect(readList('geneval', 'f', text)).toEqual([
      { index: 0, prompt: 'a red cat', category: 'colors', source: '{"tag":"colors","prompt":"a red cat"}' },
      expect.objectContaining({ index: 1, problem: expect.stringContaining('line 2') }),
    ]);
  });

  it('refuses a list without any prompt that can be run', () => {
    expect(() => readList('geneval', 'list.txt', 'a cat\na dog\n')).toThrow(
      'list.txt: line 1 of the list is not GenEval',
    );
    expect(() => readList('prompts', 'list.txt', '\n \n')).toThrow('list.txt: the list has no prompts');
    expect(() => readList('parti-prompts', 'p.tsv', 'a\tb\n')).toThrow('no column "Prompt"');
  });

  it('groups GenEval 2 by atoms and PartiPrompts by category', () => {
    expect(readList('geneval2', 'f', '{"prompt":"p","atom_count":7}')[0]?.category).toBe('7 atoms');
    expect(readList('parti-prompts', 'f', 'Prompt\tCategory\n"a" cat\tAnimals')[0]).toMatchObject({
      prompt: '"a" cat',
      category: 'Animals',
    });
  });
});

describe('methods', () => {
  it('counts an iteration with its gradient as two forward passes, the last one as one', () => {
    const { methods } = compared(settings, parseMethods('base,best-of-n,equal-compute,reno,multi-start'), []);
    expect(methods.map(({ name, cost }) => [name, cost])).toEqual([
      ['base', 1],
      ['best-of-50', 50],
      ['best-of-99', 99],
      ['reno-50', 99],
      ['multi-start 40-3-10', 97],
    ]);
  });

  it('gives every search the work of the iterations, and judges a longer run on its way', () => {
    const { arms, methods } = compared(settings, parseMethods('reno,preconditioned,zeroth-order,curve'), []);
    expect(methods.map(({ name, cost }) => [name, cost])).toEqual([
      ['reno-50', 99],
      ['preconditioned-50', 99],
      ['zeroth-order-99', 99],
      ['reno-101', 201],
    ]);
    expect(arms[0]?.settings).toMatchObject({
      mode: 'preconditioned',
      optim: 'adam',
      lr: 0.1,
      regWeight: 0,
      nIters: 50,
    });
    expect(arms.map(({ judged }) => judged)).toEqual([undefined, undefined, [0, 5, 10, 20, 50, 100]]);
  });

  it('takes the base pictures from the ReNO runs, and runs equal settings once', () => {
    const { arms, methods } = compared(settings, parseMethods('base,reno'), parseSweeps('hps=5,0'));
    expect(arms).toHaveLength(2);
    expect(methods.map(({ arm }) => arm)).toEqual(['base', 'base', 'base', 'reno hps=0']);
    expect(arms[0]?.settings.mode).toBe('reno');
    expect(compared(settings, ['base'], []).arms[0]?.settings.mode).toBe('no-optim');
  });

  it('takes the pictures of a shorter run from a longer one that begins with it', () => {
    const kinds = 'base,best-of-n,equal-compute,reno,multi-start,curve';
    const { arms, methods } = compared(settings, parseMethods(kinds), []);
    expect(arms.map(({ name, lengths }) => [name, lengths])).toEqual([
      ['best-of-99', [50]],
      ['multi-start 40-3-10', undefined],
      ['reno-101', [50]],
    ]);
    expect(methods.map(({ name, arm, picture, length }) => [name, arm, picture, length])).toEqual([
      ['base', 'reno-101', 'init', undefined],
      ['best-of-50', 'best-of-99', 'best', 50],
      ['best-of-99', 'best-of-99', 'best', undefined],
      ['reno-50', 'reno-101', 'best', 50],
      ['multi-start 40-3-10', 'multi-start 40-3-10', 'best', undefined],
      ['reno-101', 'reno-101', 'best', undefined],
    ]);
    const twice = compared(withSettings(settings, { nIters: 101 }), parseMethods('reno,curve'), []);
    expect(twice.arms.map(({ judged, lengths }) => [judged?.length, lengths])).toEqual([[6, undefined]]);
    const rewards = compared(settings, parseMethods('curve'), parseSweeps('hps=0'));
    expect(rewards.arms).toHaveLength(2);
  });

  it('leaves each reward out and alone', () => {
    const { arms } = compared(settings, parseMethods('leave-one-out,each-reward'), []);
    expect(arms.map(({ name }) => name)).toEqual([
      'reno without hps',
      'reno without clip',
      'reno without image_reward',
      'reno hps alone',
      'reno clip alone',
      'reno image_reward alone',
    ]);
    expect(arms[3]?.settings.rewards).toEqual({ hps: 5 });
    const one = withSettings(settings, { rewards: { clip: 1 } });
    expect(() => compared(one, ['leave-one-out'], [])).toThrow('at least two rewards');
  });

  it('refuses unknown methods, rewards and weights by name', () => {
    expect(() => parseMethods('reno,magic')).toThrow('there is no method "magic"');
    expect(() => parseSweeps('beauty=1')).toThrow('there is no reward "beauty"');
    expect(() => parseSweeps('hps=much')).toThrow('a weight of hps must be a number');
    expect(() => compared(settings, [], parseSweeps('hps=1;clip=-1'))).toThrow('a weight of clip');
    expect(() => compared(withSettings(settings, { rewards: { hps: 5 } }), [], parseSweeps('hps=0'))).toThrow(
      'leaves no reward',
    );
  });

  it('reads seeds as a list and as a range', () => {
    expect(parseSeeds('0,3-5,3')).toEqual([0, 3, 4, 5]);
    expect(() => parseSeeds('5-3')).toThrow('--seeds');
    expect(() => parseSeeds('a')).toThrow('--seeds');
  });
});

describe('shards', () => {
  const jobs = Array.from({ length: 10 }, (_, index) => ({ index }));

  it('cover every job once', () => {
    const parts = [1, 2, 3].map((i) => inShard(jobs, shardOf(`${i}/3`, {})));
    expect(parts.flat().sort((a, b) => a.index - b.index)).toEqual(jobs);
  });

  it('come from Slurm and from an Indexed Job by themselves', () => {
    const slurm = { SLURM_ARRAY_TASK_MIN: '1', SLURM_ARRAY_TASK_MAX: '4', SLURM_ARRAY_TASK_COUNT: '4' };
    expect(shardOf(undefined, { ...slurm, SLURM_ARRAY_TASK_ID: '1' })).toMatchObject({ index: 0, count: 4 });
    expect(shardOf(undefined, { ...slurm, SLURM_ARRAY_TASK_ID: '4' })).toMatchObject({ index: 3, count: 4 });
    expect(shardOf('/8', { JOB_COMPLETION_INDEX: '7' })).toMatchObject({ index: 7, count: 8 });
    expect(shardOf(undefined, {})).toBeNull();
  });

  it('that are no shares are refused', () => {
    expect(() => shardOf('0/3', {})).toThrow('no share of 3');
    expect(() => shardOf('4/3', {})).toThrow('shares are numbered 1 to 3');
    expect(() => shardOf('half', {})).toThrow('--shard must be');
    expect(() => shardOf('/3', {})).toThrow('neither JOB_COMPLETION_INDEX nor');
    expect(() => shardOf(undefined, { JOB_COMPLETION_INDEX: '0' })).toThrow('add --shard /N');
    const gaps = {
      SLURM_ARRAY_TASK_MIN: '0',
      SLURM_ARRAY_TASK_MAX: '9',
      SLURM_ARRAY_TASK_COUNT: '5',
      SLURM_ARRAY_TASK_ID: '4',
    };
    expect(() => shardOf(undefined, gaps)).toThrow('with gaps');
    expect(shardOf('/10', gaps)).toMatchObject({ index: 4, count: 10 });
  });
});

describe('the layouts of the official evaluators', () => {
  const entries = new Map<number, PromptEntry>(
    ['a green bench and a blue bowl', 'x'.repeat(300)].map((prompt, index) => [
      index,
      { index, prompt, category: null, source: `{"prompt":"${prompt}"}` },
    ]),
  );
  const pictures = [...entries.values()].flatMap(({ index, prompt }) =>
    [0, 1].map((listSeed): Picture => {
      const result = { iteration: 0, total: 0, losses: {}, right: null, reason: null };
      return {
        method: 'reno',
        index,
        listSeed,
        prompt,
        category: null,
        key: `${index}${listSeed}`,
        file: 'best.png',
        result,
        first: result,
        totals: [],
        objects: null,
      };
    }),
  );
  const paths = (files: readonly { readonly path: string }[]): string[] => files.map(({ path }) => path);

  it("GenEval: a folder of digits with metadata.jsonl and pictures of digits (evaluate_images.py's main)", () => {
    const files = layout('geneval', entries, pictures);
    for (const { path } of files) {
      const [folder = '', ...rest] = path.split('/');
      expect(folder).toMatch(/^\d+$/);
      expect(rest.join('/')).toMatch(/^(metadata\.jsonl|samples\/\d+\.png)$/);
    }
    const metadata = files.find(({ path }) => path === '00001/metadata.jsonl');
    expect(metadata && 'text' in metadata ? JSON.parse(metadata.text) : null).toEqual({ prompt: 'x'.repeat(300) });
  });

  it("T2I-CompBench: the prompt is the name up to the first _, the number is the last part (BLIP_vqa.py's annotations)", () => {
    const files = layout('t2i-compbench', entries, pictures);
    const names = paths(files)
      .filter((path) => path.startsWith('samples/'))
      .map((path) => path.slice('samples/'.length));
    expect(names).toHaveLength(4);
    const numbers = names.map((name) => Number(name.split('_').at(-1)?.split('.')[0]));
    expect(numbers).toEqual([0, 1, 2, 3]);
    expect(names[0]?.split('_')[0]).toBe('a green bench and a blue bowl');
    expect(Math.max(...names.map((name) => Buffer.byteLength(name)))).toBeLessThanOrEqual(255);
    const sidecar = files.find(({ path }) => path === 'prompts.jsonl');
    const lines = sidecar && 'text' in sidecar ? sidecar.text.trim().split('\n') : [];
    expect(JSON.parse(lines[2] ?? '{}')).toMatchObject({ id: 2, prompt: 'x'.repeat(300) });
    expect(() => assertLayoutFits('t2i-compbench', [{ index: 0, prompt: 'a_b', category: null, source: '' }])).toThrow(
      '"_"',
    );
  });

  it('GenEval 2: one file for each seed from prompts to pictures', () => {
    const files = layout('geneval2', entries, pictures);
    const file = files.find(({ path }) => path === 'image_paths_00001.json');
    expect(file && 'text' in file ? JSON.parse(file.text) : null).toEqual({
      'a green bench and a blue bowl': '00000/00001.png',
      [`${'x'.repeat(300)}`]: '00001/00001.png',
    });
    const twice = [0, 1].map((index) => ({ index, prompt: 'a', category: null, source: '' }));
    expect(() => assertLayoutFits('geneval2', twice)).toThrow('stands twice');
  });
});
