/** Part `demo`: ReNO on the pocket models: against the losses that PyTorch recorded, then a run whose pictures are written. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openAdapter } from '../../src/cli/adapter.ts';
import { openSafetensors } from '../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { readFloats } from '../../src/models/checkpoint/tensor_file.ts';
import { fileSource, nodeFiles } from '../../src/platform/node/node_files.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { encodePng, toPicture } from '../../src/platform/node/png.ts';
import { runLoop } from '../../src/reno/loop/loop.ts';
import { Reno } from '../../src/reno/session.ts';
import { readSettings } from '../../src/reno/settings/settings.ts';
import { median } from '../../src/tensor/tuning/median.ts';
import { at, sizeOf } from '../../src/tensor/types.ts';
import { iterationTimes } from './iteration_part.ts';
import type { Part, PartRow } from './part.ts';

/** The demo of `npm run demo`. */
const PROMPT = 'a photo of a red tree and a purple heart';
const SEED = 114;
/** Made by python/pocket96/fixtures.py; the npm package does not have it. */
const RECORDED = join(PACKAGE_ROOT, 'parity/pocket_loop');
/** Relative difference of a loss to PyTorch's; steps amplify rounding, so it grows with the iterations. */
const LOSS_BOUND = 1e-3;

export const demoPart: Part = {
  name: 'demo',
  title: 'Does ReNO improve a picture of the pocket models?',
  limit: { full: 60, quick: 90 },
  run: async ({ adapter, quick, out, row }) => {
    const folder = join(PACKAGE_ROOT, 'weights/pocket');
    if (!existsSync(folder)) {
      throw new Error(
        `${folder} is not there: this archive was made without weights, so unpack it in the folder of the repository`,
      );
    }
    const files = nodeFiles(folder);
    using device = await openAdapter(adapter);
    using reno = await Reno.open(device, 'pocket', files, await readSettings(files));
    row({
      name: 'loaded and compiled',
      ok: true,
      shown: `${reno.loadSeconds.toFixed(1)} s`,
      seconds: reno.loadSeconds,
    });
    row(await besidePyTorch(reno, quick ? 3 : 10));
    const iterations = quick ? 4 : 50;
    const { trajectory } = await reno.generate({ prompt: PROMPT, seed: SEED, nIters: iterations });
    const { records, stopped, initImage, bestImage } = trajectory;
    const losses = records.map(({ total }) => total);
    const [first, best] = [at(losses, 0), at(losses, trajectory.best)];
    row({
      name: 'losses',
      ok: stopped === null && losses.length === iterations && losses.every(Number.isFinite),
      shown: stopped ?? `${iterations} finite losses, from ${first.toFixed(4)} to ${best.toFixed(4)}`,
      losses,
    });
    const ms = median(iterationTimes(records).slice(1));
    row({ name: 'an iteration', ok: Number.isFinite(ms), shown: `${ms.toPrecision(3)} ms, the median`, ms });
    const { height, width } = reno.imageSize;
    for (const [name, pixels] of [['demo_init.png', initImage] as const, ['demo_best.png', bestImage] as const]) {
      writeFileSync(join(out, name), encodePng(toPicture(pixels, height, width)));
    }
    const finite = [initImage, bestImage].every((pixels) => pixels.every(Number.isFinite));
    row({
      name: 'pictures',
      ok: finite,
      shown: 'demo_init.png and demo_best.png',
      files: ['demo_init.png', 'demo_best.png'],
    });
    return `${iterations} iterations took the loss from ${first.toFixed(4)} to ${best.toFixed(4)}, ${ms.toPrecision(3)} ms each`;
  },
};

/** Compares the first losses of a run from PyTorch's noise with those that PyTorch recorded. */
async function besidePyTorch(reno: Reno, iterations: number): Promise<PartRow> {
  const name = 'losses beside PyTorch';
  if (!existsSync(`${RECORDED}.safetensors`)) {
    return { name, ok: true, shown: 'not compared: the recorded losses are in the repository and its archives only' };
  }
  const { prompt } = JSON.parse(readFileSync(`${RECORDED}.json`, 'utf8')) as { readonly prompt: string };
  const recorded = await openSafetensors(await fileSource(`${RECORDED}.safetensors`));
  const start = await readFloats(recorded, 'z0');
  if (start.length !== sizeOf(reno.latentShape)) {
    throw new Error(`${RECORDED}.safetensors: z0 is not the noise of the pocket models`);
  }
  const expected = [...(await readFloats(recorded, 'reward_loss'))].slice(0, iterations);
  await reno.setPrompt(prompt);
  const { records } = await runLoop(reno.plan, reno.step, { iterations, noise: (i) => (i === 0 ? start : null) });
  const losses = records.map(({ total }) => total);
  const apart = expected.map((loss, i) => Math.abs((losses[i] ?? Number.NaN) / loss - 1));
  const worst = apart.reduce((most, x) => (x <= most ? most : x), 0);
  const ok = apart.length === iterations && apart.every((x) => x <= LOSS_BOUND);
  return {
    name,
    ok,
    shown: `${iterations} losses within ${worst.toExponential(1)}`,
    bound: LOSS_BOUND,
    losses,
    expected,
  };
}
