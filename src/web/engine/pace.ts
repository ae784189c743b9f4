/** Keeps two searches abreast: neither begins more work while the other is behind. */

/** The two searches. */
export const RENO = 0;
export const BEST_OF_N = 1;
type Search = typeof RENO | typeof BEST_OF_N;

/** Forward passes that a search may be ahead: an iteration of ReNO counts two, and two of them are always on the way. */
const AHEAD = 4;

export class Pace {
  /** Forward passes that each search has begun. */
  readonly #begun: [number, number] = [0, 0];
  #wake: () => void = () => {};
  #changed = this.#next();

  /** Waits until the other search is near. @param begun the forward passes of this search before the next piece of work */
  async pass(search: Search, begun: number): Promise<void> {
    this.#set(search, begun);
    const other = search === RENO ? BEST_OF_N : RENO;
    while (begun > this.#begun[other] + AHEAD) {
      await this.#changed;
    }
  }

  /** Ends a search: the other one need not wait any more. */
  end(search: Search): void {
    this.#set(search, Number.POSITIVE_INFINITY);
  }

  ended(search: Search): boolean {
    return this.#begun[search] === Number.POSITIVE_INFINITY;
  }

  #set(search: Search, begun: number): void {
    this.#begun[search] = begun;
    this.#wake();
    this.#changed = this.#next();
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
