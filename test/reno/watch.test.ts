/** A front end watches a run while it goes on, and pauses it. */
import { expect, it, vi } from 'vitest';
import { mean, reshape, sigmoid, square } from '../../src/kernels/index.ts';
import { runLoop } from '../../src/reno/loop/loop.ts';
import { buildStep, type StepGraph } from '../../src/reno/loop/step_graph.ts';
import { optimisedNoise } from '../../src/reno/search/image_select.ts';
import { Graph } from '../../src/tensor/graph.ts';
import { at } from '../../src/tensor/types.ts';
import { Pause } from '../../src/web/engine/pause.ts';
import { InterpretedPlan } from './interpreted.ts';

const SHAPE = [1, 3, 2, 2];

/** Noise → "picture" of 2×2 pixels; the reward likes it black. */
function toyStep(): StepGraph {
  const latents = new Graph().input('latents', SHAPE, 'step');
  const image = reshape(sigmoid(latents), [1, 2, 2, 3]);
  const rewards = [{ name: 'HPS', weight: 1, loss: mean(square(image)) }];
  const optimizer = { name: 'sgd' as const, lr: 1 };
  return buildStep({ latents, image, rewards }, { kind: 'optimise', optimizer, gradClip: 0.1, regWeight: 0 });
}

it('shows the picture that belongs to each record, in order', async () => {
  const step = toyStep();
  const seen: { iteration: number; loss: number }[] = [];
  const { records, frames, best } = await runLoop(new InterpretedPlan(step), step, {
    iterations: 6,
    noise: optimisedNoise(SHAPE, 1),
    wantsFrame: (iteration) => iteration % 2 === 0,
    onFrame: ({ iteration, pixels }, record) => {
      expect(record.iteration).toBe(iteration);
      seen.push({ iteration, loss: pixels.reduce((sum, v) => sum + v * v, 0) / pixels.length });
    },
  });
  expect(seen.map((s) => s.iteration)).toEqual([0, 2, 4]);
  for (const { iteration, loss } of seen) {
    expect(loss).toBeCloseTo(at(records, iteration).total, 6);
  }
  expect(frames.map((f) => f.iteration)).toEqual([0, 2, 4]);
  expect(best).toBe(5);
});

it('holds while it is paused, goes on after it, and can be stopped from the pause', async () => {
  const step = toyStep();
  const pause = new Pause();
  const abort = new AbortController();
  let queued = 0;
  const run = runLoop(new InterpretedPlan(step), step, {
    iterations: 1000,
    noise: optimisedNoise(SHAPE, 1),
    beforeIteration: async (iteration) => {
      if (iteration === 3 || iteration === 6) {
        pause.close();
      }
      await pause.pass();
      queued = iteration + 1;
    },
    signal: abort.signal,
  });
  const held = (iteration: number): Promise<void> =>
    vi.waitFor(() => expect([queued, pause.paused]).toEqual([iteration, true]), 10_000);
  await held(3);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(queued).toBe(3);
  pause.open();
  await held(6);
  abort.abort();
  pause.open();
  const { records, stopped } = await run;
  expect(records.length).toBe(6);
  expect(stopped).toContain('interrupted before iteration 6');
});
