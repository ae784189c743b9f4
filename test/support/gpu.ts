/** One Dawn device for a test file. */
import { create, globals } from 'webgpu';
import type { Device, DeviceOptions } from '../../src/tensor/device.ts';
import { openDevice } from '../../src/tensor/device.ts';

Object.assign(globalThis, globals);

/** Opens the machine's adapter (lavapipe in CI). Dawn keeps the process alive until the device is destroyed. */
export function testDevice(options: DeviceOptions = {}): Promise<Device> {
  return openDevice(create([]), options);
}
