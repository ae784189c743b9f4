/// <reference lib="esnext.disposable" preserve="true" />
/** A GPU device: its capabilities, memory and pipelines, each compiled once. */
import type { Tuning } from '../tuning/choose.ts';
import type { KernelCheck } from '../tuning/kernel_check.ts';
import type { DeviceCaps, SubgroupMatrix } from './device_caps.ts';
import { DeviceMemory } from './device_memory.ts';
import { failureOf, GpuError } from './gpu_error.ts';

/** How to open an adapter. */
export interface DeviceOptions {
  /** Which adapter to prefer where there are several. Default `high-performance`. */
  readonly powerPreference?: GPUPowerPreference;
  /** Leave features unused as if the adapter lacked them (to test other adapters' paths). */
  readonly without?: readonly ('shader-f16' | 'subgroups' | 'timestamp-query')[];
  /**
   * Use matrix units where the adapter shows them: an experiment of Dawn's, whose WGSL may change. Default: true for `openDevice`
   * in Node unless the variable RENO_SUBGROUP_MATRIX is 0, else false.
   */
  readonly subgroupMatrix?: boolean;
}

/** An adapter as its driver names it. */
export interface AdapterSummary {
  /** Such as `nvidia`. */
  readonly vendor: string;
  /** Such as `ampere`. */
  readonly architecture: string;
  /** The driver's own words. */
  readonly description: string;
}

/** Limits that are raised to the adapter's own; WebGPU's defaults are those of phones. */
const RAISED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
] as const;

const WANTED_FEATURES = ['shader-f16', 'subgroups', 'timestamp-query'] as const;

/** WebGPU does not have this feature, so its types do not either. */
export const SUBGROUP_MATRIX = 'chromium-experimental-subgroup-matrix' as GPUFeatureName;
const SUBGROUP_SIZE_CONTROL = 'subgroup-size-control' as GPUFeatureName;

interface SubgroupMatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

function subgroupMatrices(info: GPUAdapterInfo): SubgroupMatrix[] {
  const { subgroupMatrixConfigs: configs = [] } = info as { subgroupMatrixConfigs?: readonly SubgroupMatrixConfig[] };
  // Their values are getters, which a spread would not see.
  return configs.map(({ componentType, resultComponentType, M, N, K }) => {
    return { component: componentType, result: resultComponentType, m: M, n: N, k: K };
  });
}

/** A failure is reported within this time, and looked for in such steps. */
const REPORT_MS = 1000;
const POLL_MS = 10;

const SOFTWARE = /llvmpipe|lavapipe|swiftshader|software|basic render/i;

/** An open adapter, which plans are compiled for. `openDevice` gives one; `using` or `destroy` closes it. */
export class Device {
  /** WebGPU's own device. */
  readonly gpu: GPUDevice;
  /** The adapter's name. */
  readonly info: AdapterSummary;
  /** Creates and counts buffers. */
  readonly memory: DeviceMemory;
  /**
   * Times of kernels on this adapter, by which plans choose variants; null where nothing was timed.
   * @internal
   */
  tuning: Tuning | null = null;
  /**
   * Checks kernels before plans use them; null: none has to be checked.
   * @internal
   */
  kernelCheck: KernelCheck | null = null;
  #caps: DeviceCaps;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  #failure: GpuError | null = null;

  /** @internal */
  constructor(gpu: GPUDevice, caps: DeviceCaps, info: AdapterSummary) {
    this.gpu = gpu;
    this.#caps = caps;
    this.info = info;
    this.memory = new DeviceMemory(gpu);
    gpu.addEventListener('uncapturederror', (event) => {
      const kind = failureOf(event.error);
      const what = kind === 'out-of-memory' ? 'has too little memory' : 'rejected a command';
      this.#failure ??= new GpuError(kind, `the GPU ${what}: ${event.error.message}`);
    });
    void gpu.lost.then((lost) => {
      if (lost.reason !== 'destroyed') {
        this.#failure ??= new GpuError(
          'lost',
          `the GPU device was lost (${lost.message || 'the driver gives no reason'}); start again, with a smaller size if memory ran out`,
        );
      }
    });
  }

  /** The capabilities that kernels may rely on. */
  get caps(): DeviceCaps {
    return this.#caps;
  }

  /**
   * Leaves a variant of an op out of plans that are made from now on.
   * @internal
   */
  leaveOut(op: string, variant: string): void {
    const { leftOut = {} } = this.#caps;
    this.#caps = { ...this.#caps, leftOut: { ...leftOut, [op]: [...(leftOut[op] ?? []), variant] } };
  }

  /** The limits that the device was opened with: the adapter's own, where they matter. */
  get limits(): GPUSupportedLimits {
    return this.gpu.limits;
  }

  /** How many pipelines this device has compiled so far. */
  get pipelineCount(): number {
    return this.#pipelines.size;
  }

  /**
   * Awaits what WebGPU promised. On a device that is lost or out of memory, promises fail with little to say.
   * @throws GpuError, one sentence, with the first failure that the GPU reported
   */
  async settled<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      // Browsers report the failure before or after they break the promise.
      for (let waited = 0; waited < REPORT_MS && !this.#failure; waited += POLL_MS) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      const text = error instanceof Error && error.message !== '' ? error.message : 'the driver gives no reason';
      this.#failure ??= new GpuError('lost', `the GPU stopped working (${text}); start again`);
      throw this.#failure;
    }
  }

  /** @throws GpuError, the first failure that the GPU reported, if any. */
  assertHealthy(): void {
    if (this.#failure) {
      throw this.#failure;
    }
  }

  /** A bind group layout with a uniform at 0 (when `hasParams`) and storage buffers from 1; `r` read-only, `w` writable. */
  layout(hasParams: boolean, accesses: string): GPUBindGroupLayout {
    const key = `${hasParams ? 'u' : '-'}${accesses}`;
    let layout = this.#layouts.get(key);
    if (!layout) {
      const entries: GPUBindGroupLayoutEntry[] = [...accesses].map((a, i) => ({
        binding: i + 1,
        visibility: 4, // GPUShaderStage.COMPUTE: a global that Node does not have
        buffer: { type: a === 'r' ? 'read-only-storage' : 'storage' },
      }));
      if (hasParams) {
        entries.unshift({ binding: 0, visibility: 4, buffer: { type: 'uniform' } });
      }
      layout = this.gpu.createBindGroupLayout({ entries });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  /**
   * Compiles `code` once; the key is the final WGSL with its overrides and layout.
   * @throws Error with the compiler's first message and the kernel's label.
   */
  pipeline(
    label: string,
    code: string,
    layout: GPUBindGroupLayout,
    overrides: Readonly<Record<string, number>>,
  ): Promise<GPUComputePipeline> {
    const key = `${JSON.stringify(overrides)}\n${code}`;
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      pipeline = this.#compile(label, code, layout, overrides);
      this.#pipelines.set(key, pipeline);
      pipeline.catch(() => this.#pipelines.delete(key));
    }
    return pipeline;
  }

  async #compile(
    label: string,
    code: string,
    layout: GPUBindGroupLayout,
    overrides: Readonly<Record<string, number>>,
  ): Promise<GPUComputePipeline> {
    // Keeps the compiler's message from being reported twice: the error below has it, with the kernel's name.
    this.gpu.pushErrorScope('validation');
    const module = this.gpu.createShaderModule({ label, code });
    this.gpu.popErrorScope().catch(() => {});
    try {
      return await this.gpu.createComputePipelineAsync({
        label,
        layout: this.gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, constants: { ...overrides } },
      });
    } catch (error) {
      if (error instanceof Error && 'reason' in error && error.reason === 'internal') {
        throw new GpuError('internal', `the GPU could not make kernel ${label} (${error.message}); start again`);
      }
      const compilation = await this.settled(module.getCompilationInfo());
      this.assertHealthy();
      const first = compilation.messages.find((m) => m.type === 'error');
      const line = first ? code.split('\n')[first.lineNum - 1]?.trim() : '';
      const what = first ? `${first.message} (line ${first.lineNum}: ${line})` : String(error);
      throw new Error(`kernel ${label} does not compile: ${what}`);
    }
  }

  /** Gives everything that it holds back; neither the device nor its plans can be used afterwards. */
  destroy(): void {
    this.#failure ??= new GpuError(
      'destroyed',
      'the GPU device was destroyed and cannot be used any more: open another one',
    );
    this.gpu.destroy();
  }

  /** As `destroy`, for `using`. */
  [Symbol.dispose](): void {
    this.destroy();
  }
}

/**
 * Requests a device of `gpu` (`navigator.gpu`, or what Dawn's `create` returns) with the adapter's own limits and the
 * features that the kernels can use.
 * @throws Error when there is no adapter.
 */
export async function requestDevice(gpu: GPU, options: DeviceOptions = {}): Promise<Device> {
  const adapter = await gpu.requestAdapter({ powerPreference: options.powerPreference ?? 'high-performance' });
  if (!adapter) {
    throw new Error('no WebGPU adapter was found; run `reno doctor` to see what to install');
  }
  const features = WANTED_FEATURES.filter((f) => adapter.features.has(f) && !options.without?.includes(f));
  const hasMatrices = options.subgroupMatrix === true && adapter.features.has(SUBGROUP_MATRIX);
  const hasSizeControl = hasMatrices && adapter.features.has(SUBGROUP_SIZE_CONTROL);
  const requiredLimits: Record<string, number> = {};
  for (const name of RAISED_LIMITS) {
    requiredLimits[name] = adapter.limits[name];
  }
  const device = await adapter.requestDevice({
    requiredFeatures: [
      ...features,
      ...(hasMatrices ? [SUBGROUP_MATRIX] : []),
      ...(hasSizeControl ? [SUBGROUP_SIZE_CONTROL] : []),
    ],
    requiredLimits,
  });
  const { vendor, architecture, description, subgroupMinSize, subgroupMaxSize } = adapter.info;
  const has = (feature: (typeof WANTED_FEATURES)[number]): boolean => features.includes(feature);
  const caps: DeviceCaps = {
    f16: has('shader-f16'),
    subgroups: has('subgroups'),
    subgroupMinSize: has('subgroups') ? (subgroupMinSize ?? 4) : 1,
    subgroupMaxSize: has('subgroups') ? (subgroupMaxSize ?? 128) : 1,
    software: SOFTWARE.test(`${vendor} ${architecture} ${description}`),
    maxWorkgroupStorage: device.limits.maxComputeWorkgroupStorageSize,
    maxInvocations: device.limits.maxComputeInvocationsPerWorkgroup,
    maxStorageBuffers: device.limits.maxStorageBuffersPerShaderStage,
    ...(hasMatrices ? { subgroupMatrices: subgroupMatrices(adapter.info) } : {}),
    ...(hasSizeControl ? { subgroupSizeControl: true } : {}),
  };
  return new Device(device, caps, { vendor, architecture, description });
}
