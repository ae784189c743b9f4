/** Verdicts in words, by hand, and against the rule: words of a right picture say what was asked. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Config } from '../../../src/models/checkpoint/config.ts';
import { parseScene } from '../../../src/reno/scene/grammar.ts';
import { type Detection, judge, verdictConfig } from '../../../src/reno/scene/verdict.ts';
import { verdictLine, verdictWords } from '../../../src/reno/scene/verdict_words.ts';

const path = new URL('../../../weights/pocket/evaluator/config.json', import.meta.url);
const config = verdictConfig(new Config('config.json', JSON.parse(readFileSync(path, 'utf8'))));

const thing = (object: string, colour = 'red', x = 12, y = 12): Detection => ({ object, colour, x, y, score: 1 });
const line = (prompt: string, ...detections: Detection[]): string => {
  const scene = parseScene(prompt, config);
  return verdictLine(verdictWords(scene, { detections, verdict: scene && judge(detections, scene, config) }, config));
};

describe('a verdict in words', () => {
  it('names the number alone where only the number is wrong', () => {
    const two = [thing('butterfly'), thing('butterfly')];
    expect(line('three butterflies', ...two)).toBe('asked: three butterflies; found: two ✗');
    expect(line('three butterflies', ...two, thing('butterfly'))).toBe('asked: three butterflies; found: three ✓');
    expect(line('three butterflies', ...two, thing('key'))).toBe(
      'asked: three butterflies; found: two butterflies and a key ✗',
    );
    expect(line('three butterflies')).toBe('asked: three butterflies; found: nothing ✗');
  });

  it('names colours where the prompt does, in the order of the prompt', () => {
    const found = [thing('car', 'orange'), thing('duck', 'blue')];
    expect(line('a blue duck and a green car', ...found)).toBe(
      'asked: a blue duck and a green car; found: a blue duck and an orange car ✗',
    );
    expect(line('a duck and a car', ...found)).toBe('asked: a duck and a car; found: a duck and a car ✓');
  });

  it('names the relation that holds', () => {
    const left = [thing('cat', 'red', 12), thing('tree', 'red', 44)];
    expect(line('a cat left of a tree', ...left)).toBe('asked: a cat left of a tree; found: a cat left of a tree ✓');
    expect(line('a cat above a tree', ...left)).toBe('asked: a cat above a tree; found: a cat left of a tree ✗');
    expect(line('a cat above a tree', thing('cat'), thing('tree'))).toContain('a cat at the place of a tree ✗');
    expect(line('a cat above a tree', ...left, thing('cat'))).toContain('found: two cats and a tree ✗');
  });

  it('names the relations of a chain', () => {
    const [cat, duck, tree] = [thing('cat', 'red', 12, 12), thing('duck', 'red', 44, 12), thing('tree', 'red', 44, 44)];
    const [asked, found] = ['a cat left of a duck above a tree', 'a cat left of a duck below a tree'];
    expect(line(asked, cat, duck, tree)).toBe(`asked: ${asked}; found: ${asked} ✓`);
    expect(line(asked, cat, { ...duck, y: 44 }, { ...tree, y: 12 })).toBe(`asked: ${asked}; found: ${found} ✗`);
    expect(line(asked, cat, duck)).toBe(`asked: ${asked}; found: a cat and a duck ✗`);
  });

  it('passes no judgement on a prompt that it cannot read', () => {
    expect(line('an astronaut', thing('star', 'purple'))).toBe('found: a purple star');
  });
});
