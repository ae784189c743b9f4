/** Memory allocation: values whose liveness intervals do not overlap share the bytes of a few buffers. */
import { append, at } from '../types.ts';

/** A value that needs memory during an interval of the schedule. */
export interface Interval {
  readonly bytes: number;
  /** First and last position at which the value is live. */
  readonly from: number;
  readonly to: number;
}

/** A range of one of the buffers, from byte `offset` on. */
interface Location {
  readonly buffer: number;
  readonly offset: number;
}

/** The result of `allocate`. */
export interface Allocation {
  /** The location of each interval, in the order given. */
  readonly locations: readonly Location[];
  /** The size of each buffer. */
  readonly bufferBytes: readonly number[];
}

/** WebGPU's default minStorageBufferOffsetAlignment; an adapter may allow less, but never requires more. */
const ALIGNMENT = 256;
/** The maxBufferSize that every adapter supports. A larger value gets a buffer of its own, if the adapter can bind it. */
const MAX_SHARED_BUFFER = 2 ** 28;
/** Positions per bucket of a buffer's index; most intervals lie within one bucket. */
const BUCKET = 256;

interface Allocated {
  readonly from: number;
  readonly to: number;
  /** First byte, and the first byte after it. */
  readonly start: number;
  readonly end: number;
}

/** A buffer under construction. */
class SharedBuffer {
  bytes = 0;
  readonly members = new Set<number>();
  /** All that is allocated in it, sorted by `start`; and the same by bucket of positions. */
  readonly #all: Allocated[] = [];
  readonly #buckets = new Map<number, Allocated[]>();

  /** Best fit: returns the first byte of the smallest gap that holds the interval while it is live, or the end. */
  bestFit({ bytes, from, to }: Interval): number {
    const bucket = Math.floor(from / BUCKET);
    const neighbours = bucket === Math.floor(to / BUCKET) ? (this.#buckets.get(bucket) ?? []) : this.#all;
    let end = 0;
    let best = -1;
    let smallest = Number.POSITIVE_INFINITY;
    for (const other of neighbours) {
      if (other.from > to || from > other.to) {
        continue;
      }
      const gap = other.start - end;
      if (gap >= bytes && gap < smallest) {
        best = end;
        smallest = gap;
      }
      end = Math.max(end, other.end);
    }
    return best >= 0 ? best : end;
  }

  add(i: number, { bytes, from, to }: Interval, start: number): void {
    const allocated = { from, to, start, end: start + aligned(bytes) };
    this.members.add(i);
    this.bytes = Math.max(this.bytes, start + bytes);
    insert(this.#all, allocated);
    for (let b = Math.floor(from / BUCKET); b <= Math.floor(to / BUCKET); b++) {
      const bucket = this.#buckets.get(b) ?? [];
      insert(bucket, allocated);
      this.#buckets.set(b, bucket);
    }
  }
}

/** Inserts into a list that is sorted by `start`. */
function insert(list: Allocated[], allocated: Allocated): void {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(list, middle).start <= allocated.start) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  list.splice(low, 0, allocated);
}

/** Rounds up to the next offset at which a binding may begin. */
export const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/**
 * Allocates the largest interval first, each in the buffer that grows least (greedy by size for offset calculation: Pisarchyk &
 * Lee, "Efficient memory management for deep neural net inference", 2020). WebGPU forbids a dispatch that reads and writes one
 * buffer, whatever the offsets; such values conflict and get different buffers.
 * @param conflicts pairs of intervals, by index, that must not lie in one buffer
 */
export function allocate(
  intervals: readonly Interval[],
  conflicts: readonly (readonly [number, number])[],
): Allocation {
  const conflicting = new Map<number, number[]>();
  for (const [a, b] of conflicts) {
    append(conflicting, a, b);
    append(conflicting, b, a);
  }
  const bySize = intervals.map((_, i) => i).sort((a, b) => at(intervals, b).bytes - at(intervals, a).bytes || a - b);
  const buffers: SharedBuffer[] = [];
  const locations = intervals.map((): Location => ({ buffer: -1, offset: 0 }));
  for (const i of bySize) {
    const interval = at(intervals, i);
    let best: Location = { buffer: buffers.length, offset: 0 };
    let least = interval.bytes;
    for (const [index, buffer] of buffers.entries()) {
      if (conflicting.get(i)?.some((other) => buffer.members.has(other))) {
        continue;
      }
      const offset = buffer.bestFit(interval);
      const growth = Math.max(0, offset + interval.bytes - buffer.bytes);
      if (growth < least && (growth === 0 || offset + interval.bytes <= MAX_SHARED_BUFFER)) {
        best = { buffer: index, offset };
        least = growth;
        if (growth === 0) {
          break;
        }
      }
    }
    if (best.buffer === buffers.length) {
      buffers.push(new SharedBuffer());
    }
    at(buffers, best.buffer).add(i, interval, best.offset);
    locations[i] = best;
  }
  return { locations, bufferBytes: buffers.map(({ bytes }) => Math.ceil(bytes / 4) * 4) };
}
