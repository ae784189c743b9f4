/** Measures compute passes with GPU timestamps. */
import type { Device } from '../device/device.ts';
import { at } from '../types.ts';
import { USAGE } from './buffer_usage.ts';
import { DISPATCHES_PER_SUBMIT, type Encoded, encodePass } from './encode.ts';

/** WebGPU allows this many timestamps in a query set. */
const LARGEST_SET = 4096;

/** Begin and end of a pass on the GPU, in nanoseconds since the first pass began. */
export interface Span {
  readonly begin: number;
  readonly end: number;
}

/** Runs `list`, each dispatch in a pass of its own, on a device with timestamp-query. @returns the span of each dispatch */
export function timed(device: Device, list: readonly Encoded[]): Promise<Span[]> {
  return timedPasses(
    device,
    list.map((dispatch) => [dispatch]),
  );
}

/**
 * Runs compute passes with a timestamp at the beginning and at the end of each, on a device with timestamp-query. One query set
 * serves any number of passes, because some drivers have room for 32 of them only: when it is full, its timestamps are copied
 * into a buffer, and the passes that follow fill it anew. Nothing waits in between.
 * @param timestamps the size of the query set: a multiple of 32, so that copies begin at multiples of 256 bytes
 */
export async function timedPasses(
  { gpu, memory }: Device,
  passes: readonly (readonly Encoded[])[],
  timestamps = LARGEST_SET,
): Promise<Span[]> {
  const perSet = Math.min(passes.length, timestamps / 2);
  const querySet = gpu.createQuerySet({ type: 'timestamp', count: perSet * 2 });
  const resolved = memory.create({ size: passes.length * 16, usage: USAGE.QUERY_RESOLVE | USAGE.COPY_SRC });
  const staging = memory.create({ size: passes.length * 16, usage: USAGE.MAP_READ | USAGE.COPY_DST });
  let encoder = gpu.createCommandEncoder({ label: 'profile' });
  let encoded = 0;
  for (const [i, pass] of passes.entries()) {
    const place = i % perSet;
    const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * place, endOfPassWriteIndex: 2 * place + 1 };
    encodePass(encoder, pass, { timestampWrites });
    encoded += pass.length;
    const isLast = i + 1 === passes.length;
    if (isLast || place + 1 === perSet) {
      encoder.resolveQuerySet(querySet, 0, 2 * (place + 1), resolved, 16 * (i - place));
    }
    if (!isLast && encoded >= DISPATCHES_PER_SUBMIT) {
      gpu.queue.submit([encoder.finish()]);
      encoder = gpu.createCommandEncoder({ label: 'profile' });
      encoded = 0;
    }
  }
  encoder.copyBufferToBuffer(resolved, 0, staging, 0, passes.length * 16);
  gpu.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const stamps = new BigUint64Array(staging.getMappedRange().slice(0));
  memory.destroy(staging);
  memory.destroy(resolved);
  querySet.destroy();
  const first = at(stamps, 0);
  const since = (i: number): number => Number(at(stamps, i) - first);
  // WebGPU does not promise that timestamps grow.
  return passes.map((_, i) => ({ begin: since(2 * i), end: Math.max(since(2 * i), since(2 * i + 1)) }));
}
