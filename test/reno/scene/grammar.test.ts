/** The captions' language, against every held-out prompt and the tokenizer that was trained on the captions. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseScene, sceneCaption } from '../../../src/reno/scene/grammar.ts';
import { RELATIONS } from '../../../src/reno/scene/verdict.ts';
import { knownSentence, learntWords, unknownSentence, unknownWords } from '../../../src/reno/scene/vocabulary.ts';
import { parsePocketPrompts } from '../../../src/reno/tasks/tasks.ts';

const read = (path: string): string =>
  readFileSync(new URL(`../../../weights/pocket/${path}`, import.meta.url), 'utf8');
const words = JSON.parse(read('evaluator/config.json')) as { objects: string[]; colours: string[] };
const prompts = parsePocketPrompts('heldout_prompts.json', read('heldout_prompts.json'));

describe('the grammar of scenes', () => {
  it('reads and writes every held-out prompt', () => {
    expect(prompts.length).toBeGreaterThan(100);
    for (const { id, category, prompt, ...scene } of prompts) {
      expect(parseScene(prompt, words), `${id}, ${category}`).toEqual(scene);
      expect(sceneCaption(scene)).toBe(prompt);
    }
  });

  it('reads what it writes, for any scene', () => {
    const thing = fc.record({
      name: fc.constantFrom(...words.objects),
      color: fc.constantFrom(null, ...words.colours),
      count: fc.integer({ min: 1, max: 4 }),
    });
    const scenes = fc.record({
      objects: fc.tuple(thing, thing).filter(([a, b]) => a.name !== b.name),
      relation: fc.constantFrom(null, ...RELATIONS).map((rel) => rel && { a: 0, rel, b: 1 }),
    });
    const rel = fc.constantFrom(...RELATIONS);
    const chains = fc.record({
      objects: fc.tuple(thing, thing, thing).filter((objects) => new Set(objects.map(({ name }) => name)).size === 3),
      relation: fc.constant(null),
      relations: fc.tuple(rel, rel).map(([first, second]) => [
        { a: 0, rel: first, b: 1 },
        { a: 1, rel: second, b: 2 },
      ]),
    });
    fc.assert(
      fc.property(fc.oneof(scenes, chains), (scene) => {
        expect(parseScene(sceneCaption(scene), words)).toEqual(scene);
      }),
    );
  });

  it('reads three objects with colours, numbers with colours, and a chain of relations', () => {
    const thing = (name: string, color: string | null = null, count = 1) => ({ name, color, count });
    expect(parseScene('a photo of a red cat and a blue duck and two green keys', words)).toEqual({
      objects: [thing('cat', 'red'), thing('duck', 'blue'), thing('key', 'green', 2)],
      relation: null,
    });
    expect(parseScene('a photo of a cat left of a duck above a tree', words)).toEqual({
      objects: [thing('cat'), thing('duck'), thing('tree')],
      relation: null,
      relations: [
        { a: 0, rel: 'left of', b: 1 },
        { a: 1, rel: 'above', b: 2 },
      ],
    });
  });

  it('forgives case, spaces, a full stop and a missing opening', () => {
    const scene = { objects: [{ name: 'car', color: 'red', count: 1 }], relation: null };
    for (const prompt of ['A photo of a red car.', '  a red   car ', 'red car']) {
      expect(parseScene(prompt, words)).toEqual(scene);
    }
  });

  it('reads nothing into other prompts', () => {
    for (const prompt of [
      '',
      'an astronaut riding a horse',
      'three cat',
      'constructor cats',
      'a cats',
      'a cat left of a cat',
      'a car and',
      'a cat left of a car above a cat',
      'a cat and a car left of a key',
      'a cat left of',
    ]) {
      expect(parseScene(prompt, words), prompt).toBeNull();
    }
  });
});

describe('the vocabulary', () => {
  it('is that of the tokenizer: each word is one of its tokens', () => {
    const tokens = JSON.parse(read('generator/tokenizer/vocab.json')) as Record<string, number>;
    const missing = [...learntWords(words)].filter((word) => !(`${word}</w>` in tokens));
    expect(missing).toEqual([]);
  });

  it('finds unknown words at their places', () => {
    expect(unknownWords('An astronaut, riding a Horse!', words)).toEqual([
      { word: 'astronaut', start: 3, end: 12 },
      { word: 'riding', start: 14, end: 20 },
      { word: 'Horse', start: 23, end: 28 },
    ]);
    expect(unknownWords('a photo of 3 cats', words).map(({ word }) => word)).toEqual(['3']);
    expect(prompts.flatMap(({ prompt }) => unknownWords(prompt, words))).toEqual([]);
  });

  it('says so in a sentence, each word once', () => {
    expect(unknownSentence(unknownWords('a photo of a car', words))).toBe('');
    expect(unknownSentence(unknownWords('dog and Dog', words))).toBe(
      'The pocket models never learnt “dog”: the picture cannot show it.',
    );
    expect(unknownSentence(unknownWords('a dog, a fox and a hen', words))).toContain('“dog”, “fox” or “hen”');
    for (const word of [...words.objects, ...words.colours, ...RELATIONS]) {
      expect(knownSentence(words)).toContain(word);
    }
  });
});
