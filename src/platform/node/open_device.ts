/** WebGPU in Node: Dawn through the npm package `webgpu`. */
import { type Device, type DeviceOptions, requestDevice, SUBGROUP_MATRIX } from '../../tensor/device/device.ts';
import { sentenceOf } from '../sentence_of.ts';
import { quietly } from './quietly.ts';
import { restWhilePolling } from './rest.ts';
import { adoptTuning } from './tuning_file.ts';

/** Which adapter to open in Node. */
export interface AdapterChoice {
  /** Part of the adapter's name, as `listAdapters` and `reno devices` give it. Default: the variable RENO_ADAPTER. */
  readonly adapter?: string;
  /** `vulkan`, `metal`, `d3d12`, `opengl`, … Default: the variable RENO_BACKEND. */
  readonly backend?: string;
}

/** How to open a device in Node. */
export interface OpenDeviceOptions extends DeviceOptions, AdapterChoice {
  /** A GPU object that is at hand, instead of an instance of Dawn. */
  readonly gpu?: GPU;
  /** Hides the notes about limits that Dawn writes to stderr while it opens. Default: only where stderr is a terminal. */
  readonly quiet?: boolean;
}

/** An adapter of this machine, by the graphics API that shows it. */
export interface AdapterName {
  /** `Vulkan`, `Metal`, … */
  readonly backend: string;
  /** The name that `adapter` of `openDevice` is compared with. */
  readonly name: string;
}

/** The advice where no adapter is found. */
export const NO_ADAPTER_HELP =
  "install a Vulkan driver: a GPU vendor's, or Mesa's software driver (Debian and Ubuntu: mesa-vulkan-drivers; Debian 12 needs it from bookworm-backports)";

/**
 * Instances stay here until the process ends: Dawn aborts when one is collected while another is in use. The process must
 * leave by `process.exit`, because Dawn keeps it alive as long as they are referenced.
 */
const instances: GPU[] = [];

/**
 * Dawn hides f16 arithmetic on NVIDIA's Vulkan driver unless it is asked not to; elsewhere this changes nothing. It rounds
 * timestamps to 65 µs against spying pages, which no page does here. It shows matrix units (tensor cores) only with two more
 * toggles.
 * @internal
 */
export function dawnToggles(subgroupMatrix: boolean): string[] {
  const shown = subgroupMatrix ? ['allow_unsafe_apis', 'use_vulkan_memory_model'] : [];
  return [
    `enable-dawn-features=${['vulkan_enable_f16_on_nvidia', ...shown].join(',')}`,
    'disable-dawn-features=timestamp_quantization',
  ];
}

async function instance(options: readonly string[], subgroupMatrix = false): Promise<GPU> {
  const { create } = await dawn();
  const gpu = create([...dawnToggles(subgroupMatrix), ...options]);
  instances.push(gpu);
  restWhilePolling();
  return gpu;
}

/** The package is optional: it has no build for some systems. */
async function dawn(): Promise<typeof import('webgpu')> {
  try {
    return await import('webgpu');
  } catch (error) {
    throw new Error(
      `WebGPU in Node needs the npm package webgpu (Dawn), which cannot be loaded here: install it, or give a GPU object (${sentenceOf(error)})`,
    );
  }
}

/**
 * Opens the chosen adapter, or the best there is, with what is known about the fastest kernels there.
 * @throws Error, one sentence, when there is no adapter or none of that name
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const { gpu, adapter, backend, quiet, ...given } = options;
  const rest = { subgroupMatrix: process.env.RENO_SUBGROUP_MATRIX !== '0', ...given };
  const device = gpu
    ? await requestDevice(gpu, rest)
    : await openDawn({ ...choice(adapter, backend), ...(quiet === undefined ? {} : { quiet }), ...rest });
  await adoptTuning(device);
  return device;
}

function choice(adapter = process.env.RENO_ADAPTER, backend = process.env.RENO_BACKEND): AdapterChoice {
  return { ...(adapter ? { adapter } : {}), ...(backend ? { backend } : {}) };
}

async function openDawn({
  adapter: name,
  backend,
  quiet,
  ...options
}: AdapterChoice & DeviceOptions & Pick<OpenDeviceOptions, 'quiet'>): Promise<Device> {
  const flags = backend ? [`backend=${backend}`] : [];
  if (name) {
    const adapters = await listAdapters(quiet);
    const found = adapters.find((a) => a.name.toLowerCase().includes(name.toLowerCase()));
    if (!found) {
      const known = adapters.map((a) => `"${a.name}"`).join(', ');
      throw new Error(
        `no adapter is named "${name}"; ${known === '' ? `there is none: ${NO_ADAPTER_HELP}` : `there is ${known}`}`,
      );
    }
    flags.push(`adapter=${found.name}`);
  }
  const open = async (subgroupMatrix: boolean): Promise<{ gpu: GPU; adapter: GPUAdapter }> => {
    const gpu = await instance(flags, subgroupMatrix);
    const adapter = await quietly(() => gpu.requestAdapter(), quiet).catch(() => null);
    if (!adapter) {
      throw new Error(`no WebGPU adapter was found${backend ? ` for backend ${backend}` : ''}; ${NO_ADAPTER_HELP}`);
    }
    return { gpu, adapter };
  };
  const { gpu, adapter } = await open(options.subgroupMatrix === true);
  // An adapter without matrix units runs as if nobody had asked for them: the toggles change the code of every kernel.
  const isPlain = options.subgroupMatrix !== true || adapter.features.has(SUBGROUP_MATRIX);
  const chosen = isPlain ? gpu : (await open(false)).gpu;
  return quietly(() => requestDevice(chosen, options), quiet);
}

/** All adapters, from what Dawn says when it is asked for one that does not exist. @param quiet as in `OpenDeviceOptions` */
export async function listAdapters(quiet?: boolean): Promise<AdapterName[]> {
  try {
    const gpu = await instance(['adapter=reno lists adapters']);
    await quietly(() => gpu.requestAdapter(), quiet);
    return [];
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const found = [...text.matchAll(/backend: '([^']*)', name: '([^']*)'/g)];
    return found.map((m) => ({ backend: m[1] ?? '', name: m[2] ?? '' }));
  }
}
