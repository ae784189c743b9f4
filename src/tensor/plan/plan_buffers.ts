/** The GPU buffers of one plan, by the schedule's numbers: all there from the start, some given back early. */
import type { Device } from '../device.ts';
import type { DeviceMemory } from '../device_memory.ts';
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

  /** @throws Error when memory runs out, naming the need; nothing is then held */
  static async allocate({ gpu, memory }: Device, schedule: Schedule): Promise<PlanBuffers> {
    gpu.pushErrorScope('out-of-memory');
    const buffers = schedule.buffers.map((b) =>
      memory.create({ label: b.name, size: b.bytes, usage: USAGE.STORAGE | USAGE.COPY_SRC | USAGE.COPY_DST }),
    );
    const shortage = await gpu.popErrorScope();
    if (shortage) {
      for (const buffer of buffers) {
        memory.destroy(buffer);
      }
      const total = schedule.buffers.reduce((n, b) => n + b.bytes, 0);
      throw new Error(
        `the GPU has too little memory for this plan (${mib(total)} MiB needed): choose a smaller size or model`,
      );
    }
    return new PlanBuffers(memory, schedule.buffers, buffers);
  }

  /** @throws Error when it was given back */
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

  /** @throws Error when what the load stage reads was given back */
  assertLoadable(): void {
    const gone = this.#specs.find((spec, i) => spec.loadOnly && !this.#buffers[i]);
    if (gone) {
      throw new Error(
        `the load stage cannot run again: the memory of ${gone.name} was given back after it ran (compile with keepLoadInputs: true to keep it)`,
      );
    }
  }

  /** Gives back what only the load stage reads. */
  releaseLoadOnly(): void {
    this.#specs.forEach((spec, i) => {
      if (spec.loadOnly) {
        this.#giveBack(i);
      }
    });
  }

  destroy(): void {
    for (let i = 0; i < this.#buffers.length; i++) {
      this.#giveBack(i);
    }
  }

  #giveBack(i: number): void {
    const buffer = this.#buffers[i];
    if (buffer) {
      this.#memory.destroy(buffer);
      this.#buffers[i] = null;
    }
  }
}
