/** The GPU buffers of a plan, by their index in the schedule. All exist from the start; the load stage frees some. */
import type { Device } from '../device/device.ts';
import type { DeviceMemory } from '../device/device_memory.ts';
import { GpuError, withNeed } from '../device/gpu_error.ts';
import type { BufferSpec, Schedule } from '../schedule/schedule.ts';
import { USAGE } from './buffer_usage.ts';
import { mib } from './limits.ts';

export class PlanBuffers {
  readonly #memory: DeviceMemory;
  readonly #specs: readonly BufferSpec[];
  readonly #buffers: (GPUBuffer | null)[];

  private constructor(memory: DeviceMemory, specs: readonly BufferSpec[], buffers: GPUBuffer[]) {
    this.#memory = memory;
    this.#specs = specs;
    this.#buffers = buffers;
  }

  /** @throws GpuError when memory runs out; the message says how much is needed, and nothing stays allocated */
  static async allocate(device: Device, schedule: Schedule): Promise<PlanBuffers> {
    const { gpu, memory } = device;
    const buffers: GPUBuffer[] = [];
    const usage = USAGE.STORAGE | USAGE.COPY_SRC | USAGE.COPY_DST;
    gpu.pushErrorScope('out-of-memory');
    let problem: Promise<GPUError | null>;
    try {
      for (const { name, bytes } of schedule.buffers) {
        buffers.push(memory.create({ label: name, size: bytes, usage }));
      }
    } finally {
      problem = gpu.popErrorScope();
      problem.catch(() => {}); // Below it is awaited, unless a buffer could not even be asked for.
    }
    try {
      if (await device.settled(problem)) {
        const total = bytesOf(schedule.buffers);
        throw new GpuError(
          'out-of-memory',
          `the GPU has too little memory for this plan (${mib(total)} MiB needed): choose a smaller size or model`,
          total,
        );
      }
    } catch (error) {
      for (const buffer of buffers) {
        memory.destroy(buffer);
      }
      throw withNeed(error, bytesOf(schedule.buffers));
    }
    return new PlanBuffers(memory, schedule.buffers, buffers);
  }

  /** Bytes of all buffers together. */
  get bytes(): number {
    return bytesOf(this.#specs);
  }

  /** @throws Error when the buffer was freed */
  at(index: number): GPUBuffer {
    const buffer = this.#buffers[index];
    if (!buffer) {
      const name = this.#specs[index]?.name;
      throw new Error(
        `${name} is gone: the load stage ran already, and nothing else reads it, so its memory was given back (compile with keepLoadInputs: true to keep it)`,
      );
    }
    return buffer;
  }

  /** @throws Error when an input that the load stage reads was freed */
  assertLoadable(): void {
    const gone = this.#specs.find((spec, i) => spec.loadOnly && !this.#buffers[i]);
    if (gone) {
      throw new Error(
        `the load stage cannot run again: the memory of ${gone.name} was given back after it ran (compile with keepLoadInputs: true to keep it)`,
      );
    }
  }

  /** Frees the buffers that only the load stage reads. */
  releaseLoadOnly(): void {
    this.#specs.forEach((spec, i) => {
      if (spec.loadOnly) {
        this.#free(i);
      }
    });
  }

  destroy(): void {
    for (let i = 0; i < this.#buffers.length; i++) {
      this.#free(i);
    }
  }

  #free(i: number): void {
    const buffer = this.#buffers[i];
    if (buffer) {
      this.#memory.destroy(buffer);
      this.#buffers[i] = null;
    }
  }
}

const bytesOf = (specs: readonly BufferSpec[]): number => specs.reduce((sum, { bytes }) => sum + bytes, 0);
