/** A gate that a running loop passes before each iteration. A button closes and opens it. */
export class Pause {
  #open: Promise<void> = Promise.resolve();
  #release: (() => void) | null = null;

  get paused(): boolean {
    return this.#release !== null;
  }

  /** Resolves at once where the gate is open, else when it opens. */
  pass(): Promise<void> {
    return this.#open;
  }

  close(): void {
    if (!this.#release) {
      this.#open = new Promise((resolve) => {
        this.#release = resolve;
      });
    }
  }

  open(): void {
    this.#release?.();
    this.#release = null;
  }
}
