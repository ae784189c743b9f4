/** The methods of the page: how long their runs are, what they cost, how they are linked to, and the ascents of many noises. */
import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import type { History } from '../../src/reno/report/history.ts';
import { iterationsOf } from '../../src/reno/search/method.ts';
import { METHOD_NAMES, METHODS } from '../../src/reno/search/method_names.ts';
import { forwardPasses, multiStartFor, searchCost } from '../../src/reno/search/multi_start_size.ts';
import { ascentsOf } from '../../src/web/ascents/ascents_of.ts';
import { lengthOf, lengthWords, placeOf, workBefore, workOf } from '../../src/web/run/run_length.ts';
import { settingsOf, withSettingsIn } from '../../src/web/share/address.ts';
import { withText } from '../../src/web/share/png_text.ts';
import { recipeOf, withRecipe } from '../../src/web/share/recipe.ts';
import { type ShownFrame, withMethodOf } from '../../src/web/state/studio_state.ts';

const PNG = new Uint8Array(encode({ width: 1, height: 1, data: new Uint8Array(3), channels: 3, depth: 8 }));
const SETTINGS = { prompt: 'a cat', seed: 3, iterations: 50, method: 'reno' } as const;

describe.each(METHOD_NAMES)('%s', (method) => {
  it.each([1, 2, 7, 50, 500])('makes as many pictures of %i iterations as the engine', (iterations) => {
    expect(lengthOf({ method, iterations })).toBe(iterationsOf({ mode: METHODS[method], nIters: iterations }));
  });

  it('stands in the address and in the picture, and comes back', () => {
    const address = new URL(withSettingsIn('https://host/?method=zeroth-order', { ...SETTINGS, method }));
    expect(address.searchParams.get('method')).toBe(method === 'reno' ? null : method);
    expect(settingsOf(address.searchParams, SETTINGS)).toEqual({ ...SETTINGS, method });
    const config = { prompt: 'a cat', seed: 3, nIters: 50, mode: METHODS[method] };
    const png = withRecipe(PNG, { config, adapter: {}, tool: 'x', best: 0 } as unknown as History);
    expect(recipeOf('x.png', png).settings).toEqual({ ...SETTINGS, method });
  });
});

it('a wrong method in an address is passed over, and one in a picture is refused', () => {
  expect(settingsOf(new URLSearchParams('method=gradient'), SETTINGS).method).toBe('reno');
  const text = JSON.stringify({ config: { prompt: 'a cat', seed: 3, nIters: 50, mode: 'no-optim' }, adapter: {} });
  expect(() => recipeOf('x.png', withText(PNG, 'reno-webgpu', text))).toThrow('x.png: the settings that it carries');
});

it('settings that were kept before there were methods are those of ReNO', () => {
  expect(withMethodOf({ prompt: 'a cat', seed: 3, iterations: 50 })).toEqual(SETTINGS);
});

describe('the work of a run in pictures', () => {
  it('is that of its method', () => {
    expect(workOf(SETTINGS)).toBe(forwardPasses(50));
    expect(workOf({ ...SETTINGS, method: 'best-of-n' })).toBe(50);
    const many = { ...SETTINGS, method: 'multi-start' } as const;
    for (const iterations of [1, 5, 8, 50, 123]) {
      expect(workOf({ ...many, iterations })).toBe(searchCost(multiStartFor(iterations)));
    }
    // 40 noises; the first ascent has 10 pictures, of which the last needs no gradient.
    expect([39, 40, 41, 49, 50, 51].map((i) => workBefore(many, i))).toEqual([39, 40, 42, 58, 59, 61]);
    expect([0, 1, 40, 41, 50].map((count) => workOf(many, count))).toEqual([0, 1, 40, 41, 59]);
  });

  it('is said in words', () => {
    expect(lengthWords({ ...SETTINGS, method: 'multi-start' })).toBe('40 noises, then 3 ascents of 10 iterations');
    expect(lengthWords({ ...SETTINGS, iterations: 1 })).toBe('1 iteration');
    const many = { method: 'multi-start', iterations: 50 } as const;
    expect(placeOf(many, { iteration: 39 })).toBe('Noise 40 of 40');
    expect(placeOf(many, { iteration: 52, chain: 1 })).toBe('Ascent 2 of 3, step 3 of 10');
    expect(placeOf({ method: 'zeroth-order', iterations: 9 }, { iteration: 0 })).toBe('Noise 1 of 9');
    expect(placeOf(SETTINGS, { iteration: 2 })).toBe('Iteration 3 of 50');
  });
});

it('ascents are found among the pictures, each with its first and its best one', () => {
  const frame = (iteration: number, total: number, draw: number, chain?: number): ShownFrame =>
    ({ iteration, record: { total, draw, ...(chain === undefined ? {} : { chain }) } }) as unknown as ShownFrame;
  const frames = [
    frame(0, 5, 0),
    frame(1, 4, 1),
    frame(2, 4, 1, 0),
    frame(3, 2, 1, 0),
    frame(4, 3, 1, 0),
    frame(5, 5, 0, 1),
  ];
  expect(ascentsOf(frames)).toMatchObject([
    { draw: 1, first: { iteration: 2 }, best: { iteration: 3 }, frames: [{}, {}, {}] },
    { draw: 0, first: { iteration: 5 }, best: { iteration: 5 } },
  ]);
  expect(ascentsOf(frames.slice(0, 2))).toEqual([]);
});
