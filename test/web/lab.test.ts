/** The laboratory's arithmetic and files, without a browser. */
import { describe, expect, it } from 'vitest';
import { drawNoise } from '../../src/reno/noise/draw_noise.ts';
import type { History } from '../../src/reno/report/history.ts';
import { makeGif } from '../../src/web/lab/gif.ts';
import { gridOf, heatMap, indexOf } from '../../src/web/lab/heat_map.ts';
import { latentsFile, readLatents } from '../../src/web/lab/latents_file.ts';
import { beside, difference, enlarged, meanDifference } from '../../src/web/lab/pixels.ts';

const rgba = (...greys: number[]): Uint8ClampedArray => Uint8ClampedArray.from(greys.flatMap((g) => [g, g, g, 255]));

describe('pixels', () => {
  it('are repeated by a whole factor', () => {
    expect([...enlarged(Uint8Array.of(1, 2, 3, 4), { height: 2, width: 2 }, 1, 2)]).toEqual([
      1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4,
    ]);
    expect([...enlarged(Uint8Array.of(1, 2, 3, 4), { height: 1, width: 2 }, 2, 1)]).toEqual([1, 2, 3, 4]);
  });

  it('of two pictures lie beside each other at the cut', () => {
    const [first, second, size] = [rgba(1, 1, 1, 1), rgba(2, 2, 2, 2), { height: 1, width: 4 }];
    expect(beside(first, second, size, 0)).toEqual(second);
    expect(beside(first, second, size, 1)).toEqual(first);
    expect(beside(first, second, size, 0.25)).toEqual(rgba(1, 2, 2, 2));
  });

  it('differ by their distance, doubled around grey', () => {
    expect(difference(rgba(10, 10, 10), rgba(10, 20, 0))).toEqual(rgba(128, 148, 108));
    expect(meanDifference(rgba(0, 0), rgba(255, 0))).toBeCloseTo(0.5, 12);
    expect(meanDifference(rgba(9), rgba(9))).toBe(0);
  });
});

describe('a heat map', () => {
  const grid = { channels: 2, height: 1, width: 3 };

  it('is grey at zero, blue below and orange above, up to the limit', () => {
    const values = Float32Array.of(9, 9, 9, -2, 0, 5);
    expect([...heatMap(values, grid, 1, 2)]).toEqual([37, 99, 235, 255, 235, 235, 232, 255, 234, 88, 12, 255]);
    expect(indexOf(grid, 1, 2, 0)).toBe(5);
  });

  it('exists for noise of one picture only', () => {
    expect(gridOf([1, 8, 4, 6])).toEqual({ channels: 8, height: 4, width: 6 });
    expect(gridOf([2, 8, 4, 6])).toBeNull();
    expect(gridOf([1, 64])).toBeNull();
  });
});

describe('a GIF', () => {
  it('holds every picture, enlarged, and plays for ever', async () => {
    const pictures = [rgba(0, 255, 0, 255), rgba(255, 0, 255, 0), rgba(9, 9, 9, 9)];
    const bytes = await makeGif(pictures, { height: 2, width: 2 }, { scale: 3, delay: 80, rest: 900 });
    const text = String.fromCharCode(...bytes);
    expect(text.slice(0, 6)).toBe('GIF89a');
    expect([bytes[6], bytes[8]]).toEqual([6, 6]);
    expect(text).toContain('NETSCAPE2.0');
    const starts = [...bytes.keys()].filter((i) => [0x21, 0xf9, 0x04].every((byte, j) => bytes[i + j] === byte));
    const delays = starts.map((i) => (bytes[i + 4] ?? 0) + 256 * (bytes[i + 5] ?? 0));
    expect(delays).toEqual([90, 8, 90]);
    expect(bytes.at(-1)).toBe(0x3b);
  });
});

describe('the file of latents', () => {
  const shape = [1, 2, 2, 2];
  const config = { prompt: 'a cat', seed: 7, model: 'pocket', noise: { shape, draw: 0, source: 'reno' } };
  const best = drawNoise(shape, 1);

  it('gives back the best noise', async () => {
    const bytes = latentsFile({ config } as unknown as History, best);
    expect(await readLatents('latents.safetensors', bytes, shape)).toEqual(best);
    await expect(readLatents('latents.safetensors', bytes, [1, 4, 2, 2])).rejects.toThrow(
      'latents.safetensors: its best noise has the shape [1, 2, 2, 2], but this model takes noise of the shape [1, 4, 2, 2]',
    );
    await expect(readLatents('x', Uint8Array.of(1, 2, 3), shape)).rejects.toThrow(/^x/);
  });
});
