/** The pictures of an evaluation from which the page's examples are chosen. */
import { expect, it } from 'vitest';
import { judgedPictures } from '../../../commands/record/index.ts';
import { type PocketPrompt, promptSeed } from '../../../src/reno/tasks/tasks.ts';

const prompt: PocketPrompt = { id: 7, category: 'colors', prompt: 'a photo of a red cat', objects: [], relation: null };

it('are the first and the best of ReNO, with the seed of the noise and the fault', () => {
  const row = { index: 7, seed: 2, loss: 5 };
  const found = judgedPictures(
    {
      settings: { nIters: 50 },
      pictures: [
        { ...row, method: 'base', right: false, fault: 'cat: expected 1, found 0' },
        { ...row, method: 'reno-50', right: true, loss: 3 },
        { ...row, method: 'reno-101', right: true },
        { ...row, method: 'best-of-50', right: true },
        { ...row, method: 'base', right: null },
        { ...row, method: 'base', right: true, index: 8 },
      ],
    },
    [prompt],
  );
  const same = { prompt: prompt.prompt, category: 'colors', seed: promptSeed(2, 7) };
  expect(found).toEqual([
    { ...same, picture: 'first', right: false, fault: 'cat: expected 1, found 0', loss: 5 },
    { ...same, picture: 'best', right: true, fault: '', loss: 3 },
  ]);
});
