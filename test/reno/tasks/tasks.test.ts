/** Lists of prompts, the seeds of their noises, and names of files from prompts. */
import { describe, expect, it } from 'vitest';
import { fileName } from '../../../src/reno/tasks/file_name.ts';
import { type PocketPrompt, parsePocketPrompts, promptSeed, taskItems } from '../../../src/reno/tasks/tasks.ts';
import { at } from '../../../src/tensor/types.ts';

const prompt = (id: number, category: string): PocketPrompt => ({
  id,
  category,
  prompt: `prompt ${id}`,
  objects: [{ name: 'cat', color: null, count: 1 }],
  relation: null,
});
const prompts = [prompt(0, 'counting'), prompt(1, 'counting'), prompt(2, 'colors')];

describe('prompt lists', () => {
  it('reads the pocket prompts and says which entry is wrong', () => {
    expect(parsePocketPrompts('f.json', JSON.stringify(prompts))).toEqual(prompts);
    const relation = { a: 0, rel: 'beside', b: 0 };
    const wrong = [prompts[0], { ...prompts[1], relation }];
    expect(() => parsePocketPrompts('f.json', JSON.stringify(wrong))).toThrow('f.json: entry 1 must have id, category');
    const chain = { ...prompts[2], objects: ['cat', 'car', 'key'].map((name) => ({ name, color: null, count: 1 })) };
    const relations = [0, 1].map((a) => ({ a, rel: 'above', b: a + 1 }));
    expect(parsePocketPrompts('f.json', JSON.stringify([{ ...chain, relations }]))[0]?.relations).toEqual(relations);
    for (const bad of [{ relations: [{ a: 0, rel: 'above', b: 3 }] }, { relations, relation: relations[0] }]) {
      expect(() => parsePocketPrompts('f.json', JSON.stringify([{ ...chain, ...bad }]))).toThrow('f.json: entry 0');
    }
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
