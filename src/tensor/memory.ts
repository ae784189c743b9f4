/** Which tensors share a buffer: whole-buffer slots by liveness, over all stages together. */

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
 * Greedy best fit in order of first use. WebGPU forbids reading and writing one buffer in one dispatch whatever the
 * offsets, so two values may share a slot only when their intervals do not touch.
 */
export function assignSlots(intervals: readonly Interval[]): Slots {
  const order = intervals.map((_, i) => i).sort((a, b) => (intervals[a]?.from ?? 0) - (intervals[b]?.from ?? 0));
  const slots: { bytes: number; busyUntil: number }[] = [];
  const slotOf = new Array<number>(intervals.length).fill(-1);
  for (const i of order) {
    const interval = intervals[i];
    if (!interval) {
      continue;
    }
    const { bytes, from, to } = interval;
    let best = -1;
    let bestWaste = Number.POSITIVE_INFINITY;
    slots.forEach((slot, s) => {
      if (slot.busyUntil >= from) {
        return;
      }
      // Growing a slot costs memory for good; leaving part of one idle only costs until it is free again.
      const waste = slot.bytes >= bytes ? slot.bytes - bytes : (bytes - slot.bytes) * 2;
      if (waste < bestWaste) {
        best = s;
        bestWaste = waste;
      }
    });
    const found = slots[best];
    if (found && bestWaste < bytes * 8) {
      found.bytes = Math.max(found.bytes, bytes);
      found.busyUntil = to;
      slotOf[i] = best;
    } else {
      slotOf[i] = slots.length;
      slots.push({ bytes, busyUntil: to });
    }
  }
  return { slotOf, bytes: slots.map((s) => s.bytes) };
}
