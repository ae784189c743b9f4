/** WebGPU in Node: Dawn through the npm package `webgpu`. */
import { closeSync, openSync } from 'node:fs';
import { create } from 'webgpu';
import { type Device, openDevice } from '../tensor/device.ts';
import { UsageError } from './errors.ts';
import { restWhilePolling } from './rest.ts';
import { knownTuning } from './tuning_file.ts';

export interface AdapterChoice {
  /** Part of the adapter's name, as `reno devices` prints it. */
  readonly adapter?: string;
  /** `vulkan`, `metal`, `d3d12`, `opengl`, … */
  readonly backend?: string;
}

/** What helps where no adapter is found. */
export const NO_ADAPTER_HELP =
  "install a Vulkan driver: a GPU vendor's, or Mesa's software driver (Debian and Ubuntu: mesa-vulkan-drivers; Debian 12 needs it from bookworm-backports)";

/**
 * Instances stay here until the process ends: Dawn aborts when one is collected while another is in use. The process must
 * leave by `process.exit`, because Dawn keeps it alive as long as they are referenced.
 */
const instances: GPU[] = [];

/**
 * Dawn hides f16 arithmetic on NVIDIA's Vulkan driver unless it is asked not to; elsewhere this changes nothing. It rounds
 * timestamps to 65 µs against spying pages, which no page does here. Matrix units (tensor cores) are shown where
 * RENO_SUBGROUP_MATRIX asks for them.
 */
function toggles(): string[] {
  const shown = wantsSubgroupMatrix() ? ['allow_unsafe_apis', 'use_vulkan_memory_model'] : [];
  return [
    `enable-dawn-features=${['vulkan_enable_f16_on_nvidia', ...shown].join(',')}`,
    'disable-dawn-features=timestamp_quantization',
  ];
}

/** @throws UsageError when RENO_SUBGROUP_MATRIX is neither 1 nor 0 */
export function wantsSubgroupMatrix(setting = process.env.RENO_SUBGROUP_MATRIX): boolean {
  if (setting !== undefined && !['', '0', '1'].includes(setting)) {
    throw new UsageError(`RENO_SUBGROUP_MATRIX must be 1 (use matrix units) or 0, not "${setting}"`);
  }
  return setting === '1';
}

function instance(options: readonly string[]): GPU {
  const gpu = create([...toggles(), ...options]);
  instances.push(gpu);
  restWhilePolling();
  return gpu;
}

/** Opens the chosen adapter, or the best there is. @throws Error, one sentence, when there is none or none of that name. */
export async function openAdapter(choice: AdapterChoice = {}): Promise<Device> {
  const name = choice.adapter ?? process.env.RENO_ADAPTER;
  const backend = choice.backend ?? process.env.RENO_BACKEND;
  const options = backend ? [`backend=${backend}`] : [];
  if (name) {
    const adapters = await listAdapters();
    const found = adapters.find((a) => a.name.toLowerCase().includes(name.toLowerCase()));
    if (!found) {
      const known = adapters.map((a) => `"${a.name}"`).join(', ');
      throw new Error(
        `no adapter is named "${name}"; ${known === '' ? `there is none: ${NO_ADAPTER_HELP}` : `there is ${known}`}`,
      );
    }
    options.push(`adapter=${found.name}`);
  }
  const gpu = instance(options);
  const adapter = await quietly(() => gpu.requestAdapter()).catch(() => null);
  if (!adapter) {
    throw new Error(`no WebGPU adapter was found${backend ? ` for backend ${backend}` : ''}; ${NO_ADAPTER_HELP}`);
  }
  const device = await quietly(() => openDevice(gpu, { subgroupMatrix: wantsSubgroupMatrix() }));
  device.tuning = await knownTuning(device);
  return device;
}

export interface AdapterName {
  readonly backend: string;
  readonly name: string;
}

/** All adapters, from what Dawn says when it is asked for one that does not exist. */
export async function listAdapters(): Promise<AdapterName[]> {
  try {
    await quietly(() => instance(['adapter=reno lists adapters']).requestAdapter());
    return [];
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const found = [...text.matchAll(/backend: '([^']*)', name: '([^']*)'/g)];
    return found.map((m) => ({ backend: m[1] ?? '', name: m[2] ?? '' }));
  }
}

/**
 * Runs `work` while Dawn's own notes about limits go nowhere: it writes them to file descriptor 2, past Node.
 * Only where a person looks on (a terminal, on Linux); logs keep everything.
 */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  if (process.platform !== 'linux' || !process.stderr.isTTY || process.env.DEBUG?.includes('reno')) {
    return work();
  }
  const terminal = openSync('/proc/self/fd/2', 'w');
  closeSync(2);
  openSync('/dev/null', 'w'); // takes the lowest free descriptor, which is 2
  try {
    return await work();
  } finally {
    closeSync(2);
    openSync(`/proc/self/fd/${terminal}`, 'w');
    closeSync(terminal);
  }
}
