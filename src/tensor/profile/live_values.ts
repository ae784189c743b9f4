/** The memory of a step over time: which value lives when, and which dispatches read it. */
import type { Schedule, SharedValue, Step } from '../schedule/schedule.ts';
import { memorySummary } from '../schedule/summary.ts';
import { at } from '../types.ts';
import type { LiveValue, MemoryRecord } from './profile.ts';

/** Returns the memory of the step stage. Indices are those of `schedule.steps.step`. */
export function memoryRecord(schedule: Schedule): MemoryRecord {
  const { steady, shared } = memorySummary(schedule);
  const steps = schedule.steps.step;
  const values = schedule.shared
    .filter(({ stage }) => stage === 'step')
    .flatMap((value) => liveValue(schedule, steps, value) ?? [])
    .sort((a, b) => a.from - b.from || a.to - b.to);
  return { resident: steady - shared, shared, values };
}

/** Returns null for a value that no dispatch of the stage binds. */
function liveValue({ uploads }: Schedule, steps: readonly Step[], value: SharedValue): LiveValue | null {
  const { buffer, offset, bytes, kind } = value;
  const from = firstFrom(steps, value.from);
  const to = firstFrom(steps, value.to + 1) - 1;
  const users: number[] = [];
  const readers: number[] = [];
  for (let i = from; i <= to; i++) {
    // While it lives, its place in the buffer is its own, so the place tells who binds it.
    const { buffers, offsets, dispatch } = at(steps, i);
    const bound = dispatch.bindings.filter((_, k) => buffers[k] === buffer && offsets[k] === offset);
    if (bound.length > 0) {
      users.push(i);
      if (bound.some(({ access }) => access !== 'write')) {
        readers.push(i);
      }
    }
  }
  if (users[0] === undefined) {
    return null;
  }
  const maker = at(steps, users[0]);
  const upload = uploads.step.find((u) => u.buffer === buffer && u.offset === offset && u.before === from);
  const name = upload?.input ?? maker.dispatch.label;
  return { name, path: maker.node.path, bytes, kind, from, to, readers };
}

/** The index of the first step at `position` or after it; positions grow. */
function firstFrom(steps: readonly Step[], position: number): number {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(steps, middle).position < position) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
