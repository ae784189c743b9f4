/** What was compiled once and is replayed many times. `compile` makes one. */
import type { Device } from '../device.ts';
import type { InputSpec, Schedule, Step } from '../schedule/schedule.ts';
import { type PlanSummary, summarize } from '../schedule/summary.ts';
import type { Stage } from '../types.ts';
import { at } from '../types.ts';
import { type Encoded, submit } from './encode.ts';
import type { PlanBuffers } from './plan_buffers.ts';
import { PlanInputs } from './plan_inputs.ts';
import { timed } from './profile.ts';
import { readValues } from './readback.ts';
import { arrivals, type Pieces, Throttle } from './stream.ts';

export class Plan {
  readonly summary: PlanSummary;
  readonly schedule: Schedule;
  readonly #device: Device;
  readonly #buffers: PlanBuffers;
  readonly #inputs: PlanInputs;
  readonly #encoded: Readonly<Record<Stage, readonly Encoded[]>>;
  readonly #uniforms: GPUBuffer | null;

  constructor(
    device: Device,
    schedule: Schedule,
    buffers: PlanBuffers,
    encoded: Readonly<Record<Stage, readonly Encoded[]>>,
    uniforms: GPUBuffer | null,
  ) {
    this.#device = device;
    this.schedule = schedule;
    this.#buffers = buffers;
    this.#inputs = new PlanInputs(device.gpu.queue, schedule, buffers);
    this.#encoded = encoded;
    this.#uniforms = uniforms;
    this.summary = summarize(schedule);
  }

  /**
   * Fills a graph input. Numbers are converted to the input's type; a Uint8Array is taken as its raw bytes.
   * Those of a streamed input are kept, to be brought in whenever it is read.
   * @throws Error when the length does not fit.
   */
  write(name: string, data: ArrayLike<number> | Uint8Array): void {
    this.#inputs.write(name, data);
  }

  /** Says where the bytes of a streamed input come from. @returns false when the input is not streamed: fill it at once */
  stream(name: string, pieces: Pieces): boolean {
    return this.#inputs.stream(name, pieces);
  }

  /** Whether anything reads this graph input; what nothing reads has no buffer, and writes to it do nothing. */
  reads(name: string): boolean {
    return this.#inputs.reads(name);
  }

  /**
   * Some of a graph input's bytes, as it stores them, from byte `offset` (a multiple of 4) on.
   * @throws Error when they do not fit
   */
  writePart(name: string, bytes: Uint8Array<ArrayBuffer>, offset: number): void {
    this.#inputs.writePart(name, bytes, offset);
  }

  /**
   * Encodes and submits a stage; resolves as soon as it is queued. After `step`, every state has its new value.
   * A stage without streamed inputs is queued when this returns; another waits for their bytes, and for the GPU to take
   * them, so nothing else may be written or run on this plan until it resolves.
   * @throws Error when bytes of a streamed input are missing or cannot be read
   */
  async run(stage: Stage): Promise<void> {
    const { gpu } = this.#device;
    this.#device.assertHealthy();
    const list = this.#encoded[stage];
    const uploads = this.schedule.uploads[stage];
    let done = 0;
    if (uploads.length > 0) {
      const throttle = new Throttle(gpu.queue);
      for await (const { upload, offset, bytes } of arrivals(uploads, (name) => this.#inputs.source(name))) {
        submit(gpu, stage, list, done, upload.before);
        done = upload.before;
        this.#inputs.put(upload.input, upload, bytes, offset);
        await throttle.sent(bytes.length);
      }
    }
    submit(gpu, stage, list, done, list.length);
    if (stage === 'step' && this.schedule.copies.length > 0) {
      const encoder = gpu.createCommandEncoder({ label: 'updates' });
      for (const { from, to, bytes } of this.schedule.copies) {
        encoder.copyBufferToBuffer(this.#buffers.at(from), 0, this.#buffers.at(to), 0, bytes);
      }
      gpu.queue.submit([encoder.finish()]);
    }
    if (stage === 'load') {
      this.#buffers.releaseLoadOnly();
    }
  }

  /**
   * Values of an output or input at this point of the queue, as f32 (i32 for ids, exact up to 2^24).
   * The copy is queued at once and resolves later, so reads can be pipelined.
   */
  async read(name: string): Promise<Float32Array<ArrayBuffer>> {
    const output = this.schedule.outputs.get(name);
    const found: InputSpec | undefined = output ? { ...output, offset: 0 } : this.schedule.inputs.get(name);
    if (!found) {
      throw new Error(`the plan has no output or input named ${name}`);
    }
    return readValues(this.#device, name, this.#buffers.at(found.buffer), found);
  }

  /** Resolves when all that was submitted or written has run. */
  async finished(): Promise<void> {
    this.#device.gpu.queue.submit([]); // Writes wait for a submission.
    await this.#device.gpu.queue.onSubmittedWorkDone();
    this.#device.assertHealthy();
  }

  /**
   * Runs a stage with a GPU timestamp around each dispatch (its updates included).
   * @returns nanoseconds per dispatch, or null where the adapter has no timestamp-query.
   */
  async profile(stage: Stage): Promise<{ readonly step: Step; readonly ns: number }[] | null> {
    const list = this.#encoded[stage];
    if (!this.#device.gpu.features.has('timestamp-query') || list.length === 0) {
      return null;
    }
    const times = await timed(this.#device, list);
    return times.map((ns, i) => ({ step: at(this.schedule.steps[stage], i), ns }));
  }

  /** Gives all GPU memory back; the plan cannot be used afterwards. */
  destroy(): void {
    this.#buffers.destroy();
    if (this.#uniforms) {
      this.#device.memory.destroy(this.#uniforms);
    }
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}
