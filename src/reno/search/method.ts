/** The methods by which a run looks for a noise: their own defaults, and their sizes. */
import type { RunConfig } from '../report/history.ts';
import type { RenoSettings } from '../settings/settings.ts';
import { type MultiStart, multiStartFor, searchLength } from './multi_start_size.ts';

/** The parts of a preconditioned run that can be projected: the gradient, the noise after each step, or both. */
export const PROJECTIONS = ['gradient', 'latents', 'both'] as const;

/** The properties of the noise that a regulariser can hold: its norm (ReNO), or its moments and power spectrum (src/reno/noise/gaussianity.ts). */
export const REGULARISERS = ['norm', 'spectrum'] as const;

/** Adam's step, clip and no regulariser: a projected gradient has a fixed norm, so the numbers of SGD do not fit it. */
const PRECONDITIONED = { optim: 'adam', lr: 0.1, gradClip: 0.03, regWeight: 0 } as const;

/** The weight of each regulariser, unless somebody gives another: the first is the reference's. */
const REG_WEIGHTS = { norm: 0.01, spectrum: 1 } as const;

/**
 * Returns settings in another mode and with another regulariser, with the values that these have of their own.
 * @param changes `mode`, `reg` and `project` of them; absent: as in the settings
 */
export function withMethod(
  settings: RenoSettings,
  { mode, reg, project = settings.project }: Partial<RenoSettings>,
): RenoSettings {
  const regWeight = reg && (reg === (settings.reg ?? 'norm') ? settings.regWeight : REG_WEIGHTS[reg]);
  return {
    ...settings,
    ...(mode === 'preconditioned' && project !== 'latents' ? PRECONDITIONED : {}),
    ...(mode && { mode }),
    ...(reg && { regWeight }),
  };
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

/** Returns the number of pictures that a run makes at once; one where it is still to be chosen. */
export const batchOf = ({ batch }: Pick<RenoSettings, 'batch'>): number => (typeof batch === 'number' ? batch : 1);

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
