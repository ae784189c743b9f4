/** Shows the run that the browser keeps when the page opens, and goes on with it when the models are loaded. */
import { type KeptRun, keepsRuns, readKeptRun, shownFromKept } from '../session/kept_run.ts';
import { sameSettings } from '../share/address.ts';
import type { RunSettings, ShownRun, Studio } from '../state/studio_state.ts';
import { counted } from '../words.ts';
import { emptyLane } from './second_lane.ts';
import { pausedAfter } from './told.ts';

export class KeptRuns {
  readonly #studio: Studio;
  readonly #resume: (paused: boolean) => void;
  #keeps = false;
  /** The run that goes on when the models are loaded. */
  #unfinished: KeptRun | null = null;

  /** @param resume tells the engine to go on with the kept run */
  constructor(studio: Studio, resume: (paused: boolean) => void) {
    this.#studio = studio;
    this.#resume = resume;
  }

  /** Whether this tab keeps its runs in the browser. */
  get keeps(): boolean {
    return this.#keeps;
  }

  /** Lets an unfinished run be: another one starts. */
  forget(): void {
    this.#unfinished = null;
  }

  /**
   * Shows the run that the browser keeps, unless the address asks for another one; an unfinished one goes on when the models are
   * loaded and no other tab has it. @param asked settings that the address names
   */
  async restore(asked: RunSettings | null): Promise<void> {
    const alone = keepsRuns();
    const shown = await this.#show(asked, null);
    void alone.then(async (keeps) => {
      this.#keeps = keeps;
      if (!keeps) {
        this.#leaveToOtherTab();
      } else if (shown) {
        // A tab that was closing may have written more meanwhile.
        await this.#show(asked, shown);
        this.goOn();
      }
    });
  }

  /** Goes on after a failure, from the last state that was kept. */
  async again(): Promise<void> {
    const kept = await readKeptRun();
    this.#unfinished = kept && { ...kept, paused: false };
    this.goOn();
  }

  /** Goes on with the run that is kept, where there is one and both the models and the run are this tab's. */
  goOn(): void {
    const kept = this.#unfinished;
    const { phase, run } = this.#studio.state;
    if (!kept || !this.#keeps || phase !== 'ready') {
      return;
    }
    this.#unfinished = null;
    if (run?.source !== 'live') {
      return;
    }
    // The loop knows the iterations up to the state; a picture that was kept after it is made again.
    const frames = run.frames.slice(0, kept.records.length);
    this.#studio.change({
      run: { ...run, frames, outcome: null },
      phase: kept.paused ? 'paused' : 'running',
      status: kept.paused
        ? pausedAfter(frames.length)
        : `The run goes on after ${counted(frames.length, 'iteration')}…`,
      notice: null,
      // The other lane keeps nothing: it draws its noises again, while the run waits.
      lane: kept.lanes ? emptyLane(kept.settings) : null,
    });
    this.#resume(kept.paused);
  }

  /** @param instead the run that may be replaced: none, or what was shown before @returns what is shown now, if it is kept */
  async #show(asked: RunSettings | null, instead: ShownRun | null): Promise<ShownRun | null> {
    const kept = await readKeptRun();
    if (!kept || (asked && !sameSettings(asked, kept.settings))) {
      return null;
    }
    const run = await shownFromKept(kept);
    const { typed, phase, run: now } = this.#studio.state;
    // A run that was started meanwhile stays, and so do words that were typed.
    if (now !== instead || (phase !== 'loading' && phase !== 'ready')) {
      return null;
    }
    this.#unfinished = kept.outcome ? null : kept;
    this.#studio.change({ run, ...(typed ? {} : { settings: run.settings }) });
    return run;
  }

  /** Another tab keeps its runs, so this one shows what it read and computes anew. */
  #leaveToOtherTab(): void {
    if (this.#unfinished) {
      this.#unfinished = null;
      this.#studio.change({ notice: { text: 'This run goes on in another tab. A run that starts here is not kept.' } });
    }
  }
}
