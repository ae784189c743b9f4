/** Asks a GPU's compiler what it makes of kernels: AMD's in Mesa without that GPU, or the one of this machine's driver. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AdapterChoice, openDevice } from '../../src/platform/node/open_device.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { assemble } from '../../src/tensor/kernel.ts';
import type { Step } from '../../src/tensor/schedule/schedule.ts';
import { LayerLog, type PipelineLine } from './driver_statistics.ts';
import { THIS_GPU, useLayer } from './layer.ts';

/** A kernel that was compiled. */
export interface CompiledKernel extends PipelineLine {
  /** The WGSL that Dawn's compiler got. */
  readonly wgsl: string;
}

/** A device whose pipelines are watched by the layer. */
export class GpuCompiler {
  readonly device: Device;
  /** Driver and version, such as `radv: Mesa 25.0.7`. */
  readonly driver: string;
  readonly #log: LayerLog;
  /** The kernels that were compiled, by overrides and WGSL. The device keeps pipelines, so the driver speaks of each once only. */
  readonly #known = new Map<string, CompiledKernel>();

  constructor(device: Device, driver: string, log: LayerLog) {
    this.device = device;
    this.driver = driver;
    this.#log = log;
  }

  /**
   * Compiles the kernel of a step.
   * @param wgsl stands in for the kernel's own
   * @throws Error when it does not compile
   */
  async compile({ dispatch, types }: Pick<Step, 'dispatch' | 'types'>, wgsl?: string): Promise<CompiledKernel> {
    const { device } = this;
    const code = wgsl ?? assemble(dispatch, types, device.caps);
    const overrides = dispatch.overrides ?? {};
    const key = `${JSON.stringify(overrides)}\n${code}`;
    const known = this.#known.get(key);
    if (known) {
      return known;
    }
    const accesses = dispatch.bindings.map(({ access }) => (access === 'read' ? 'r' : 'w')).join('');
    const layout = device.layout(Object.keys(dispatch.params).length > 0, accesses);
    this.#log.next();
    await device.pipeline(dispatch.label, code, layout, overrides);
    const line = this.#log.next().at(-1);
    if (!line) {
      throw new Error(`the driver says nothing of ${dispatch.label}`);
    }
    const compiled = { ...line, wgsl: code };
    this.#known.set(key, compiled);
    return compiled;
  }
}

/**
 * Runs `work` with the compiler of a GPU. A process can ask one compiler only.
 * @param gpu a key of FAMILIES, or THIS_GPU
 * @param choice the adapter, for THIS_GPU
 * @throws Error, one sentence: Linux, Mesa's driver, its null device, `cc` or Vulkan's headers are missing, or the driver does not answer
 */
export async function withCompiler<T>(
  gpu: string,
  choice: AdapterChoice,
  work: (compiler: GpuCompiler) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'reno-codegen-'));
  try {
    const out = join(folder, 'pipelines.jsonl');
    writeFileSync(out, '');
    useLayer(gpu, out);
    return await work(await openCompiler(gpu, choice, new LayerLog(out)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function openCompiler(gpu: string, choice: AdapterChoice, log: LayerLog): Promise<GpuCompiler> {
  const here = gpu === THIS_GPU;
  // The variable RENO_ADAPTER names an adapter of this machine, not the null device.
  const wanted = here ? choice : { adapter: '' };
  const device = await openDevice({ ...wanted, backend: 'vulkan', subgroupMatrix: true }).catch((error: unknown) => {
    const isAbsent = error instanceof Error && error.message.startsWith('no WebGPU adapter was found');
    throw !here && isAbsent ? new Error(noNullDevice('it shows no adapter')) : error;
  });
  const { driver = '', version = '', answers = false } = log.driver() ?? {};
  if (!here && driver !== 'radv') {
    throw new Error(noNullDevice(`Dawn opened ${device.info.description}`));
  }
  if (!answers) {
    throw new Error(
      `${device.info.description} does not say what its compiler makes of a kernel (VK_KHR_pipeline_executable_properties is missing): give a family, such as --gpu navi31, which asks AMD's compiler in Mesa without that GPU`,
    );
  }
  return new GpuCompiler(device, `${driver}: ${version.replace(/ \(LLVM.*\)$/, '')}`, log);
}

const noNullDevice = (why: string): string =>
  `Mesa's AMD driver on this machine has no null device (${why}): it is in Mesa 25 and older, as in Debian 12's backports and Debian 13 (25.0.7), and no longer in Mesa 26.2`;
