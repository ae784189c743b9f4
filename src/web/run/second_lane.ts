/** The lane beside a run: best-of-N, with as many pictures as the run costs. */
import type { RunSettings, SecondLane, ShownFrame } from '../state/studio_state.ts';
import { workOf } from './run_length.ts';

/** The lane before its first picture. */
export function emptyLane(settings: RunSettings): SecondLane {
  return { total: workOf(settings), now: null, best: null, losses: [] };
}

/** The lane with one picture more. After a failure it makes pictures again that are known. */
export function withPicture(lane: SecondLane, frame: ShownFrame, isBest: boolean): SecondLane {
  const losses = [...lane.losses.slice(0, frame.iteration), frame.record.total];
  return { ...lane, now: frame, best: isBest || !lane.best ? frame : lane.best, losses };
}
