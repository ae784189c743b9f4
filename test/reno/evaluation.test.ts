import { describe, expect, it } from 'vitest';
import { type EvaluationRow, evaluate, parseRows, renderTable, summarize } from '../../src/reno/evaluation.ts';
import { fileName } from '../../src/reno/file_name.ts';
import type { Generated, GenerateOptions } from '../../src/reno/session.ts';
import { type PocketPrompt, parsePocketPrompts, promptSeed, taskItems } from '../../src/reno/tasks.ts';
import type { ScenePrompt } from '../../src/reno/verdict.ts';
import { at } from '../../src/tensor/types.ts';

const prompt = (id: number, category: string): PocketPrompt => ({
  id,
  category,
  prompt: `prompt ${id}`,
  objects: [{ name: 'cat', color: null, count: 1 }],
  relation: null,
});
const prompts = [prompt(0, 'counting'), prompt(1, 'counting'), prompt(2, 'colors')];

/** A generator whose pictures carry what made them: [prompt, seed, method]. */
class Fake {
  readonly asked: GenerateOptions[] = [];
  readonly #mark: number;

  constructor(mark: number) {
    this.#mark = mark;
  }

  async generate(options: GenerateOptions): Promise<Generated> {
    this.asked.push(options);
    const record = (iteration: number, total: number) => ({
      iteration,
      losses: {},
      total,
      regulariser: 0,
      norm: 1,
      seconds: iteration,
    });
    const trajectory = {
      records: [record(0, 5), record(1, 3), record(2, 4)],
      best: 1,
      initImage: Float32Array.of(0),
      bestImage: Float32Array.of(this.#mark),
      bestLatents: Float32Array.of(0),
      frames: [],
      moves: [],
      pushes: [],
      stopped: null,
      stoppedBy: null,
      seconds: 9,
    };
    return { trajectory, history: undefined as never };
  }
}

/** Right where the picture's mark says so: ReNO always, best-of-N for even prompts, the base model never. */
const judge = {
  judge: async (pixels: Float32Array, asked: ScenePrompt) => {
    const even = prompts.some((p, i) => p === asked && i % 2 === 0);
    const right = pixels[0] === 2 || (pixels[0] === 1 && even);
    return { right, reason: right ? 'right' : 'cat: expected 1, found 0' };
  },
};

async function run(done: readonly EvaluationRow[] = []): Promise<{ rows: EvaluationRow[]; reno: Fake; select: Fake }> {
  const parts = { reno: new Fake(2), select: new Fake(1), judge };
  const rows: EvaluationRow[] = [];
  await evaluate(parts, prompts, [0, 1], {
    isDone: (id, seed, method) => done.some((r) => r.id === id && r.seed === seed && r.method === method),
    onRow: (row) => rows.push(row),
  });
  return { rows, reno: parts.reno, select: parts.select };
}

describe('evaluate', () => {
  it('judges the first picture as the base model, and the best of both searches from the same noise', async () => {
    const { rows, reno, select } = await run();
    expect(rows).toHaveLength(3 * 2 * 3);
    expect(reno.asked.map((o) => o.seed)).toEqual(select.asked.map((o) => o.seed));
    expect(new Set(reno.asked.map((o) => o.seed)).size).toBe(6);
    expect(
      rows.slice(0, 3).map(({ method, right, loss, iteration, seconds }) => [method, right, loss, iteration, seconds]),
    ).toEqual([
      ['base', false, 5, 0, 0],
      ['reno', true, 3, 1, 9],
      ['best-of-n', true, 3, 1, 9],
    ]);
  });

  it('goes on where it was interrupted', async () => {
    const { rows } = await run();
    const kept = rows.slice(0, 7);
    const second = await run(kept);
    expect([...kept, ...second.rows]).toEqual(rows);
    expect(second.reno.asked).toHaveLength(4);
    expect(second.select.asked).toHaveLength(4);
  });

  it('counts by category and overall', async () => {
    const { rows } = await run();
    const results = summarize(rows);
    expect(results).toEqual([
      { category: 'counting', prompts: 4, right: { base: 0, 'best-of-n': 0.5, reno: 1 } },
      { category: 'colors', prompts: 2, right: { base: 0, 'best-of-n': 1, reno: 1 } },
      { category: 'overall', prompts: 6, right: { base: 0, 'best-of-n': 4 / 6, reno: 1 } },
    ]);
    expect(renderTable(results, 50).split('\n')).toEqual([
      '| category | prompts | base | best-of-50 | ReNO-50 |',
      '|----------|--------:|-----:|-----------:|--------:|',
      '| counting |       4 | 0.0% |      50.0% |  100.0% |',
      '| colors   |       2 | 0.0% |     100.0% |  100.0% |',
      '| overall  |       6 | 0.0% |      66.7% |  100.0% |',
    ]);
  });
});

describe('rows.jsonl', () => {
  const header = { format: 1, weights: 'abc', settings: { lr: 5 } } as const;
  const line = (value: unknown): string => `${JSON.stringify(value)}\n`;

  it('is read back, without a last line that was cut off', async () => {
    const { rows } = await run();
    const text = [header, ...rows.slice(0, 2)].map(line).join('');
    expect(parseRows(text, header)).toEqual(rows.slice(0, 2));
    expect(parseRows(text + line(rows[2]).slice(0, 20), header)).toEqual(rows.slice(0, 2));
    expect(parseRows('', header)).toEqual([]);
  });

  it('is refused when it belongs to something else or is broken', () => {
    expect(() => parseRows(line({ ...header, weights: 'def' }), header)).toThrow('rows of other weights or settings');
    expect(() => parseRows(`${line(header)}{"id":\n`, header)).toThrow('line 2 of rows.jsonl is not JSON');
  });
});

describe('prompt lists', () => {
  it('reads the pocket prompts and says which entry is wrong', () => {
    expect(parsePocketPrompts('f.json', JSON.stringify(prompts))).toEqual(prompts);
    const relation = { a: 0, rel: 'beside', b: 0 };
    const wrong = [prompts[0], { ...prompts[1], relation }];
    expect(() => parsePocketPrompts('f.json', JSON.stringify(wrong))).toThrow('f.json: entry 1 must have id, category');
    expect(() => parsePocketPrompts('f.json', '[]')).toThrow('f.json: must be a list of prompts');
    expect(() => parsePocketPrompts('f.json', '[{')).toThrow('f.json: is not valid JSON');
  });

  it('gives every prompt of every seed its own noise', () => {
    const seeds = [0, 1, 2, 3].flatMap((seed) => [0, 1, 552].map((i) => promptSeed(seed, i)));
    expect(new Set(seeds).size).toBe(12);
    expect(seeds.every(Number.isSafeInteger)).toBe(true);
    const large = [2 ** 33 - 1, 2 ** 33, 10_000_000_000, 2 ** 53 - 1];
    const mixed = large.flatMap((seed) => [0, 1, 2 ** 20 - 1].map((i) => promptSeed(seed, i)));
    expect(new Set([...seeds, ...mixed]).size).toBe(24);
    expect(mixed.every((seed) => Number.isSafeInteger(seed) && seed >= 0)).toBe(true);
    expect(promptSeed(2 ** 33 - 1, 2 ** 20 - 1)).toBe(2 ** 53 - 1);
  });

  it("lays files out as the benchmarks' tools expect", () => {
    expect(taskItems('t2i-compbench', 'a red cat\n\n a/b \n', 0)).toEqual([
      { prompt: 'a red cat', best: 'samples/a red cat_000000.png' },
      { prompt: 'a/b', best: 'samples/a-b_000001.png' },
    ]);
    const line = '{"tag": "counting", "prompt": "a photo of two cats"}';
    expect(taskItems('geneval', `${line}\n`, 3)).toEqual([
      { prompt: 'a photo of two cats', best: '00000/samples/00003.png', extra: { '00000/metadata.jsonl': line } },
    ]);
    expect(taskItems('parti-prompts', 'Prompt\tCategory\n"a cat\tAnimals\n', 0).map((i) => [i.prompt, i.best])).toEqual(
      [['"a cat', '0/best_image.png']],
    );
    expect(taskItems('example-prompts', 'A cat\r\n', 0)).toEqual([
      { prompt: 'A cat', best: '000_A cat.png/best_image.png', init: '000_A cat.png/init_image.png' },
    ]);
    expect(taskItems('example-prompts', 'A cat\rA dog', 0)).toHaveLength(2);
    expect(() => taskItems('geneval', 'a red cat', 0)).toThrow('line 1 of the list is not GenEval metadata');
    expect(() => taskItems('parti-prompts', 'a red cat', 0)).toThrow('no column "Prompt"');
    expect(() => taskItems('parti-prompts', 'Prompt\tCategory\n', 0)).toThrow('the list has no prompts');
  });

  it('keeps the place of an entry that cannot be run, with the reason', () => {
    const good = (prompt: string): string => JSON.stringify({ prompt });
    expect(taskItems('geneval', `${good('')}\n{"prompt": 3}\n${good('b')}`, 0).map((i) => [i.best, i.problem])).toEqual(
      [
        ['00000/samples/00000.png', undefined],
        ['00001/samples/00000.png', 'line 2 of the list is not GenEval metadata (JSON with a prompt)'],
        ['00002/samples/00000.png', undefined],
      ],
    );
    const parti = taskItems('parti-prompts', 'Category\tPrompt\nAnimals\nAnimals\ta cat', 0);
    expect(parti.map((i) => [i.best, i.problem])).toEqual([
      ['0/best_image.png', 'row 1 of the list has no prompt'],
      ['1/best_image.png', undefined],
    ]);
  });

  it('cuts names at 255 bytes and not inside a character, and T2I-CompBench at no other length', () => {
    const compbench = (prompt: string): string => at(taskItems('t2i-compbench', prompt, 0), 0).best.slice(8);
    expect(compbench('a '.repeat(90).trim())).toBe(`${'a '.repeat(90).trim()}_000000.png`);
    expect(Buffer.byteLength(compbench('猫'.repeat(100)))).toBe(254);
    expect(compbench(`${'a'.repeat(243)}🐱`)).toBe(`${'a'.repeat(243)}_000000.png`);
    expect(at(taskItems('example-prompts', '🐱'.repeat(151), 0), 0).best).toMatch(
      /^000_🐱{61}\.png\/best_image\.png$/u,
    );
  });
});

describe('a file name from a prompt', () => {
  it('is one that Windows takes too', () => {
    expect(fileName('', 'a "red" car: left? of <a> dog | cat * x.', '_0.png')).toBe(
      "a 'red' car- left- of -a- dog - cat - x._0.png",
    );
    expect(fileName('', 'a clock reads 11:44', '.png')).toBe('a clock reads 11-44.png');
    expect(fileName('', 'tab\tand\\slash/', '.png')).toBe('tab-and-slash-.png');
    expect(['con', 'AUX ', 'lpt1.x', 'com²'].map((name) => fileName('', name, '.png'))).toEqual([
      'co-.png',
      'AUX-.png',
      'lpt-.x.png',
      'com-.png',
    ]);
    expect(['console', 'con_1', 'com10'].map((name) => fileName('', name, '.png'))).toEqual([
      'console.png',
      'con_1.png',
      'com10.png',
    ]);
    expect(fileName('', 'a cat. .', '')).toBe('a cat---');
    expect(fileName('', '\ud83d', '.png')).toBe('\ufffd.png');
  });
});
