/** The evaluator's decision rule against the Python one that judged it (python/reference/verdict.py), and by hand. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { Config } from '../../../src/models/checkpoint/config.ts';
import { type Detection, detect, judge, type ScenePrompt, verdictConfig } from '../../../src/reno/scene/verdict.ts';

interface Case {
  readonly grid: readonly number[];
  readonly detections: readonly Detection[];
  readonly prompt: ScenePrompt;
  readonly right: boolean;
  readonly reason: string;
}
const fixture = JSON.parse(await readFile(new URL('../../../parity/verdict.json', import.meta.url), 'utf8')) as {
  readonly config: object;
  readonly cases: readonly Case[];
};
const config = verdictConfig(new Config('verdict.json', fixture.config));

describe('verdict', () => {
  it('decides as the Python rule does, ties included', () => {
    for (const { grid, detections, prompt, right, reason } of fixture.cases) {
      const found = detect(grid, config);
      expect(found).toEqual(detections);
      expect(judge(found, prompt, config)).toEqual({ right, reason });
    }
    const outcomes = new Set(fixture.cases.map((c) => c.right));
    expect(outcomes.size).toBe(2);
  });

  const thing = (object: string, colour: string, x = 12, y = 12): Detection => ({ object, colour, x, y, score: 1 });
  const want = (name: string, color: string | null = null, count = 1) => ({ name, color, count });
  const alone = (...objects: ScenePrompt['objects']): ScenePrompt => ({ objects, relation: null });

  it('wants exactly as many objects as asked for', () => {
    const two = [thing('cat', 'red'), thing('cat', 'blue')];
    expect(judge(two, alone(want('cat', null, 2)), config).right).toBe(true);
    expect(judge(two, alone(want('cat')), config).reason).toBe('cat: expected 1, found 2');
    expect(judge([...two, thing('dog', 'red')], alone(want('cat', null, 2)), config).reason).toBe(
      'dog: expected 0, found 1',
    );
    expect(judge([], alone(want('cat')), config).reason).toBe('cat: expected 1, found 0');
  });

  it('does not let one colour stand for another object', () => {
    const swapped = [thing('cat', 'blue'), thing('car', 'red')];
    const prompt = alone(want('cat', 'red'), want('car', 'blue'));
    expect(judge(swapped, prompt, config).reason).toBe('red cat: expected 1, found 0');
    expect(judge([thing('cat', 'red'), thing('car', 'blue')], prompt, config).right).toBe(true);
  });

  it('wants a relation to hold by more than the margin', () => {
    const prompt: ScenePrompt = { objects: [want('cat'), want('car')], relation: { a: 0, rel: 'left of', b: 1 } };
    expect(judge([thing('cat', 'red', 12), thing('car', 'red', 44)], prompt, config).right).toBe(true);
    expect(judge([thing('cat', 'red', 44), thing('car', 'red', 12)], prompt, config).reason).toBe(
      'cat is not left of car',
    );
    expect(judge([thing('cat', 'red', 12), thing('car', 'red', 16)], prompt, config).right).toBe(false);
    expect(judge([thing('cat', 'red', 12, 12), thing('car', 'red', 36, 36)], prompt, config).right).toBe(true);
    expect(judge([thing('cat', 'red', 12, 12), thing('car', 'red', 20, 52)], prompt, config).right).toBe(false);
  });

  it('wants every relation of a chain to hold', () => {
    const prompt: ScenePrompt = {
      objects: [want('cat'), want('car'), want('key')],
      relation: null,
      relations: [
        { a: 0, rel: 'left of', b: 1 },
        { a: 1, rel: 'above', b: 2 },
      ],
    };
    const [cat, car] = [thing('cat', 'red', 12, 12), thing('car', 'red', 44, 12)];
    expect(judge([cat, car, thing('key', 'red', 44, 44)], prompt, config).right).toBe(true);
    expect(judge([cat, thing('car', 'red', 44, 44), thing('key', 'red', 44, 12)], prompt, config).reason).toBe(
      'car is not above key',
    );
  });

  it('says which entry of a config is wrong', () => {
    const broken = new Config('c.json', { ...fixture.config, objects: ['cat'] });
    expect(() => verdictConfig(broken)).toThrow('c.json (output) (channels): class must be a range of 1 channels');
  });
});
