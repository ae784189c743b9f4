/** A device that fails at a chosen call, and counts what is made and given back on it. */
import { Device } from '../../../src/tensor/device/device.ts';

/** The calls at which a device can fail. */
export const CALLS = [
  'createBuffer',
  'writeBuffer',
  'createComputePipelineAsync',
  'createBindGroup',
  'popErrorScope',
  'submit',
  'mapAsync',
] as const;
export type Call = (typeof CALLS)[number];

/**
 * `lost`: the driver gives the device up. `out-of-memory`: what the call would allocate is not there. `validation`: the command is
 * refused.
 */
export type DeviceFault = 'lost' | 'out-of-memory' | 'validation';

/** A fault at call number `at` (from 0) of its kind; or at every buffer that brings the device above `bytes`. */
export type PlannedFault =
  | { readonly call: Call; readonly at: number; readonly fault: DeviceFault }
  | { readonly call: 'createBuffer'; readonly bytes: number; readonly fault: 'out-of-memory' };

type Errors = 'out-of-memory' | 'validation' | 'internal';

class GPUOutOfMemoryError {
  readonly message = 'injected: there is no memory';
}

class GPUValidationError {
  readonly message = 'injected: the command is refused';
}

type Listener = (event: { readonly error: object }) => void;

/** The driver's device for many trials, with its compiled pipelines, which compiling again would only slow. */
export class SharedDriver {
  readonly real: Device;
  readonly pipelines = new Map<string, Promise<GPUComputePipeline>>();
  /** The listeners of the present trial. */
  listeners: readonly Listener[] = [];

  constructor(real: Device) {
    this.real = real;
    real.gpu.addEventListener('uncapturederror', (event) => {
      for (const listener of this.listeners) {
        listener(event);
      }
    });
  }
}

export class FaultyDevice {
  /** The device for the program under test. */
  readonly device: Device;
  /** Calls so far. */
  readonly counts = Object.fromEntries(CALLS.map((call) => [call, 0])) as Record<Call, number>;
  /** Listeners on the device. */
  listeners = 0;
  /** Buffers that were made and not destroyed. */
  buffers = 0;
  /** Whether the fault has happened. */
  happened = false;
  readonly #driver: SharedDriver;
  readonly #isShared: boolean;
  readonly #fault: PlannedFault | null;
  readonly #scopes: { readonly filter: Errors; error: object | null }[] = [];
  readonly #reports: Listener[] = [];
  readonly #codes = new WeakMap<object, string>();
  #bytes = 0;
  #lose: (info: { reason: string; message: string }) => void = () => {};

  /** @param driver a device of its own, which ends with this; or one that outlives it, where nothing may be lost */
  constructor(driver: Device | SharedDriver, fault: PlannedFault | null) {
    this.#isShared = driver instanceof SharedDriver;
    this.#driver = driver instanceof SharedDriver ? driver : new SharedDriver(driver);
    this.#driver.listeners = this.#reports;
    this.#fault = fault;
    const { real } = this.#driver;
    const lost = new Promise<{ reason: string; message: string }>((resolve) => {
      this.#lose = resolve;
      if (this.#isShared) {
        return;
      }
      void real.gpu.lost.then((info) => resolve({ reason: info.reason, message: info.message }));
    });
    this.device = new Device(this.#wrapped(lost), real.caps, real.info);
  }

  #wrapped(lost: Promise<unknown>): GPUDevice {
    const { gpu } = this.#driver.real;
    const queue = proxied(gpu.queue, {
      submit: (commands: Iterable<GPUCommandBuffer>) => {
        if (!this.#fails('submit')) {
          gpu.queue.submit(commands);
        }
      },
      writeBuffer: (...args: Parameters<GPUQueue['writeBuffer']>) => {
        if (!this.#fails('writeBuffer')) {
          gpu.queue.writeBuffer(...args);
        }
      },
    });
    return proxied(gpu, {
      queue,
      lost,
      createBuffer: (descriptor: GPUBufferDescriptor) => this.#buffer(descriptor),
      createShaderModule: (descriptor: GPUShaderModuleDescriptor) => {
        const module = gpu.createShaderModule(descriptor);
        this.#codes.set(module, descriptor.code);
        return module;
      },
      createComputePipelineAsync: (descriptor: GPUComputePipelineDescriptor) => this.#pipeline(descriptor),
      createBindGroup: (descriptor: GPUBindGroupDescriptor) => {
        this.#fails('createBindGroup');
        return gpu.createBindGroup(descriptor);
      },
      pushErrorScope: (filter: Errors) => {
        this.#scopes.push({ filter, error: null });
        gpu.pushErrorScope(filter);
      },
      popErrorScope: async () => {
        const scope = this.#scopes.pop();
        const failed = this.#fails('popErrorScope');
        const real = await gpu.popErrorScope();
        if (failed) {
          throw new DOMException('injected: the scope gives no answer', 'OperationError');
        }
        return real ?? scope?.error ?? null;
      },
      addEventListener: (type: string, listener: Listener) => {
        this.listeners += 1;
        if (type === 'uncapturederror') {
          this.#reports.push(listener);
        }
      },
      destroy: () => {
        if (this.#isShared) {
          this.#lose({ reason: 'destroyed', message: '' });
        } else {
          gpu.destroy();
        }
      },
    });
  }

  #buffer(descriptor: GPUBufferDescriptor): GPUBuffer {
    const { gpu } = this.#driver.real;
    const full = this.#fault && 'bytes' in this.#fault && this.#bytes + descriptor.size > this.#fault.bytes;
    if (this.#fails('createBuffer', full === true)) {
      return invalidBuffer(gpu, descriptor);
    }
    const buffer = gpu.createBuffer(descriptor);
    this.#bytes += descriptor.size;
    this.buffers += 1;
    const map = buffer.mapAsync.bind(buffer);
    buffer.mapAsync = (...args) => {
      return this.#fails('mapAsync') ? Promise.reject(new DOMException('injected', 'OperationError')) : map(...args);
    };
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      this.#bytes -= descriptor.size;
      this.buffers -= 1;
      return destroy();
    };
    return buffer;
  }

  #pipeline(descriptor: GPUComputePipelineDescriptor): Promise<GPUComputePipeline> {
    const { real, pipelines } = this.#driver;
    if (this.#fails('createComputePipelineAsync')) {
      return Promise.reject(Object.assign(new Error('injected: there is no memory'), { reason: 'internal' }));
    }
    const { module, constants } = descriptor.compute;
    const key = `${JSON.stringify(constants)}\n${this.#codes.get(module)}`;
    const pipeline = pipelines.get(key) ?? real.gpu.createComputePipelineAsync(descriptor);
    pipelines.set(key, pipeline);
    return pipeline;
  }

  /** Counts a call and reports its fault. @returns whether the call does nothing else */
  #fails(call: Call, full = false): boolean {
    const n = this.counts[call]++;
    const fault = this.#fault;
    if (fault?.call !== call || !('at' in fault ? fault.at === n : full)) {
      return false;
    }
    this.happened = true;
    if (fault.fault === 'lost') {
      this.#lose({ reason: 'unknown', message: `injected at ${call} ${n}` });
      this.#driver.real.gpu.destroy();
      return false;
    }
    const isMemory = fault.fault === 'out-of-memory';
    if (call !== 'createComputePipelineAsync' || !isMemory) {
      this.#report(isMemory ? 'out-of-memory' : 'validation');
    }
    return isMemory;
  }

  #report(filter: 'out-of-memory' | 'validation'): void {
    const error = filter === 'out-of-memory' ? new GPUOutOfMemoryError() : new GPUValidationError();
    const scope = this.#scopes.findLast((open) => open.filter === filter);
    if (scope) {
      scope.error ??= error;
      return;
    }
    for (const report of this.#reports) {
      report({ error });
    }
  }
}

/** A buffer as the driver gives it when there is no memory: each command that names it is an error. */
function invalidBuffer(gpu: GPUDevice, descriptor: GPUBufferDescriptor): GPUBuffer {
  gpu.pushErrorScope('validation');
  const buffer = gpu.createBuffer({ ...descriptor, usage: 0x1 | 0x80 }); // MAP_READ and STORAGE exclude each other.
  gpu.popErrorScope().catch(() => {});
  return buffer;
}

/** An object of the driver with some of its members replaced. */
function proxied<T extends object>(target: T, replaced: Readonly<Record<string, unknown>>): T {
  return new Proxy(target, {
    get: (_, key) => {
      if (typeof key === 'string' && Object.hasOwn(replaced, key)) {
        return replaced[key];
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
