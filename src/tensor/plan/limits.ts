/** Checks whether an adapter can hold and bind the buffers of a schedule. */
import type { Device } from '../device/device.ts';
import { showPath } from '../graph.ts';
import type { Schedule } from '../schedule/schedule.ts';
import { differentSizes } from '../size_words.ts';
import { at, byteSize, STAGES, showType } from '../types.ts';

export const mib = (bytes: number): number => Math.ceil(bytes / 2 ** 20);

/** @throws Error naming the buffer or value that is too large, its size and the limit */
export function checkLimits(device: Device, schedule: Schedule): void {
  const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
  const refuse = (name: string, bytes: number, what: string, limit: number): never => {
    const [need, most] = differentSizes(bytes, limit);
    throw new Error(
      `${name} needs one buffer of ${need} but this adapter ${what} at most ${most}: choose a smaller size or another adapter`,
    );
  };
  const buffer = schedule.buffers.find((b) => b.bytes > maxBufferSize);
  if (buffer) {
    refuse(buffer.name, buffer.bytes, 'holds', maxBufferSize);
  }
  // Values share buffers, so a binding may be smaller than its buffer.
  for (const { node, types, buffers } of STAGES.flatMap((stage) => schedule.steps[stage])) {
    types.forEach((type, i) => {
      if (byteSize(type) > maxStorageBufferBindingSize) {
        const { kind, name } = at(schedule.buffers, at(buffers, i));
        const what = kind === 'input' ? name : `${showType(type)} in ${showPath(node)}`;
        refuse(what, byteSize(type), 'binds', maxStorageBufferBindingSize);
      }
    });
  }
}
