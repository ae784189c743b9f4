/** Gives turns: several jobs of one kind work together, or one job works alone, in the order in which they ask. */
interface Asked {
  /** The kind of work; null: alone. */
  readonly kind: string | null;
  readonly begin: () => void;
}

export class Turns {
  /** The kind that works now; null: one alone, or nobody. */
  #kind: string | null = null;
  #working = 0;
  readonly #asked: Asked[] = [];

  /** Waits for a turn. @param kind null: alone @returns a function that ends the turn */
  async take(kind: string | null): Promise<() => void> {
    await new Promise<void>((begin) => {
      this.#asked.push({ kind, begin });
      this.#next();
    });
    return () => {
      this.#working -= 1;
      this.#next();
    };
  }

  #next(): void {
    for (let first = this.#asked[0]; first && this.#fits(first); first = this.#asked[0]) {
      this.#asked.shift();
      this.#kind = first.kind;
      this.#working += 1;
      first.begin();
    }
  }

  #fits({ kind }: Asked): boolean {
    return this.#working === 0 || (kind !== null && kind === this.#kind);
  }
}
