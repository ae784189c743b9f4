/** The frame that is looked at: the chosen one, or the newest. */
import type { ShownFrame, StudioState } from '../state/studio_state.ts';

export function shownFrame({ run, shown }: StudioState): ShownFrame | undefined {
  return run?.frames.find(({ iteration }) => iteration === shown) ?? run?.frames.at(-1);
}
