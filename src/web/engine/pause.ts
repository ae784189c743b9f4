/** A gate that a running loop passes before each iteration, and a clock that stands still while it is closed. */
export class Pause {
  #open: Promise<void> = Promise.resolve();
  #release: (() => void) | null = null;
  #closedAt = 0;
  #paused = 0;

  get paused(): boolean {
    return this.#release !== null;
  }

  /** The time in milliseconds, without that of pauses. */
  now(): number {
    return (this.paused ? this.#closedAt : performance.now()) - this.#paused;
  }

  /** Resolves at once where the gate is open, else when it opens. */
  pass(): Promise<void> {
    return this.#open;
  }

  close(): void {
    if (!this.#release) {
      this.#closedAt = performance.now();
      this.#open = new Promise((resolve) => {
        this.#release = resolve;
      });
    }
  }

  /** Lets those pass who wait now, and stays closed. */
  step(): void {
    const release = this.#release;
    if (release) {
      this.#open = new Promise((resolve) => {
        this.#release = resolve;
      });
      release();
    }
  }

  open(): void {
    if (this.#release) {
      this.#paused += performance.now() - this.#closedAt;
      this.#release();
      this.#release = null;
    }
  }
}
