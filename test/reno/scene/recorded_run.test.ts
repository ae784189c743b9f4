/** The recording's pictures and examples by hand, and the committed recording as the page needs it. */
import { readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { smallPng } from '../../../commands/record/small_png.ts';
import { decodePng, encodePng } from '../../../src/platform/node/png.ts';
import { facts, type JudgedPicture, measuredExamples } from '../../../src/reno/scene/examples.ts';
import { parseScene, sceneCaption } from '../../../src/reno/scene/grammar.ts';
import { parseRecordedRun, pictureAt, tilePictures } from '../../../src/reno/scene/recorded_run.ts';
import { judge } from '../../../src/reno/scene/verdict.ts';

const row = (id: number, category: string, picture: JudgedPicture['picture'], right: boolean): JudgedPicture => ({
  ...{ prompt: `prompt ${id}`, seed: id, category, picture, right, fault: right ? '' : 'a fault', loss: 1 },
});

describe('examples', () => {
  it('are prompts that begin wrong and end right, a category after the other', () => {
    const rows = [
      [row(0, 'counting', 'first', true), row(0, 'counting', 'best', true)],
      [row(1, 'counting', 'first', false), row(1, 'counting', 'best', true)],
      [row(2, 'counting', 'first', false), row(2, 'counting', 'best', false)],
      [row(3, 'counting', 'first', false), row(3, 'counting', 'best', true)],
      [row(4, 'colors', 'first', false), row(4, 'colors', 'best', true)],
    ].flat();
    expect(measuredExamples(rows).map(({ prompt }) => prompt)).toEqual(['prompt 1', 'prompt 4', 'prompt 3']);
    expect(measuredExamples([...rows, ...rows])).toHaveLength(3);
    expect(measuredExamples([])).toEqual([]);
  });

  it('count what there is to get right', () => {
    const scene = (prompt: string) => parseScene(prompt, { objects: ['cat', 'tree'], colours: ['red'] });
    const counts = ['a cat', 'two cats', 'a red cat', 'a cat left of a tree', 'two red cats and a red tree'].map(
      (prompt) => {
        const parsed = scene(prompt);
        return parsed && facts(parsed);
      },
    );
    expect(counts).toEqual([1, 2, 2, 3, 5]);
  });
});

describe('tiled pictures', () => {
  it('lie where pictureAt says', () => {
    const pictures = [1, 2, 3].map((n) => new Uint8Array(2 * 3).fill(n));
    const whole = tilePictures(pictures, { height: 2, width: 3, columns: 2, channels: 1 });
    expect([whole.width, whole.height]).toEqual([6, 4]);
    expect([...whole.data]).toEqual([1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 0, 0, 0, 3, 3, 3, 0, 0, 0]);
  });
});

describe('the small PNG', () => {
  it('holds the same pixels, in fewer bytes', () => {
    const [width, height] = [40, 30];
    const data = Uint8Array.from(
      { length: width * height * 3 },
      (_, i) => 100 + 50 * Math.sin(i / 90) + ((i * 7919) % 5),
    );
    const small = smallPng({ width, height, data });
    expect(decodePng(small)).toEqual({ width, height, data });
    expect(small.length).toBeLessThan(encodePng({ width, height, data }).length);
  });
});

describe('the committed recording', () => {
  const url = (name: string): URL => new URL(`../../../src/web/recorded/${name}`, import.meta.url);
  const run = parseRecordedRun(readFileSync(url('run.json'), 'utf8'));
  const { history, scene, detections, evaluator } = run;

  it('starts wrong, ends right, and has a picture for each iteration', () => {
    const right = detections.map((found) => judge(found, scene, evaluator).right);
    expect([right[0], right[history.best]]).toEqual([false, true]);
    expect(parseScene(history.config.prompt, evaluator)).toEqual(scene);
    const png = decodePng(readFileSync(url('run.png')));
    const last = pictureAt(run, history.iterations.length - 1);
    expect([png.width, png.height]).toEqual([run.columns * history.image.width, last.y + history.image.height]);
    const lowest = Math.min(...history.iterations.map(({ total }) => total));
    expect(history.iterations[history.best]?.total).toBe(lowest);
  });

  it('is small, and its examples are scenes of the pocket models', () => {
    expect(statSync(url('run.json')).size + statSync(url('run.png')).size).toBeLessThan(300_000);
    expect(run.examples.length).toBeGreaterThanOrEqual(6);
    for (const { prompt } of run.examples) {
      const parsed = parseScene(prompt, evaluator);
      expect(parsed && sceneCaption(parsed)).toBe(prompt);
    }
  });

  it('is refused when it is of another version', () => {
    expect(() => parseRecordedRun('{"format":2}')).toThrow('another version');
  });
});
