/** Waits for the GPU. */
import type { Device } from '../device/device.ts';
import { USAGE } from './buffer_usage.ts';

/** Bytes of the smallest copy. */
const LEAST = 4;

/**
 * Resolves when the GPU has done all that was submitted or written until now: a copy that is queued behind it can be read then, in
 * every browser. They differ in when they answer `onSubmittedWorkDone`.
 * @throws GpuError, one sentence, when the device fails meanwhile
 */
export async function drained(device: Device): Promise<void> {
  const { gpu } = device;
  const from = gpu.createBuffer({ size: LEAST, usage: USAGE.COPY_SRC | USAGE.COPY_DST });
  const to = gpu.createBuffer({ size: LEAST, usage: USAGE.MAP_READ | USAGE.COPY_DST });
  try {
    const encoder = gpu.createCommandEncoder({ label: 'drained' });
    encoder.copyBufferToBuffer(from, 0, to, 0, LEAST);
    gpu.queue.submit([encoder.finish()]);
    await device.settled(to.mapAsync(1)); // GPUMapMode.READ
  } finally {
    from.destroy();
    to.destroy();
  }
}
