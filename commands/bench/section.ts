/** What each part of the benchmark takes and returns. */

export interface ResultRow {
  readonly section: string;
  readonly name: string;
  /** Whether what is asked of this row holds; rows without a threshold are true when they were measured. */
  readonly ok: boolean;
  /** What is missing or was not run, and why. */
  readonly notes: readonly string[];
  readonly [figure: string]: unknown;
}

export interface Options {
  /** Turns that each engine takes. */
  readonly rounds: number;
  readonly say: (line: string) => void;
  /** Whether a row of this name is wanted. */
  readonly matches: (name: string) => boolean;
}

export type Section = (options: Options) => Promise<ResultRow[]>;
