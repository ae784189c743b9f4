/** The options and the rows of each part of the benchmark. */

export interface ResultRow {
  readonly section: string;
  readonly name: string;
  /** Whether what is asked of this row holds; rows without a threshold are true when they were measured. */
  readonly ok: boolean;
  /** Reasons for what is missing, was not run or falls short. */
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
