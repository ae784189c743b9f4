/** A gate that a running loop passes before each iteration, and a clock that stands still while it is closed. */
export class Pause {
  #open: Promise<void> = Promise.resolve();
  #release: (() => void) | null = null;
  #closedAt = 0;
  #paused = 0;
  /** Those who wait at the gate. */
  #waiting = 0;
  /** Those who may still pass the closed gate, when they come. */
  #passes = 0;

  get paused(): boolean {
    return this.#release !== null;
  }

  /** The time in milliseconds, without that of pauses. */
  now(): number {
    return (this.paused ? this.#closedAt : performance.now()) - this.#paused;
  }

  /** Resolves at once where the gate is open, else when it opens or a step is made. */
  async pass(): Promise<void> {
    if (this.paused && this.#passes > 0) {
      this.#passes -= 1;
    } else if (this.paused) {
      this.#waiting += 1;
      await this.#open;
    }
  }

  close(): void {
    if (!this.#release) {
      this.#closedAt = performance.now();
      this.#open = new Promise((resolve) => {
        this.#release = resolve;
      });
    }
  }

  /** Lets those pass who wait now, or the next who comes; the gate stays closed. */
  step(): void {
    const release = this.#release;
    if (!release) {
      return;
    }
    if (this.#waiting === 0) {
      this.#passes += 1;
      return;
    }
    this.#waiting = 0;
    this.#open = new Promise((resolve) => {
      this.#release = resolve;
    });
    release();
  }

  open(): void {
    if (this.#release) {
      this.#paused += performance.now() - this.#closedAt;
      this.#release();
      this.#release = null;
      this.#waiting = 0;
      this.#passes = 0;
    }
  }
}
