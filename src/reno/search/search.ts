/** The search of a run: the noise of each iteration by the mode of the settings. */
import { shapeOfOne } from '../loop/each_picture.ts';
import type { LoopOptions, Search, StepRunner } from '../loop/loop.ts';
import type { StepGraph } from '../loop/step_graph.ts';
import { drawNoise, noiseDraws } from '../noise/draw_noise.ts';
import type { GenerateOptions } from '../session.ts';
import type { RenoSettings } from '../settings/settings.ts';
import { freshNoise, optimisedNoise } from './image_select.ts';
import { iterationsOf, multiStartOf } from './method.ts';

/** The networks that a search runs on. */
interface Searched {
  readonly runner: StepRunner;
  readonly step: StepGraph;
  readonly settings: RenoSettings;
}

/** Returns the search of a run. @throws Error, one sentence, where the method takes no noise from outside */
export async function searchOf(
  searched: Searched,
  options: GenerateOptions,
): Promise<Search & Pick<LoopOptions, 'keepsGradients'>> {
  const search = await searchBy(searched, options);
  if (searched.settings.reg !== 'spectrum') {
    return search;
  }
  const { reordered } = await import('../noise/gaussianity.ts'); // Few runs need it, so bundles load it then.
  return reordered(search, searched.runner, searched.step.latents.shape, options.seed);
}

/** Returns the search by the mode of the settings. */
async function searchBy(
  { runner, step, settings }: Searched,
  { seed, draw = 0, resume, latents, push }: GenerateOptions,
): Promise<Search & Pick<LoopOptions, 'keepsGradients'>> {
  const { mode, optim, noise, lr, regWeight, samples, radius } = settings;
  const shape = shapeOfOne(step.latents);
  const iterations = iterationsOf(settings);
  if ((mode === 'multi-start' || mode === 'zeroth-order') && (latents || push)) {
    throw new Error(`--method ${mode} begins with draws of the seed: give no noise, or take --method reno`);
  }
  if (mode === 'zeroth-order') {
    const { zerothOrder } = await import('./zeroth_order.ts'); // Few runs need it, so bundles load it then.
    return zerothOrder({ iterations, samples, radius }, noiseDraws(shape, seed, noise), draw);
  }
  if (mode === 'multi-start') {
    const { multiStart } = await import('./multi_start.ts'); // As above.
    return multiStart(multiStartOf(settings), noiseDraws(shape, seed, noise), draw);
  }
  if (mode === 'reno' && optim === 'lbfgs') {
    const start = drawNoise(shape, seed, draw, noise);
    const { lbfgsNoise } = await import('../optimizers/lbfgs_noise.ts'); // As above.
    const search = lbfgsNoise(runner, step, { start, lr, regWeight, ...(resume ? { past: resume } : {}) });
    return { iterations, noise: search, keepsGradients: true };
  }
  const source = mode === 'imageselect' ? freshNoise : optimisedNoise;
  const drawn = source(shape, seed, noise, draw);
  if (!latents && !push) {
    return { iterations, noise: drawn };
  }
  const now = (): Promise<Float32Array> => runner.read(step.latents.node.name ?? '');
  const given: Search['noise'] = async (i, past) =>
    i === 0 ? (latents ?? drawn(0, past)) : (push?.(i, now) ?? drawn(i, past));
  return { iterations, noise: given };
}
