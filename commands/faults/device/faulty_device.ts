/** A device that fails at a chosen call, and counts what is made and given back on it. */
import { Device } from '../../../src/tensor/device.ts';

/** The calls at which a device can fail. */
export type Call = 'createBuffer' | 'writeBuffer' | 'createComputePipelineAsync' | 'submit' | 'mapAsync';

/** `lost`: the driver gives the device up. `out-of-memory`: this buffer cannot be made. `validation`: the command is refused. */
export type DeviceFault = 'lost' | 'out-of-memory' | 'validation';

/** A fault at call number `at` (from 0) of its kind. */
export interface PlannedFault {
  readonly call: Call;
  readonly at: number;
  readonly fault: DeviceFault;
}

type Errors = 'out-of-memory' | 'validation' | 'internal';

class GPUOutOfMemoryError {
  readonly message = 'injected: no memory for this buffer';
}

class GPUValidationError {
  readonly message = 'injected: the command is refused';
}

export class FaultyDevice {
  /** The device for the program under test. */
  readonly device: Device;
  /** Calls so far. */
  readonly counts: Record<Call, number> = {
    createBuffer: 0,
    writeBuffer: 0,
    createComputePipelineAsync: 0,
    submit: 0,
    mapAsync: 0,
  };
  /** Listeners on the device. */
  listeners = 0;
  /** Whether the fault has happened. */
  happened = false;
  readonly #real: Device;
  readonly #fault: PlannedFault | null;
  readonly #scopes: { readonly filter: Errors; error: object | null }[] = [];
  readonly #reports: ((event: { readonly error: object }) => void)[] = [];
  #lose: (info: { reason: string; message: string }) => void = () => {};

  constructor(real: Device, fault: PlannedFault | null) {
    this.#real = real;
    this.#fault = fault;
    const lost = new Promise<{ reason: string; message: string }>((resolve) => {
      this.#lose = resolve;
      void real.gpu.lost.then((info) => resolve({ reason: info.reason, message: info.message }));
    });
    this.device = new Device(this.#wrapped(lost), real.caps, real.info);
  }

  #wrapped(lost: Promise<unknown>): GPUDevice {
    const { gpu } = this.#real;
    const queue = proxied(gpu.queue, {
      submit: (commands: Iterable<GPUCommandBuffer>) => {
        this.#count('submit');
        gpu.queue.submit(commands);
      },
      writeBuffer: (...args: Parameters<GPUQueue['writeBuffer']>) => {
        this.#count('writeBuffer');
        gpu.queue.writeBuffer(...args);
      },
    });
    return proxied(gpu, {
      queue,
      lost,
      createBuffer: (descriptor: GPUBufferDescriptor) => {
        this.#count('createBuffer');
        const buffer = gpu.createBuffer(descriptor);
        const map = buffer.mapAsync.bind(buffer);
        buffer.mapAsync = (...args) => {
          this.#count('mapAsync');
          return map(...args);
        };
        return buffer;
      },
      createComputePipelineAsync: (descriptor: GPUComputePipelineDescriptor) => {
        this.#count('createComputePipelineAsync');
        return gpu.createComputePipelineAsync(descriptor);
      },
      pushErrorScope: (filter: Errors) => {
        this.#scopes.push({ filter, error: null });
        gpu.pushErrorScope(filter);
      },
      popErrorScope: async () => {
        const scope = this.#scopes.pop();
        return (await gpu.popErrorScope()) ?? scope?.error ?? null;
      },
      addEventListener: (type: string, listener: (event: never) => void) => {
        this.listeners += 1;
        if (type === 'uncapturederror') {
          this.#reports.push(listener as (event: { readonly error: object }) => void);
        }
        gpu.addEventListener('uncapturederror', listener as (event: GPUUncapturedErrorEvent) => void);
      },
    });
  }

  #count(call: Call): void {
    const n = this.counts[call]++;
    if (this.#fault?.call !== call || this.#fault.at !== n) {
      return;
    }
    this.happened = true;
    if (this.#fault.fault === 'lost') {
      this.#lose({ reason: 'unknown', message: `injected at ${call} ${n}` });
      this.#real.gpu.destroy();
      return;
    }
    const [filter, error] =
      this.#fault.fault === 'out-of-memory'
        ? (['out-of-memory', new GPUOutOfMemoryError()] as const)
        : (['validation', new GPUValidationError()] as const);
    const scope = this.#scopes.findLast((open) => open.filter === filter);
    if (scope) {
      scope.error ??= error;
    } else {
      for (const report of this.#reports) {
        report({ error });
      }
    }
  }
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
