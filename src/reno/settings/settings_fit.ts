/** Refuses settings that do not fit each other. Bundles load it when a run is traced, so it imports types alone. */
import type { MultiStart } from '../search/multi_start_size.ts';
import type { RenoSettings } from './settings.ts';

/** Checks that the settings fit the method. @param search the size of a search from many noises @throws RangeError, one sentence */
export function assertMethodFits(settings: RenoSettings, { candidates, chains }: MultiStart): void {
  const { mode, optim, reg, samples, watch = [], selectBy, rewards } = settings;
  const isWatched = (name: string): boolean => watch.some((watched) => watched === name);
  const optimised = Object.entries(rewards).flatMap(([name, weight]) => (weight && !isWatched(name) ? [name] : []));
  if (watch.length > 0 && optimised.length === 0) {
    throw new RangeError('--watch leaves no reward to optimise: name fewer, or give others a weight');
  }
  if (selectBy && !optimised.includes(selectBy) && !isWatched(selectBy)) {
    throw new RangeError(
      `--select-by ${selectBy}: this reward is neither optimised nor watched; give --watch ${selectBy} too`,
    );
  }
  if (mode === 'multi-start' && chains > candidates) {
    throw new RangeError(
      `--chains ${chains} ascends more noises than are judged: give at least --candidates ${chains}, not ${candidates}`,
    );
  }
  if (mode === 'zeroth-order' && samples % 2 === 1) {
    throw new RangeError(`--samples ${samples} is odd: each draw is tried with both signs, so give an even number`);
  }
  if (optim === 'lbfgs' && reg === 'spectrum' && mode === 'reno') {
    throw new RangeError(
      '--reg spectrum has another order of the noise in each iteration, and --optim lbfgs compares the losses of several: take sgd or adam, or --reg norm',
    );
  }
  if (optim === 'lbfgs' && (mode === 'multi-start' || mode === 'preconditioned')) {
    throw new RangeError(
      `--method ${mode} has no --optim lbfgs, whose line search needs the gradient as it is and one long run: take sgd or adam`,
    );
  }
}

/** Checks that there is f16 storage for modules to be raised from. @throws Error, one sentence */
export function assertStorageFits({ dtype, f32Modules }: Pick<RenoSettings, 'dtype' | 'f32Modules'>): void {
  if (f32Modules && dtype === 'f32') {
    throw new Error('all activations are stored as f32 already: leave --f32-modules out, or take --dtype f16');
  }
}

/** Checks that networks can be opened for this number of pictures. @param levers whether the run has levers @throws RangeError, one sentence */
export function assertBatchFits({ batch = 1, reg }: RenoSettings, levers: boolean): void {
  if (batch === 'auto') {
    throw new RangeError(
      '"batch": "auto" must be a number before networks are opened: reno bench and reno plan choose it',
    );
  }
  if (batch > 1 && reg === 'spectrum') {
    throw new RangeError('--reg spectrum looks at one noise at a time: leave --batch out, or take --reg norm');
  }
  if (batch > 1 && levers) {
    throw new RangeError('levers move one run: open networks with levers for one picture at a time');
  }
}
