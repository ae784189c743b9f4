/** Measures dispatches with GPU timestamps. */
import type { Device } from '../device.ts';
import { at } from '../types.ts';
import { USAGE } from './buffer_usage.ts';
import { type Encoded, encodePass } from './encode.ts';

/** Dispatches per query set, which holds at most 4096 timestamps. */
const BATCH = 1024;

/** Runs `list`, each dispatch in a pass of its own, on a device with timestamp-query. @returns nanoseconds of each dispatch */
export async function timed(device: Device, list: readonly Encoded[]): Promise<number[]> {
  const times: number[] = [];
  for (let start = 0; start < list.length; start += BATCH) {
    times.push(...(await timedBatch(device, list.slice(start, start + BATCH))));
  }
  return times;
}

async function timedBatch({ gpu, memory }: Device, list: readonly Encoded[]): Promise<number[]> {
  const querySet = gpu.createQuerySet({ type: 'timestamp', count: list.length * 2 });
  const resolved = memory.create({ size: list.length * 16, usage: USAGE.QUERY_RESOLVE | USAGE.COPY_SRC });
  const staging = memory.create({ size: list.length * 16, usage: USAGE.MAP_READ | USAGE.COPY_DST });
  const encoder = gpu.createCommandEncoder({ label: 'profile' });
  list.forEach((dispatch, i) => {
    encodePass(encoder, [dispatch], {
      timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
    });
  });
  encoder.resolveQuerySet(querySet, 0, list.length * 2, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, staging, 0, list.length * 16);
  gpu.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const stamps = new BigUint64Array(staging.getMappedRange().slice(0));
  memory.destroy(staging);
  memory.destroy(resolved);
  querySet.destroy();
  return list.map((_, i) => Number(at(stamps, 2 * i + 1) - at(stamps, 2 * i)));
}
