/** The attempts after memory runs out on a GPU: plans that need less and less, and at last the first plan once more. */
import type { SettingChanges } from './settings/settings.ts';

interface Rung {
  /** Share of the bytes that were needed. */
  readonly share: number;
  readonly weightBits?: 8;
}

const LADDER: readonly Rung[] = [
  { share: 0.75 },
  { share: 0.5 },
  { share: 0.35 },
  { share: 0.5, weightBits: 8 },
  { share: 0.25, weightBits: 8 },
];

/** How to open networks in less memory. */
interface Attempt {
  readonly changes: Pick<SettingChanges, 'budget' | 'weightBits'>;
  /** The beginning of a sentence. */
  readonly sentence: string;
}

export class MemoryLadder {
  /** Bytes that did not fit at first. */
  #needed: number | null = null;
  #next = 0;
  #last: Rung | undefined;
  /** The least bytes for which there is a plan, with the weights as they are and in 8 bits. */
  readonly #least = new Map<Rung['weightBits'], number>();
  #hasOpened = false;
  #isAtEnd = false;

  /** Memory ran out. @param bytes what was needed, where that is known */
  ranOut(bytes: number | null): void {
    this.#needed ??= bytes;
  }

  /** The last attempt has no plan. @param bytes what every such plan needs, where that is known */
  refused(bytes: number | null): void {
    if (bytes !== null) {
      this.#least.set(this.#last?.weightBits, bytes);
    }
  }

  /** The last attempt was opened. */
  opened(): void {
    this.#hasOpened ||= this.#last !== undefined;
  }

  /** Returns the next attempt; null where none is left. */
  next(): Attempt | null {
    if (this.#needed === null) {
      return null;
    }
    while (this.#next < LADDER.length) {
      const rung = LADDER[this.#next++];
      const budget = Math.floor(this.#needed * (rung?.share ?? 0));
      if (rung && budget >= (this.#least.get(rung.weightBits) ?? 0)) {
        this.#last = rung;
        return attemptOf(rung, budget);
      }
    }
    if (this.#hasOpened || this.#isAtEnd) {
      return null;
    }
    this.#isAtEnd = true;
    return {
      changes: {},
      sentence:
        'the GPU has too little memory, and no plan needs less: the networks are opened again as they were, once',
    };
  }
}

function attemptOf({ weightBits }: Rung, budget: number): Attempt {
  const how = weightBits ? ', and large weights are kept in 8 bits' : '';
  return {
    changes: { budget, ...(weightBits ? { weightBits } : {}) },
    sentence: `the GPU has too little memory: the networks are opened again within ${Math.ceil(budget / 2 ** 20)} MiB, where activations are computed again and weights brought in as needed${how}`,
  };
}
