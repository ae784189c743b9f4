/** The frame that is looked at: the chosen one, or the newest. */
import type { ShownFrame, StudioState } from './studio_state.ts';

export function shownFrame({ run, shown }: Pick<StudioState, 'run' | 'shown'>): ShownFrame | undefined {
  return run?.frames.find(({ iteration }) => iteration === shown) ?? run?.frames.at(-1);
}
