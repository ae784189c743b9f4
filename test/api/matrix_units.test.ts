/** `openDevice` in Node with an adapter that shows matrix units: a made-up one, on which no kernel compiles. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import '../../src/kernels/index.ts';
import { openDevice } from '../../src/platform/node/open_device.ts';
import { adoptTuning, tuningFiles } from '../../src/platform/node/tuning_file.ts';
import type { DeviceOptions } from '../../src/tensor/device/device.ts';
import { type Device, requestDevice } from '../../src/tensor/device/device.ts';

const FEATURE = 'chromium-experimental-subgroup-matrix';
const LIMITS = {
  maxBufferSize: 2 ** 31,
  maxStorageBufferBindingSize: 2 ** 31 - 4,
  maxStorageBuffersPerShaderStage: 16,
  maxComputeWorkgroupStorageSize: 49152,
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupSizeX: 1024,
  maxComputeWorkgroupSizeY: 1024,
};

/** A WebGPU object with one adapter. `asked` gets the features of each device. */
function gpuWith(features: readonly string[], asked: string[][] = []): GPU {
  const info = {
    vendor: 'acme',
    architecture: 'quick',
    description: 'Acme Quick, driver 7',
    subgroupMinSize: 32,
    subgroupMaxSize: 32,
    subgroupMatrixConfigs: [{ componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 }],
  };
  const device = {
    limits: LIMITS,
    features: new Set(features),
    lost: new Promise(() => {}),
    addEventListener: () => {},
    destroy: () => {},
    createBuffer: () => {
      throw new Error('nothing runs here');
    },
  };
  const requestDevice = async ({ requiredFeatures }: { requiredFeatures: string[] }) => {
    asked.push(requiredFeatures);
    return device;
  };
  const adapter = { features: new Set(features), limits: LIMITS, info, requestDevice };
  return { requestAdapter: async () => adapter } as unknown as GPU;
}

const ALL = ['shader-f16', 'subgroups', FEATURE];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'matrix-'));
  vi.stubEnv('XDG_CACHE_HOME', folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('matrix units', () => {
  const uses = async (options: DeviceOptions, features: readonly string[] = ALL): Promise<boolean> => {
    const asked: string[][] = [];
    using device = await openDevice({ gpu: gpuWith(features, asked), ...options });
    const isUsed = device.caps.subgroupMatrices !== undefined;
    expect([asked[0]?.includes(FEATURE), device.kernelCheck !== null]).toEqual([isUsed, isUsed]);
    return isUsed;
  };

  it('are used by default where the adapter shows them', async () => {
    expect([await uses({}), await uses({}, ['shader-f16', 'subgroups'])]).toEqual([true, false]);
  });

  it('are turned off by an option or by RENO_SUBGROUP_MATRIX=0', async () => {
    expect(await uses({ subgroupMatrix: false })).toBe(false);
    vi.stubEnv('RENO_SUBGROUP_MATRIX', '0');
    expect([await uses({}), await uses({ subgroupMatrix: true })]).toEqual([false, true]);
  });
});

describe('results of the check', () => {
  let said: string[];
  const warn = (sentence: string): void => void said.push(sentence);
  const open = async (store = tuningFiles(folder, undefined, warn)): Promise<Device> => {
    const device = await requestDevice(gpuWith(ALL), { subgroupMatrix: true });
    await adoptTuning(device, store, warn);
    return device;
  };
  beforeEach(() => {
    said = [];
  });

  it('are kept in the tuning table, and hold for the next device', async () => {
    using first = await open();
    await first.kernelCheck?.ensure(['matmul']);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(
      /^the kernel of matmul for matrix units is left out on Acme Quick, driver 7, .*: in the case .* it does not run \(/,
    );
    using second = await open();
    expect(second.caps.leftOut).toEqual({ matmul: ['subgroup_matrix'] });
    expect(second.kernelCheck?.problem('matmul')).toMatch(/it does not run/);
    await second.kernelCheck?.ensure(['matmul']);
    expect(said).toHaveLength(1);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('do not replace a file that is no table of this adapter', async () => {
    const path = join(folder, 'mine.json');
    writeFileSync(path, '{"format": 1, "sites": {}}');
    using device = await open(tuningFiles(folder, path, warn));
    await device.kernelCheck?.ensure(['matmul']);
    expect(device.caps.leftOut).toEqual({ matmul: ['subgroup_matrix'] });
    expect(readdirSync(folder)).toEqual(['mine.json']);
    using again = await open(tuningFiles(folder, path, warn));
    expect(again.caps.leftOut).toBeUndefined();
  });
});
