/** The form of a part of `reno selftest`, and of its result. */
import type { AdapterChoice } from '../../src/platform/node/open_device.ts';

/** One measurement or comparison. Further figures stand beside these in selftest.json. */
export interface PartRow {
  readonly name: string;
  readonly ok: boolean;
  /** The result in words, for people. */
  readonly shown: string;
  readonly [figure: string]: unknown;
}

/** The circumstances in which a part runs, and the function that it gives its results to. */
export interface PartContext {
  /** Small variants of everything: for software drivers, and to try the command. */
  readonly quick: boolean;
  /** The folder of the result. */
  readonly out: string;
  readonly adapter: AdapterChoice;
  /** The time in which the part should end by itself, in seconds from its start. */
  readonly seconds: number;
  /** Reports a row as soon as it is there: rows stay if the part is ended from outside. */
  readonly row: (row: PartRow) => void;
}

export interface Part {
  readonly name: string;
  /** The question that the part answers, in plain words. */
  readonly title: string;
  /** The time after which the part is ended from outside, in seconds. */
  readonly limit: { readonly full: number; readonly quick: number };
  /** Its small variant is that of another part, so `--quick` leaves it out. */
  readonly fullOnly?: boolean;
  /** @returns one sentence that sums the part up @throws Error, one sentence, where it cannot be done */
  readonly run: (context: PartContext) => Promise<string>;
}

/**
 * `held`: the part ran to its end and all rows are right. `failed`: a row is wrong, or an error ended the part. `cut`: it was
 * ended at its time limit.
 */
export type PartState = 'held' | 'failed' | 'cut';

export interface PartResult {
  readonly part: string;
  readonly title: string;
  readonly state: PartState;
  /** One sentence: what was found, or the reason why the part did not end. */
  readonly sentence: string;
  readonly seconds: number;
  readonly limit: number;
  readonly rows: readonly PartRow[];
}
