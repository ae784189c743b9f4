/** Measures the time that a timed compute pass adds to the dispatches in it. */
import type { Device } from '../device/device.ts';
import { at } from '../types.ts';
import { USAGE } from './buffer_usage.ts';
import type { Encoded } from './encode.ts';
import { timedPasses } from './timestamps.ts';

/** Each dispatch reads what the one before it wrote, so that a GPU runs one after another, as in a plan. */
const CODE = `@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  y[id.x] = y[id.x] + 1.0;
}`;
const INVOCATIONS = 64;

/** Passes of each length in a sample. */
const PASSES = 8;
/** Dispatches of a short and of a long pass: their difference has no part of a pass's own cost. */
const [SHORT, LONG] = [16, 32];

/** Passes with a small kernel, by which the cost of a pass is measured. `passCostProbe` makes one. */
export class PassCostProbe implements Disposable {
  readonly #device: Device;
  readonly #dispatch: Encoded;
  readonly #buffer: GPUBuffer;
  /** The fastest pass of each length so far, in ns. */
  readonly #fastest = new Map([1, SHORT, LONG].map((length) => [length, Number.POSITIVE_INFINITY]));

  /** @internal */
  constructor(device: Device, dispatch: Encoded, buffer: GPUBuffer) {
    this.#device = device;
    this.#dispatch = dispatch;
    this.#buffer = buffer;
  }

  /** Times some passes of each length. @throws Error as `Plan.run` */
  async sample(): Promise<void> {
    const lengths = Array.from({ length: PASSES }, () => [1, SHORT, 1, LONG]).flat();
    const passes = lengths.map((length) => Array.from({ length }, () => this.#dispatch));
    for (const [i, { begin, end }] of (await timedPasses(this.#device, passes)).entries()) {
      const length = at(lengths, i);
      this.#fastest.set(length, Math.min(this.#time(length), end - begin));
    }
  }

  /**
   * The nanoseconds by which a pass of one dispatch takes longer than this dispatch within a long pass: the driver's work at the
   * ends of a pass, such as waiting until the GPU is idle. By the fastest passes, because another program makes a pass slower, never
   * faster; at least 0.
   */
  get ns(): number {
    return Math.max(0, this.#time(1) - (this.#time(LONG) - this.#time(SHORT)) / (LONG - SHORT));
  }

  #time(length: number): number {
    return this.#fastest.get(length) ?? Number.POSITIVE_INFINITY;
  }

  [Symbol.dispose](): void {
    this.#device.memory.destroy(this.#buffer);
  }
}

/** Compiles the small kernel. The device has timestamp-query. */
export async function passCostProbe(device: Device): Promise<PassCostProbe> {
  const layout = device.layout(false, 'w');
  const pipeline = await device.pipeline('pass_cost', CODE, layout, {});
  const buffer = device.memory.create({ size: 4 * INVOCATIONS, usage: USAGE.STORAGE });
  const bindGroup = device.gpu.createBindGroup({ layout, entries: [{ binding: 1, resource: { buffer } }] });
  return new PassCostProbe(device, { pipeline, bindGroup, workgroups: [1, 1, 1] }, buffer);
}
