/** A value of several fields that tells its watchers which of them has changed. */

/** Holds the state of the page. Parts of the page watch it and write only into their own elements. */
export class Store<S extends object> {
  #state: Readonly<S>;
  readonly #watchers = new Set<(before: Readonly<S>) => void>();

  constructor(initial: S) {
    this.#state = initial;
  }

  /** The state now. */
  get state(): Readonly<S> {
    return this.#state;
  }

  /** Replaces some fields, then calls the watchers of those that differ. */
  change(patch: Partial<S>): void {
    const before = this.#state;
    this.#state = { ...before, ...patch };
    for (const watcher of this.#watchers) {
      watcher(before);
    }
  }

  /** Calls `listener` at once, and then whenever one of the fields has another value. @returns a function that ends this */
  watch(keys: readonly (keyof S)[], listener: (state: Readonly<S>) => void): () => void {
    const watcher = (before: Readonly<S>): void => {
      if (keys.some((key) => before[key] !== this.#state[key])) {
        listener(this.#state);
      }
    };
    this.#watchers.add(watcher);
    listener(this.#state);
    return () => this.#watchers.delete(watcher);
  }
}
