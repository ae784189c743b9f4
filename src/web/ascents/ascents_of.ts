/** Finds the ascents among the pictures of a search from many noises. */
import type { ShownFrame } from '../state/studio_state.ts';

/** An ascent from one of the best noises. */
export interface Ascent {
  /** The draw of the seed that it began with. */
  readonly draw: number;
  /** Its pictures, in order. */
  readonly frames: readonly ShownFrame[];
  /** Its first picture, which is the candidate's, and the one with the lowest loss. */
  readonly first: ShownFrame;
  readonly best: ShownFrame;
}

/** Returns the ascents that have begun, in their order. */
export function ascentsOf(frames: readonly ShownFrame[]): Ascent[] {
  const found: Ascent[] = [];
  for (const frame of frames) {
    const { chain, draw = 0, total } = frame.record;
    const before = chain === undefined ? undefined : found[chain];
    if (chain !== undefined) {
      found[chain] = before
        ? { ...before, frames: [...before.frames, frame], best: total < before.best.record.total ? frame : before.best }
        : { draw, frames: [frame], first: frame, best: frame };
    }
  }
  return found;
}
