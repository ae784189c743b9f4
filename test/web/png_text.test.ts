/** PNG files carry settings, and every other reader still reads them. */
import fc from 'fast-check';
import { decode, encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import type { History } from '../../src/reno/report/history.ts';
import { textOf, withText } from '../../src/web/share/png_text.ts';
import { recipeOf, withRecipe } from '../../src/web/share/recipe.ts';

const pixels = Uint8Array.from({ length: 5 * 4 * 3 }, (_, i) => (i * 37) % 256);
const png = new Uint8Array(encode({ width: 5, height: 4, data: pixels, channels: 3, depth: 8 }));

describe('text in a PNG', () => {
  it('is read back, whatever it says, and leaves the picture as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const with_ = withText(png, 'word', text);
        expect(textOf(with_, 'word')).toBe(new TextDecoder().decode(new TextEncoder().encode(text)));
        expect(textOf(with_, 'other')).toBeNull();
        expect([...decode(with_, { checkCrc: true }).data]).toEqual([...pixels]);
      }),
    );
  });

  it('is null for damaged files and for no PNG', () => {
    const carried = withText(png, 'word', 'text');
    const end = carried.length - png.length + 33; // After the signature (8 bytes), IHDR (25) and the text.
    expect(textOf(carried.subarray(0, end), 'word')).toBe('text');
    for (let length = 0; length < end; length++) {
      expect(textOf(carried.subarray(0, length), 'word')).toBeNull();
    }
    const damaged = carried.slice();
    damaged[50] = (damaged[50] ?? 0) ^ 1;
    expect(textOf(damaged, 'word')).toBeNull();
    expect(() => withText(new Uint8Array(100), 'word', 'text')).toThrow('no PNG');
  });
});

describe('the settings in a picture', () => {
  const history = (config: object): History =>
    ({
      tool: 'reno-webgpu',
      config,
      adapter: { vendor: 'maker', architecture: 'ampere', description: '', f16: true, subgroups: true },
      best: 3,
    }) as unknown as History;

  it('are the prompt, the seed, the iterations and the method, and the adapter is named', () => {
    const carried = withRecipe(png, history({ prompt: 'a “red” car 🚗', seed: 7, nIters: 50, mode: 'reno' }));
    expect(recipeOf('x.png', carried)).toEqual({
      settings: { prompt: 'a “red” car 🚗', seed: 7, iterations: 50, method: 'reno' },
      adapter: 'maker ampere',
    });
  });

  it('are refused in one sentence where they are missing or damaged', () => {
    expect(() => recipeOf('x.png', png)).toThrow('x.png: carries no settings');
    const whole = { prompt: 'a', seed: 1, nIters: 5, mode: 'reno' };
    expect(recipeOf('x.png', withRecipe(png, history(whole))).settings.prompt).toBe('a');
    for (const config of [{}, { ...whole, prompt: ' ' }, { ...whole, seed: -1 }, { ...whole, mode: 'no-optim' }]) {
      expect(() => recipeOf('x.png', withRecipe(png, history(config)))).toThrow('damaged');
    }
    expect(() => recipeOf('x.png', withText(png, 'reno-webgpu', '{'))).toThrow('damaged');
  });
});
