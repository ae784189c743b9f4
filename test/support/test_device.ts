/** One Dawn device for a test file. */

import { create, globals } from 'webgpu';
import { dawnToggles } from '../../src/platform/node/open_device.ts';
import { restWhilePolling } from '../../src/platform/node/rest.ts';
import type { Device, DeviceOptions } from '../../src/tensor/device/device.ts';
import { requestDevice } from '../../src/tensor/device/device.ts';

Object.assign(globalThis, globals);

/**
 * One Dawn instance a process, with the toggles of `openDevice`: it must outlive its devices, and a second one aborts when the
 * first is collected.
 */
const matrices = process.env.RENO_SUBGROUP_MATRIX === '1';
const gpu = create(dawnToggles(matrices));
restWhilePolling();

/** Opens the machine's adapter (lavapipe in CI). */
export function testDevice(options: DeviceOptions = {}): Promise<Device> {
  return requestDevice(gpu, { subgroupMatrix: matrices, ...options });
}
