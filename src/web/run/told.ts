/** Puts what the engine tells into the page's state. */
import type { NeededFile } from '../../platform/browser/hub_files.ts';
import { duration } from '../../reno/report/report.ts';
import type { EngineFacts, Outcome, ShownFrame, Studio } from '../state/studio_state.ts';
import { counted } from '../words.ts';
import { placeOf } from './run_length.ts';
import { withPicture } from './second_lane.ts';

/** The status of a run that is paused. */
export const pausedAfter = (iterations: number): string => `Paused after ${counted(iterations, 'iteration')}`;

export function showLoading(studio: Studio, what: string, done: number, total: number): void {
  const status =
    what === 'kernels'
      ? `Timing kernels on this adapter: ${done} of ${total}`
      : done < total
        ? `Loading the models: ${(done / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`
        : 'Preparing the models…';
  if (studio.state.phase === 'loading') {
    studio.change({ status, loading: { done, total } });
  }
}

export function showDownload(studio: Studio, { path, bytes, here }: NeededFile): void {
  studio.change({
    status: `Downloading ${path}: ${(here / 1e6).toFixed(1)} of ${(bytes / 1e6).toFixed(1)} MB`,
    loading: { done: here, total: bytes },
  });
}

/** Shows on what a run computes that needed other networks than those that were open. */
export function showOtherNetworks(studio: Studio, engine: EngineFacts): void {
  const { run } = studio.state;
  const { charted } = engine;
  studio.change({ engine, ...(run?.source === 'live' && run.frames.length === 0 ? { run: { ...run, charted } } : {}) });
}

/** Adds a picture to the run that is on. */
export function showFrame(studio: Studio, frame: ShownFrame, isBest: boolean): void {
  const { run, phase } = studio.state;
  if (!run) {
    return;
  }
  // After a failure the run goes on from its last state, and makes the iterations after it again.
  const before = run.frames.filter(({ iteration }) => iteration < frame.iteration);
  const frames = [...before, frame];
  const again = before.length < run.frames.length;
  const best = isBest ? frames.length - 1 : again ? lowest(frames) : run.best;
  const each = duration(frame.record.seconds / frames.length);
  studio.change({
    run: { ...run, frames, best },
    status: phase === 'paused' ? pausedAfter(frames.length) : `${placeOf(run.settings, frame.record)}, ${each} each`,
  });
}

/** Adds a picture to the lane beside the run. */
export function showLanePicture(studio: Studio, frame: ShownFrame, isBest: boolean): void {
  const { lane } = studio.state;
  if (lane) {
    studio.change({ lane: withPicture(lane, frame, isBest) });
  }
}

/** Shows the end of a run. @param goesOn another one follows at once */
export function showOutcome(studio: Studio, outcome: Outcome, goesOn: boolean): void {
  const { run } = studio.state;
  const { history } = outcome;
  const took = `${counted(history.iterations.length, 'iteration')} in ${duration(history.seconds.iterations)}`;
  studio.change({
    ...(goesOn ? {} : { phase: 'ready' as const }),
    status: history.stopped ? `${took}: ${history.stopped}` : `Done: ${took}`,
    ...(run ? { run: { ...run, best: history.best, outcome } } : {}),
  });
}

/** Position of the lowest loss. */
function lowest(frames: readonly ShownFrame[]): number {
  const losses = frames.map(({ record }) => record.total);
  return losses.indexOf(Math.min(...losses));
}
