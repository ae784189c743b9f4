/** The methods by which a run looks for a noise: their own defaults, their sizes, and what they cannot do. */
import type { RunConfig } from './history.ts';
import { type MultiStart, multiStartFor, searchLength } from './multi_start_size.ts';
import { REWARD_NAMES } from './rewards/index.ts';
import type { Mode, RenoSettings } from './settings.ts';

/** The parts of a preconditioned run that can be projected: the gradient, the noise after each step, or both. */
export const PROJECTIONS = ['gradient', 'latents', 'both'] as const;

/** Whether a mode follows the gradient of the rewards. */
export function ascends(mode: Mode): boolean {
  return mode === 'reno' || mode === 'multi-start' || mode === 'preconditioned';
}

/** Adam's step, clip and no regulariser: a projected gradient has a fixed norm, so the numbers of SGD do not fit it. */
const PRECONDITIONED = { optim: 'adam', lr: 0.1, gradClip: 0.03, regWeight: 0 } as const;

/**
 * Returns settings in another mode, with the mode's own values of the optimiser where it has them.
 * @param mode the wanted one; undefined: the settings as they are @param project what a preconditioned run projects
 */
export function withMethod(
  settings: RenoSettings,
  mode: Mode | undefined,
  project: RenoSettings['project'] = settings.project,
): RenoSettings {
  if (mode === undefined) {
    return settings;
  }
  return { ...settings, ...(mode === 'preconditioned' && project !== 'latents' ? PRECONDITIONED : {}), mode };
}

/** The settings that decide how many noises a run tries. */
export type SizeSettings = Pick<RenoSettings, 'mode' | 'nIters' | 'candidates' | 'chains' | 'chainSteps'>;

/** Returns the size of a search from many noises: what the settings say, and else what `nIters` iterations cost. */
export function multiStartOf({ nIters, candidates, chains, chainSteps }: SizeSettings): MultiStart {
  const own = multiStartFor(nIters);
  return {
    candidates: candidates ?? Math.max(own.candidates, chains ?? 0),
    chains: chains ?? Math.min(own.chains, candidates ?? own.candidates),
    steps: chainSteps ?? own.steps,
  };
}

/** Returns the number of iterations of a run, each with a picture. */
export function iterationsOf(settings: SizeSettings): number {
  switch (settings.mode) {
    case 'no-optim':
      return 1;
    case 'multi-start':
      return searchLength(multiStartOf(settings));
    default:
      return settings.nIters;
  }
}

/** As `iterationsOf`, for a run that was recorded. */
export function iterationsOfRun({ search, nIters }: Pick<RunConfig, 'search' | 'nIters'>): number {
  return search ? searchLength(search) : nIters;
}

/** Returns the number of draws of the seed that a run uses. */
export function drawsOf(settings: SizeSettings): number {
  switch (settings.mode) {
    case 'imageselect':
    case 'zeroth-order':
      return settings.nIters;
    case 'multi-start':
      return multiStartOf(settings).candidates;
    default:
      return 1;
  }
}

/** Checks that the settings fit the method. @throws RangeError, one sentence */
export function assertMethod(settings: RenoSettings): void {
  const { mode, optim, samples, watch = [], selectBy, rewards } = settings;
  const optimised = REWARD_NAMES.filter((name) => (rewards[name] ?? 0) > 0 && !watch.includes(name));
  if (watch.length > 0 && optimised.length === 0) {
    throw new RangeError('--watch leaves no reward to optimise: name fewer, or give others a weight');
  }
  if (selectBy && ![...optimised, ...watch].includes(selectBy)) {
    throw new RangeError(
      `--select-by ${selectBy}: this reward is neither optimised nor watched; give --watch ${selectBy} too`,
    );
  }
  if (mode === 'multi-start') {
    const { candidates, chains } = multiStartOf(settings);
    if (chains > candidates) {
      throw new RangeError(
        `--chains ${chains} ascends more noises than are judged: give at least --candidates ${chains}, not ${candidates}`,
      );
    }
  }
  if (mode === 'zeroth-order' && samples % 2 === 1) {
    throw new RangeError(`--samples ${samples} is odd: each draw is tried with both signs, so give an even number`);
  }
  if (optim === 'lbfgs' && mode !== 'reno' && ascends(mode)) {
    throw new RangeError(
      `--method ${mode} has no --optim lbfgs, whose line search needs the gradient as it is and one long run: take sgd or adam`,
    );
  }
}
