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

/** The best pictures of the shorter runs that a job asks for, with their records. */
export function shorterRuns(
  { judged, lengths = [], settings: { selectBy } }: Job,
  { records, frames }: Pick<Generated['trajectory'], 'records' | 'frames'>,
): { length: number; record: IterationRecord; pixels: Float32Array }[] {
  const loss = ({ total, losses }: IterationRecord): number => (selectBy ? (losses[selectBy] ?? total) : total);
  return lengths.map((length) => {
    const record = records.slice(0, length).reduce((a, b) => (loss(b) < loss(a) ? b : a));
    const frame = frames.find(({ iteration }) => iteration === (judged ? record.iteration : length - 1));
    if (!frame) {
      throw new Error(`the picture after ${length} iterations was not kept`);
    }
    return { length, record, pixels: frame.pixels };
  });
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
    const best = records.slice(0, iteration + 1).reduce((a, b) => (b.total < a.total ? b : a));
    points.push({
      iteration,
      total,
      right: await right(iteration),
      best: { iteration: best.iteration, total: best.total, right: await right(best.iteration) },
    });
  }
  return points;
}
