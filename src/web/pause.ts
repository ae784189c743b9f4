/** A gate that a running loop passes before each iteration, and that a button closes. */
export class Pause {
  #open: Promise<void> = Promise.resolve();
  #release: (() => void) | null = null;

  get paused(): boolean {
    return this.#release !== null;
  }

  /** Resolves at once, or when the gate is opened again. */
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
