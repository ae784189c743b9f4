/** The pictures of a run between its first and its last: those of some iterations, and the best ones of shorter runs. */
import type { IterationRecord } from '../../../src/reno/report/history.ts';
import type { Generated, GenerateOptions } from '../../../src/reno/session.ts';
import { at } from '../../../src/tensor/types.ts';
import type { Job } from './job.ts';
import type { CurvePoint } from './job_result.ts';

/** The pictures that the loop keeps for a job: all of them where some are judged, else the best ones of shorter runs. */
export function framesOf({ judged, lengths = [] }: Job): Pick<GenerateOptions, 'wantsFrame'> {
  if (judged) {
    return { wantsFrame: () => true };
  }
  return lengths.length > 0 ? { wantsFrame: (i) => lengths.includes(i + 1) && 'best' } : {};
}

/** The best picture of a shorter run that a job contains, with its record. */
export interface ShorterRun {
  /** Its number of iterations. */
  readonly length: number;
  readonly record: IterationRecord;
  readonly pixels: Float32Array;
}

/** The shorter runs that a job asks for. */
export function shorterRuns(
  { judged, lengths = [], settings: { selectBy } }: Job,
  { records, frames }: Pick<Generated['trajectory'], 'records' | 'frames'>,
): ShorterRun[] {
  const loss = ({ total, losses }: IterationRecord): number => (selectBy ? (losses[selectBy] ?? total) : total);
  return lengths.map((length) => {
    const record = lowest(records.slice(0, length), loss);
    const frame = frames.find(({ iteration }) => iteration === (judged ? record.iteration : length - 1));
    if (!frame) {
      throw new Error(`the picture after ${length} iterations was not kept`);
    }
    return { length, record, pixels: frame.pixels };
  });
}

/** The first record with the lowest loss. */
function lowest(records: readonly IterationRecord[], loss: (record: IterationRecord) => number): IterationRecord {
  return records.reduce((a, b) => (loss(b) < loss(a) ? b : a));
}

/** Judges the pictures of these iterations, and the best ones until there. */
export async function curveOf(
  judged: readonly number[],
  { records, frames }: Pick<Generated['trajectory'], 'records' | 'frames'>,
  isRight: (pixels: Float32Array) => Promise<boolean | null>,
): Promise<CurvePoint[]> {
  const verdicts = new Map<number, boolean | null>();
  const right = async (iteration: number): Promise<boolean | null> => {
    const known = verdicts.get(iteration);
    const verdict = known === undefined ? await isRight(at(frames, iteration).pixels) : known;
    verdicts.set(iteration, verdict);
    return verdict;
  };
  const points: CurvePoint[] = [];
  for (const iteration of judged) {
    const { total } = at(records, iteration);
    const best = lowest(records.slice(0, iteration + 1), (record) => record.total);
    points.push({
      iteration,
      total,
      right: await right(iteration),
      best: { iteration: best.iteration, total: best.total, right: await right(best.iteration) },
    });
  }
  return points;
}
