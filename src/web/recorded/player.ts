/** Plays the recorded run: the page shows pictures, rewards and verdicts before anything computes, and where nothing can. */
import type { ShownRun, Studio } from '../state/studio_state.ts';

/** Milliseconds that the first picture stays, and each one after it. */
const FIRST = 1600;
const EACH = 150;

export class Player {
  readonly #studio: Studio;
  readonly #whole: ShownRun;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The part that the page shows now; another run in its place ends the play. */
  #part: ShownRun | null = null;

  constructor(studio: Studio, whole: ShownRun) {
    this.#studio = studio;
    this.#whole = whole;
    studio.watch(['run'], ({ run }) => {
      if (run !== this.#part) {
        clearTimeout(this.#timer);
      }
    });
  }

  /** Plays from the first picture. Where the visitor wants little motion, it shows the end at once. */
  play(): void {
    clearTimeout(this.#timer);
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#show(calm ? this.#whole.frames.length : 1);
  }

  #show(count: number): void {
    const { frames, outcome } = this.#whole;
    const shown = frames.slice(0, count);
    const best = shown.reduce((low, { record }, i) => (record.total < (shown[low]?.record.total ?? 0) ? i : low), 0);
    this.#part = { ...this.#whole, frames: shown, best, outcome: count === frames.length ? outcome : null };
    this.#studio.change({ run: this.#part, shown: null });
    if (count < frames.length) {
      this.#timer = setTimeout(() => this.#show(count + 1), count === 1 ? FIRST : EACH);
    }
  }
}
