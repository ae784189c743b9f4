/** Reads values back from the GPU. */
import type { Device } from '../device/device.ts';
import type { InputSpec } from '../schedule/schedule.ts';
import { at, byteSize, sizeOf } from '../types.ts';
import { USAGE } from './buffer_usage.ts';
import { fromBytes } from './host_values.ts';
import { readRows } from './rounded_rows.ts';
import { fromStoredLayout } from './stored_layout.ts';

/** Returns the values of an input or output in the order in which they are written. The copies are queued at once. */
export async function readValues(
  device: Device,
  name: string,
  buffer: GPUBuffer,
  { type, storedLayout, offset, scales }: InputSpec,
): Promise<Float32Array<ArrayBuffer>> {
  if (scales !== undefined) {
    const values = copied(device, name, buffer, offset, sizeOf(type.shape));
    return readRows(
      type,
      storedLayout,
      await values,
      await copied(device, name, buffer, scales, at(type.shape, 0) * 4),
    );
  }
  const bytes = await copied(device, name, buffer, offset, byteSize(type));
  return fromBytes(type, fromStoredLayout(type, storedLayout, bytes).buffer);
}

/** Returns a copy of bytes of a buffer at this point of the queue. @throws GpuError */
export async function copied(
  device: Device,
  name: string,
  from: GPUBuffer,
  offset: number,
  bytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { gpu, memory } = device;
  const staging = memory.create({ size: bytes, usage: USAGE.MAP_READ | USAGE.COPY_DST });
  const encoder = gpu.createCommandEncoder({ label: `read ${name}` });
  encoder.copyBufferToBuffer(from, offset, staging, 0, bytes);
  gpu.queue.submit([encoder.finish()]);
  try {
    await device.settled(staging.mapAsync(1)); // GPUMapMode.READ
    device.assertHealthy();
    return new Uint8Array(staging.getMappedRange().slice(0));
  } finally {
    memory.destroy(staging);
  }
}
