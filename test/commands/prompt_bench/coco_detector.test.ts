/** The COCO detector beside onnxruntime and OpenCV in Python: python/reference/coco_detector.py wrote parity/detector. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { areaResize } from '../../../commands/prompt_bench/detector/area_resize.ts';
import { COCO_NAMES, type CocoBox, cocoBoxes } from '../../../commands/prompt_bench/detector/coco_boxes.ts';
import { detectorInput, openCocoDetector } from '../../../commands/prompt_bench/detector/coco_detector.ts';
import { objectScore } from '../../../commands/prompt_bench/detector/object_score.ts';
import { at } from '../../../src/tensor/types.ts';
import { inProcess } from '../../cli/in_process.ts';

const golden = JSON.parse(readFileSync('parity/detector/coffee.json', 'utf8')) as {
  readonly input: { readonly sample: readonly number[]; readonly every: number };
  /** Cells of the output in which there may be an object, with their 85 numbers. */
  readonly cells: readonly (readonly [cell: number, numbers: readonly number[]])[];
  readonly boxes: readonly (readonly number[])[];
  readonly resize: { readonly from: readonly number[]; readonly to: Readonly<Record<string, readonly number[]>> };
};
const png = readFileSync('parity/detector/coffee.png');

const rows = (boxes: readonly CocoBox[]): number[][] =>
  boxes.map(({ x1, y1, x2, y2, score, name }) => [x1, y1, x2, y2, score, COCO_NAMES.indexOf(name)]);
const assertSame = (boxes: readonly CocoBox[]): void => {
  expect(boxes).toHaveLength(golden.boxes.length);
  for (const [i, row] of rows(boxes).entries()) {
    for (const [j, value] of row.entries()) {
      expect(Math.abs(value - at(at(golden.boxes, i), j)), `box ${i}, number ${j}`).toBeLessThan(1e-4);
    }
  }
};

describe('a picture for the detector', () => {
  it('is resized as OpenCV does, smaller and larger', () => {
    const picture = { width: 7, height: 7, data: Uint8Array.from(golden.resize.from) };
    for (const [size, wanted] of Object.entries(golden.resize.to)) {
      const { data } = areaResize(picture, Number(size), Number(size));
      const worst = Math.max(...wanted.map((value, i) => Math.abs(value - at(data, i))));
      expect(worst, `7 to ${size} pixels`).toBeLessThanOrEqual(1);
    }
  });

  it('is the input that Python has, but for the rounding of single values', () => {
    const input = detectorInput(png);
    const differences = golden.input.sample.map(
      (value, i) => Math.abs(value - at(input, i * golden.input.every)) * 255,
    );
    expect(Math.max(...differences)).toBeLessThan(1.01);
    expect(differences.filter((d) => d > 0.01).length).toBeLessThan(differences.length / 20);
  });
});

describe('boxes', () => {
  it('are those of the same output in Python', () => {
    const output = new Float32Array(85 * 22 * 22);
    for (const [cell, numbers] of golden.cells) {
      for (const [channel, value] of numbers.entries()) {
        output[channel * 22 * 22 + cell] = value;
      }
    }
    assertSame(cocoBoxes(output, 22));
    expect(() => cocoBoxes(output, 20)).toThrow('the detector gave 41140 numbers');
  });

  it('have the names of GenEval, 80 of them', () => {
    expect(new Set(COCO_NAMES).size).toBe(80);
    expect([COCO_NAMES[0], COCO_NAMES[41], COCO_NAMES[79]]).toEqual(['person', 'cup', 'toothbrush']);
  });
});

describe("GenEval's objects", () => {
  const box = (name: string): CocoBox => ({ name, score: 1, x1: 0, y1: 0, x2: 1, y2: 1 });
  const source = JSON.stringify({
    tag: 'counting',
    include: [{ class: 'cup', count: 2 }],
    exclude: [{ class: 'cup', count: 3 }],
    prompt: 'a photo of two cups',
  });

  it('must be there, and not too often', () => {
    const score = (count: number) => objectScore(source, [box('person'), ...Array(count).fill(box('cup'))]);
    expect(score(1)).toEqual({ right: false, reason: 'expected cup>=2, found 1' });
    expect(score(2)).toEqual({ right: true, reason: null });
    expect(score(3)).toEqual({ right: false, reason: 'expected cup<3, found 3' });
  });
});

const WEIGHTS = '../shared/data/weights/FastestDet.onnx';
const isInstalled = (() => {
  try {
    return createRequire(import.meta.url).resolve('onnxruntime-node') !== '';
  } catch {
    return false;
  }
})();

describe('--detector', () => {
  it.runIf(isInstalled && existsSync(WEIGHTS))('finds in the picture what Python finds', async () => {
    const detector = await openCocoDetector(WEIGHTS);
    const boxes = await detector.boxes(png);
    expect(detector.name).toMatch(/^FastestDet\.onnx \(SHA-256 [0-9a-f]{12}\)$/);
    expect(boxes.map(({ name }) => name)).toEqual(golden.boxes.map((row) => COCO_NAMES[at(row, 5)]));
    for (const [i, row] of rows(boxes).entries()) {
      // Single input values differ by one of 255 levels.
      expect(Math.max(...row.map((value, j) => Math.abs(value - at(at(golden.boxes, i), j))))).toBeLessThan(0.02);
    }
    await detector.close();
  });

  it.runIf(!isInstalled)('says which package is missing', async () => {
    await expect(openCocoDetector('FastestDet.onnx')).rejects.toThrow('npm install onnxruntime-node');
  });

  it('is refused for other lists', async () => {
    const { code, stderr } = await inProcess(['bench', 'pocket', '--detector', 'FastestDet.onnx']);
    expect(code).toBe(2);
    expect(stderr.join('\n')).toContain("--detector looks for GenEval's objects, and the list is pocket");
  });
});
