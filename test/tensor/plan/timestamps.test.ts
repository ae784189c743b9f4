/** Any number of passes is timed with one query set of at most 4,096 timestamps. */
import { describe, expect, it } from 'vitest';
import type { Encoded } from '../../../src/tensor/plan/encode.ts';
import { timedPasses } from '../../../src/tensor/plan/timestamps.ts';
import { madeDispatch, madeTimestampDevice } from '../../support/made_timestamp_device.ts';

const passes = (count: number, length: number): Encoded[][] =>
  Array.from({ length: count }, () => Array.from({ length }, () => madeDispatch));

describe('timedPasses', () => {
  it.each([
    [1, undefined],
    [2047, undefined],
    [2048, undefined],
    [3000, undefined],
    [10_000, undefined],
    [40, 32],
    [48, 32],
  ])('gives %i dispatches their own timestamps', async (count, timestamps) => {
    const { device, log } = madeTimestampDevice();
    const spans = await timedPasses(device, passes(count, 1), timestamps);
    expect(spans).toEqual(Array.from({ length: count }, (_, i) => ({ begin: 2 * i, end: 2 * i + 1 })));
    expect(log.largestSet).toBeLessThanOrEqual(timestamps ?? 4096);
    expect([log.mostSets, log.sets]).toEqual([1, 0]);
    expect(log.mostDispatches).toBeLessThanOrEqual(256);
    expect(device.memory.bytes).toBe(0);
  });

  it('times passes of many dispatches', async () => {
    const { device, log } = madeTimestampDevice();
    expect(await timedPasses(device, passes(27, 32))).toHaveLength(27);
    expect(log.mostDispatches).toBe(256);
  });
});
