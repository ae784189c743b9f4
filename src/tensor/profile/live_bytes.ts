/** The bytes that are live in the shared buffers while each dispatch of a step runs. */
import type { LiveBytes } from '../schedule/summary.ts';
import { at } from '../types.ts';
import type { Profile } from './profile.ts';

/** Returns the live bytes by kind, for each dispatch. */
export function liveBytes({ dispatches, memory }: Pick<Profile, 'dispatches' | 'memory'>): LiveBytes[] {
  const changes = Array.from({ length: dispatches.length + 1 }, () => ({ saved: 0, transient: 0, streamed: 0 }));
  for (const { kind, bytes, from, to } of memory.values) {
    at(changes, from)[kind] += bytes;
    at(changes, to + 1)[kind] -= bytes;
  }
  const live = { saved: 0, transient: 0, streamed: 0 };
  return dispatches.map((_, i) => {
    const { saved, transient, streamed } = at(changes, i);
    live.saved += saved;
    live.transient += transient;
    live.streamed += streamed;
    return { ...live };
  });
}
