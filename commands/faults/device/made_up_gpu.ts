/**
 * A WebGPU device that computes nothing: kernels leave their results at zero. Buffers, copies, error scopes and failures behave as
 * WebGPU says, so that faults of thousands of calls can be tried where no adapter is.
 */
import { Device } from '../../../src/tensor/device/device.ts';

type Filter = 'out-of-memory' | 'validation' | 'internal';

class GPUValidationError {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

const LIMITS = {
  maxBufferSize: 2 ** 31,
  maxStorageBufferBindingSize: 2 ** 27,
  maxStorageBuffersPerShaderStage: 16,
  maxComputeWorkgroupStorageSize: 2 ** 15,
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupSizeX: 1024,
  maxComputeWorkgroupSizeY: 1024,
  maxComputeWorkgroupsPerDimension: 65535,
  minStorageBufferOffsetAlignment: 32,
  minUniformBufferOffsetAlignment: 32,
};

const MAP_READ = 1;

class MadeUpBuffer {
  readonly size: number;
  readonly valid: boolean;
  readonly #gpu: MadeUpGpu;
  #bytes: Uint8Array<ArrayBuffer> | null = null;
  #destroyed = false;

  constructor(gpu: MadeUpGpu, { size, usage }: GPUBufferDescriptor) {
    this.#gpu = gpu;
    this.size = size;
    this.valid = (usage & MAP_READ) === 0 || (usage & ~(MAP_READ | 8)) === 0;
    if (!this.valid) {
      gpu.report('a buffer that is read by the host can only be copied to');
    }
  }

  /** Its bytes; zeros until something is written. */
  get bytes(): Uint8Array<ArrayBuffer> {
    this.#bytes ??= new Uint8Array(this.size);
    return this.#bytes;
  }

  async mapAsync(): Promise<void> {
    await Promise.resolve();
    if (!this.valid || this.#destroyed || this.#gpu.isLost) {
      throw new DOMException('the buffer cannot be mapped', this.valid ? 'AbortError' : 'OperationError');
    }
  }

  getMappedRange(): ArrayBuffer {
    return this.bytes.buffer;
  }

  unmap(): void {}

  destroy(): void {
    this.#destroyed = true;
    this.#bytes = null;
  }

  /** Whether the queue can use it. A buffer that was never made is an error of each command that names it. */
  assertUsable(): boolean {
    if (!this.valid || this.#destroyed) {
      this.#gpu.report(this.valid ? 'the buffer was destroyed' : 'the buffer is invalid');
      return false;
    }
    return true;
  }
}

interface Copy {
  readonly from: MadeUpBuffer;
  readonly fromOffset: number;
  readonly to: MadeUpBuffer;
  readonly toOffset: number;
  readonly size: number;
}

class MadeUpEncoder {
  readonly #copies: Copy[] = [];

  beginComputePass() {
    const nothing = (): void => {};
    return { setPipeline: nothing, setBindGroup: nothing, dispatchWorkgroups: nothing, end: nothing };
  }

  copyBufferToBuffer(from: MadeUpBuffer, fromOffset: number, to: MadeUpBuffer, toOffset: number, size: number): void {
    this.#copies.push({ from, fromOffset, to, toOffset, size });
  }

  finish(): readonly Copy[] {
    return this.#copies;
  }
}

class MadeUpGpu {
  readonly limits = LIMITS;
  readonly features = new Set(['shader-f16', 'subgroups']);
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  readonly queue: object;
  isLost = false;
  readonly #scopes: { readonly filter: Filter; error: object | null }[] = [];
  readonly #listeners: ((event: { readonly error: object }) => void)[] = [];
  #lose: (info: { reason: string; message: string }) => void = () => {};

  constructor() {
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    this.queue = {
      submit: (lists: readonly (readonly Copy[])[]) => {
        for (const { from, fromOffset, to, toOffset, size } of this.isLost ? [] : lists.flat()) {
          if (from.assertUsable() && to.assertUsable()) {
            to.bytes.set(from.bytes.subarray(fromOffset, fromOffset + size), toOffset);
          }
        }
      },
      writeBuffer: (buffer: MadeUpBuffer, offset: number, data: ArrayBufferView) => {
        if (!this.isLost && buffer.assertUsable()) {
          buffer.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
        }
      },
      onSubmittedWorkDone: () => Promise.resolve(),
    };
  }

  createBuffer(descriptor: GPUBufferDescriptor): MadeUpBuffer {
    return new MadeUpBuffer(this, descriptor);
  }

  createBindGroupLayout = (): object => ({});
  createPipelineLayout = (): object => ({});
  createBindGroup = ({
    entries,
  }: {
    readonly entries: readonly { readonly resource: { readonly buffer: MadeUpBuffer } }[];
  }) => {
    return { usable: this.isLost || entries.every(({ resource }) => resource.buffer.assertUsable()) };
  };
  createShaderModule = (): object => ({ getCompilationInfo: async () => ({ messages: [] }) });
  createComputePipelineAsync = async (): Promise<object> => ({});
  createCommandEncoder = (): MadeUpEncoder => new MadeUpEncoder();

  pushErrorScope(filter: Filter): void {
    this.#scopes.push({ filter, error: null });
  }

  async popErrorScope(): Promise<object | null> {
    const scope = this.#scopes.pop();
    if (!scope) {
      throw new DOMException('no error scope is open', 'OperationError');
    }
    return this.isLost ? null : scope.error;
  }

  addEventListener(_: string, listener: (event: { readonly error: object }) => void): void {
    this.#listeners.push(listener);
  }

  /** A command was wrong: the innermost scope for that gets the error, or else the listeners. */
  report(message: string): void {
    if (this.isLost) {
      return;
    }
    const error = new GPUValidationError(message);
    const scope = this.#scopes.findLast(({ filter }) => filter === 'validation');
    if (scope) {
      scope.error ??= error;
      return;
    }
    for (const listener of this.#listeners) {
      listener({ error });
    }
  }

  destroy(): void {
    this.isLost = true;
    this.#lose({ reason: 'destroyed', message: '' });
  }
}

/** Opens such a device. Its capabilities are those of a driver on the CPU. */
export async function openMadeUpDevice(): Promise<Device> {
  const gpu = new MadeUpGpu() as unknown as GPUDevice;
  const caps = {
    f16: true,
    subgroups: true,
    subgroupMinSize: 8,
    subgroupMaxSize: 8,
    software: true,
    maxWorkgroupStorage: LIMITS.maxComputeWorkgroupStorageSize,
    maxInvocations: LIMITS.maxComputeInvocationsPerWorkgroup,
    maxStorageBuffers: LIMITS.maxStorageBuffersPerShaderStage,
  };
  return new Device(gpu, caps, { vendor: 'made up', architecture: '', description: 'computes nothing' });
}
