/** Decides after which iterations the state of a run is saved. */

/** Shortest time from one state to the next, in milliseconds. */
const SHORTEST = 5000;
/** A state that takes t seconds to save is saved when this many times t have passed since the last one: less than 2 % of the time. */
const COSTS = 60;

export class SavingTimes {
  readonly #now: () => number;
  readonly #every: number | undefined;
  #last: number;
  #cost = 0;

  /** @param every iterations from one state to the next; undefined: by time */
  constructor(now: () => number, every: number | undefined) {
    this.#now = now;
    this.#every = every;
    this.#last = now();
  }

  /** Whether the state after this many iterations is to be saved. */
  isDue(iterations: number): boolean {
    if (this.#every !== undefined) {
      return iterations % this.#every === 0;
    }
    const isDue = this.#now() - this.#last >= Math.max(SHORTEST, COSTS * this.#cost);
    if (isDue) {
      this.#last = this.#now();
    }
    return isDue;
  }

  /** Runs `save` and remembers what it costs. */
  async measured(save: () => Promise<void> | void): Promise<void> {
    const start = this.#now();
    await save();
    this.#last = this.#now();
    this.#cost = this.#last - start;
  }
}
