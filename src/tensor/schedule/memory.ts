/** Where in memory the values of a plan lie: few buffers, shared by liveness over all stages together. */
import { at } from '../types.ts';

export interface Interval {
  /** Bytes needed. */
  readonly bytes: number;
  /** First and last position in the schedule at which the value must be there, inclusive. */
  readonly from: number;
  readonly to: number;
}

export interface Places {
  /** Buffer and first byte of each interval, in the order given. */
  readonly of: readonly { readonly buffer: number; readonly offset: number }[];
  /** Bytes of each buffer. */
  readonly bytes: readonly number[];
}

/** minStorageBufferOffsetAlignment may be smaller, never larger (WebGPU's default limit). */
const ALIGNMENT = 256;
/** What every adapter allows as the size of a buffer. A value may be larger, if the adapter binds it; then it is alone. */
const LARGEST = 2 ** 28;
/** Positions that share a list in a buffer's index: most values live within one. */
const BUCKET = 256;

interface Placed {
  readonly from: number;
  readonly to: number;
  readonly start: number;
  readonly end: number;
}

class Arena {
  bytes = 0;
  readonly members = new Set<number>();
  /** All of it, and what lives in each bucket of positions, by `start`. */
  readonly #all: Placed[] = [];
  readonly #index = new Map<number, Placed[]>();

  /** The first byte of the narrowest gap that an interval fits into while it lives; the end where there is none. */
  place({ bytes, from, to }: Interval): number {
    const bucket = Math.floor(from / BUCKET);
    const near = bucket === Math.floor(to / BUCKET) ? (this.#index.get(bucket) ?? []) : this.#all;
    let end = 0;
    let best = -1;
    let narrowest = Number.POSITIVE_INFINITY;
    for (const placed of near) {
      if (placed.from > to || from > placed.to) {
        continue;
      }
      const gap = placed.start - end;
      if (gap >= bytes && gap < narrowest) {
        best = end;
        narrowest = gap;
      }
      end = Math.max(end, placed.end);
    }
    return best >= 0 ? best : end;
  }

  add(i: number, { bytes, from, to }: Interval, start: number): void {
    const placed = { from, to, start, end: start + aligned(bytes) };
    this.members.add(i);
    this.bytes = Math.max(this.bytes, start + bytes);
    insert(this.#all, placed);
    for (let b = Math.floor(from / BUCKET); b <= Math.floor(to / BUCKET); b++) {
      const list = this.#index.get(b) ?? [];
      insert(list, placed);
      this.#index.set(b, list);
    }
  }
}

function insert(list: Placed[], placed: Placed): void {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(list, middle).start <= placed.start) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  list.splice(low, 0, placed);
}

/** The next place that can be bound. */
export const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/**
 * The largest first, each where it makes a buffer grow least (Pisarchyk & Lee, "Efficient memory management for deep neural
 * net inference", 2020: greedy by size for offset calculation). WebGPU forbids reading and writing one buffer in one
 * dispatch whatever the offsets, so what one dispatch reads and writes lies in different buffers.
 * @param apart pairs of intervals that must not lie in one buffer
 */
export function assignPlaces(intervals: readonly Interval[], apart: readonly (readonly [number, number])[]): Places {
  const enemies = new Map<number, number[]>();
  for (const [a, b] of apart) {
    enemies.set(a, [...(enemies.get(a) ?? []), b]);
    enemies.set(b, [...(enemies.get(b) ?? []), a]);
  }
  const order = intervals.map((_, i) => i).sort((a, b) => at(intervals, b).bytes - at(intervals, a).bytes || a - b);
  const arenas: Arena[] = [];
  const of = intervals.map(() => ({ buffer: -1, offset: 0 }));
  for (const i of order) {
    const interval = at(intervals, i);
    let best = { buffer: arenas.length, offset: 0 };
    let least = interval.bytes;
    for (const [buffer, arena] of arenas.entries()) {
      if (enemies.get(i)?.some((enemy) => arena.members.has(enemy))) {
        continue;
      }
      const offset = arena.place(interval);
      const growth = Math.max(0, offset + interval.bytes - arena.bytes);
      if (growth < least && (growth === 0 || offset + interval.bytes <= LARGEST)) {
        best = { buffer, offset };
        least = growth;
        if (growth === 0) {
          break;
        }
      }
    }
    if (best.buffer === arenas.length) {
      arenas.push(new Arena());
    }
    at(arenas, best.buffer).add(i, interval, best.offset);
    of[i] = best;
  }
  return { of, bytes: arenas.map((arena) => Math.ceil(arena.bytes / 4) * 4) };
}
