/** WebGPU as a browser has it: `navigator.gpu`. */
import { type Device, type DeviceOptions, requestDevice } from '../../tensor/device/device.ts';
import { adoptTuning } from './tuning_db.ts';

/** How to open a device in a browser. */
export interface OpenDeviceOptions extends DeviceOptions {
  /** A GPU object that is at hand, instead of `navigator.gpu`. */
  readonly gpu?: GPU;
}

/** The sentence for a browser that has no WebGPU. */
export const NO_WEBGPU =
  'this browser has no WebGPU; Chrome and Edge 113, Safari 26 and Firefox 141 have it, and on Linux, Chrome needs chrome://flags/#enable-unsafe-webgpu';

/**
 * Opens the adapter that `navigator.gpu` gives, with what is known about the fastest kernels there.
 * @throws Error, one sentence, when the browser has no WebGPU or no adapter that it can use
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const { gpu = globalThis.navigator?.gpu as GPU | undefined, ...rest } = options;
  if (!gpu) {
    throw new Error(NO_WEBGPU);
  }
  const device = await requestDevice(gpu, rest);
  await adoptTuning(device);
  return device;
}
