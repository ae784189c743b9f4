/** A job's result: the contents of its files. */
import type { AdapterRecord } from '../../../src/reno/report/history.ts';
import type { Method } from '../methods.ts';
import type { Job } from './job.ts';

/** A picture of a result. */
export interface PictureResult {
  readonly iteration: number;
  /** Weighted sum of the rewards' losses. */
  readonly total: number;
  /** Loss of each reward before its weight. */
  readonly losses: Readonly<Record<string, number>>;
  /** The independent evaluator's verdict; null: no evaluator looked. */
  readonly right: boolean | null;
  readonly reason: string | null;
}

/** The contents of result.json: equal bytes wherever the job ran on such an adapter. */
export interface JobResult {
  readonly key: string;
  readonly prompt: string;
  readonly index: number;
  readonly listSeed: number;
  readonly noise: Job['noise'];
  readonly iterations: number;
  readonly init: PictureResult;
  readonly best: PictureResult;
  /** The best pictures of shorter runs that this one contains, where the job asks for them. */
  readonly shorter?: readonly { readonly length: number; readonly best: PictureResult }[];
  /** Total loss at each iteration. */
  readonly totals: readonly number[];
  /** score = offset − loss is a reward as its authors report it. */
  readonly offsets: Readonly<Record<string, number>>;
  /** The draws of the seed that a search ascended, from the best candidate on. */
  readonly chains?: readonly number[];
  /** The pictures of some iterations, where the job asks for them. */
  readonly curve?: readonly CurvePoint[];
}

/** A picture on the way of a run, and the one with the lowest loss until there. */
export interface CurvePoint {
  readonly iteration: number;
  readonly total: number;
  /** The independent evaluator's verdict; null: no evaluator looked. */
  readonly right: boolean | null;
  readonly best: { readonly iteration: number; readonly total: number; readonly right: boolean | null };
}

/** The contents of record.json: what differs from one run to the next. */
export interface JobRecord {
  readonly seconds: number;
  readonly host: string;
  readonly finished: string;
  /** Short hash of the sources' commit, with `+` where files had changed; empty outside a checkout, absent in records of older versions. */
  readonly commit?: string;
  readonly adapter: AdapterRecord;
}

/** The file of a method's picture: the job's first one, its best one, or the best one of a shorter run that it contains. */
export function pictureFile({
  picture,
  length,
}: Pick<Method, 'picture' | 'length'>): 'init.png' | 'best.png' | ReturnType<typeof shorterFile> {
  if (picture === 'init') {
    return 'init.png';
  }
  return length === undefined ? 'best.png' : shorterFile(length);
}

/** The file of the best picture of a shorter run. @param length its number of iterations */
export function shorterFile(length: number): `best-${number}.png` {
  return `best-${length}.png`;
}
