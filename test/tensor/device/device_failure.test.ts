/** Browsers break promises before or after they report why: the report is what a person reads. */
import { expect, it } from 'vitest';
import { Device } from '../../../src/tensor/device/device.ts';
import { GpuError } from '../../../src/tensor/device/gpu_error.ts';

const CAPS = {
  f16: false,
  subgroups: false,
  subgroupMinSize: 1,
  subgroupMaxSize: 1,
  software: true,
  maxWorkgroupStorage: 16384,
  maxInvocations: 256,
  maxStorageBuffers: 8,
};

/** A device whose `lost` comes after `ms`; null: never. */
function deviceLostAfter(ms: number | null): Device {
  const lost = new Promise((resolve) => {
    if (ms !== null) {
      setTimeout(() => resolve({ reason: 'unknown', message: 'the process ended' }), ms);
    }
  });
  const gpu = { addEventListener: () => {}, lost } as unknown as GPUDevice;
  return new Device(gpu, CAPS, { vendor: '', architecture: '', description: '' });
}

const broken = (): Promise<never> => Promise.reject(new Error("Failed to execute 'mapAsync' on 'GPUBuffer'"));

it('a promise that breaks before the device is reported lost fails with the report', async () => {
  const failure = await deviceLostAfter(60)
    .settled(broken())
    .catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(GpuError);
  expect((failure as GpuError).kind).toBe('lost');
  expect((failure as GpuError).message).toContain('the GPU device was lost (the process ended)');
  expect((failure as GpuError).message).not.toContain('mapAsync');
});

it('without any report, the failure is that of the promise, after a moment', async () => {
  await expect(deviceLostAfter(null).settled(broken())).rejects.toThrow('the GPU stopped working');
});
