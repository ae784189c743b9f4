/**
 * Best-of-N beside a run of another method. It has a device of its own, so that each search outlives a failure by itself; the pace holds both
 * at the same work.
 */
import type { IterationRecord } from '../../reno/report/history.ts';
import type { SteadyReno } from '../../reno/steady_reno.ts';
import { workOf } from '../run/run_length.ts';
import type { RunSettings } from '../state/studio_state.ts';
import { BEST_OF_N, type Pace, RENO } from './pace.ts';
import type { Pause } from './pause.ts';

/** How a search runs beside another. */
interface BestOfNOptions {
  readonly signal: AbortSignal;
  readonly pause: Pause;
  readonly pace: Pace;
  /** Takes each picture: [H,W,3] in [0,1]. */
  readonly onPicture: (pixels: Float32Array, record: IterationRecord, isBest: boolean) => void;
  /** Called when the search has failed; the run goes on alone. */
  readonly onFailure: (error: unknown) => void;
}

export class BestOfN implements Disposable {
  readonly #open: () => Promise<SteadyReno>;
  #steady: SteadyReno | null = null;

  /** @param open opens networks of the mode `imageselect`; called with the first run */
  constructor(open: () => Promise<SteadyReno>) {
    this.#open = open;
  }

  /** Opens the networks, and begins to try noises. @returns a promise of the search's end, which never fails */
  async begin(settings: RunSettings, options: BestOfNOptions): Promise<{ readonly ended: Promise<void> }> {
    const failed = (error: unknown): void => {
      this[Symbol.dispose]();
      options.onFailure(error);
    };
    try {
      this.#steady ??= await this.#open();
      return { ended: this.#run(this.#steady, settings, options).catch(failed) };
    } catch (error) {
      options.pace.end(BEST_OF_N);
      failed(error);
      return { ended: Promise.resolve() };
    }
  }

  /** Tries as many noises as the run's iterations cost. The first one is the run's own. */
  async #run(
    steady: SteadyReno,
    settings: RunSettings,
    { signal, pause, pace, onPicture }: BestOfNOptions,
  ): Promise<void> {
    try {
      await steady.generate({
        prompt: settings.prompt,
        seed: settings.seed,
        nIters: workOf(settings),
        signal,
        beforeIteration: async (tried) => {
          await pace.pass(BEST_OF_N, tried);
          if (pace.ended(RENO)) {
            await pause.pass(); // Until then the run that waits holds this search too.
          }
        },
        wantsFrame: () => true,
        onFrame: ({ pixels }, record, isBest) => onPicture(pixels, record, isBest),
      });
    } finally {
      pace.end(BEST_OF_N);
    }
  }

  [Symbol.dispose](): void {
    this.#steady?.[Symbol.dispose]();
    this.#steady = null;
  }
}
