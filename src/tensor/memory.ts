/** Which tensors share a buffer: whole-buffer slots by liveness, over all stages together. */
import { at } from './types.ts';

export interface Interval {
  /** Bytes needed. */
  readonly bytes: number;
  /** First and last position in the schedule at which the value must be there, inclusive. */
  readonly from: number;
  readonly to: number;
}

export interface Slots {
  /** Slot of each interval, in the order given. */
  readonly slotOf: readonly number[];
  /** Bytes of each slot. */
  readonly bytes: readonly number[];
}

/**
 * The largest first, each into the first slot that is free for as long as it lives, so that a slot never grows (Pisarchyk
 * & Lee, "Efficient memory management for deep neural net inference", 2020: greedy by size). WebGPU forbids reading and
 * writing one buffer in one dispatch whatever the offsets, so two values may share a slot only when their intervals do
 * not touch.
 */
export function assignSlots(intervals: readonly Interval[]): Slots {
  const order = intervals.map((_, i) => i).sort((a, b) => at(intervals, b).bytes - at(intervals, a).bytes || a - b);
  const slots: { readonly bytes: number; readonly busy: Interval[] }[] = [];
  const slotOf = new Array<number>(intervals.length).fill(-1);
  for (const i of order) {
    const interval = at(intervals, i);
    const free = slots.findIndex(({ busy }) => busy.every((b) => b.to < interval.from || interval.to < b.from));
    slotOf[i] = free >= 0 ? free : slots.length;
    if (free < 0) {
      slots.push({ bytes: interval.bytes, busy: [interval] });
    } else {
      at(slots, free).busy.push(interval);
    }
  }
  return { slotOf, bytes: slots.map((s) => s.bytes) };
}
