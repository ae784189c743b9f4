/** A plan is compiled once and replayed many times. `compile` makes one. */
import type { Device } from '../device/device.ts';
import { suggestion } from '../nearest_names.ts';
import type { InputSpec, Schedule, Step, Upload } from '../schedule/schedule.ts';
import { type PlanSummary, summarize } from '../schedule/summary.ts';
import type { Stage, TensorType } from '../types.ts';
import { at } from '../types.ts';
import { drained } from './drained.ts';
import { type Encoded, submit } from './encode.ts';
import { Freshness } from './freshness.ts';
import type { NotFinite } from './not_finite.ts';
import type { PlanBuffers } from './plan_buffers.ts';
import { PlanInputs } from './plan_inputs.ts';
import { readValues } from './readback.ts';
import { partOf, type StageResults } from './stage_part.ts';
import { type Pieces, prefetched, Throttle } from './stream.ts';

/** A dispatch that was timed on the GPU. */
export interface TimedStep {
  readonly step: Step;
  /** Nanoseconds since the stage's first dispatch began. */
  readonly begin: number;
  readonly ns: number;
}

/** The work of one run of a stage. */
interface Replay {
  readonly list: readonly Encoded[];
  readonly uploads: readonly Upload[];
  readonly copies: Schedule['copies'];
}

/** A compiled computation: its inputs are written, its stages run, and its outputs read, as often as wanted. */
export class Plan implements Disposable {
  /** The totals of the plan: dispatches, arithmetic and memory. */
  readonly summary: PlanSummary;
  /**
   * The dispatches, their order and their buffers.
   * @internal
   */
  readonly schedule: Schedule;
  readonly #device: Device;
  readonly #buffers: PlanBuffers;
  readonly #inputs: PlanInputs;
  readonly #encoded: Readonly<Record<Stage, readonly Encoded[]>>;
  readonly #uniforms: GPUBuffer | null;
  readonly #fresh: Freshness;
  /** The parts of stages that were run, by what was wanted of them. */
  readonly #parts = new Map<string, Replay>();
  #isDestroyed = false;

  /**
   * For `compile`.
   * @param declared the inputs of the graph, those that nothing reads among them
   * @internal
   */
  constructor(
    device: Device,
    schedule: Schedule,
    buffers: PlanBuffers,
    encoded: Readonly<Record<Stage, readonly Encoded[]>>,
    uniforms: GPUBuffer | null,
    declared: ReadonlyMap<string, TensorType>,
  ) {
    this.#device = device;
    this.schedule = schedule;
    this.#buffers = buffers;
    this.#inputs = new PlanInputs(device.gpu.queue, schedule, buffers, declared);
    this.#encoded = encoded;
    this.#uniforms = uniforms;
    this.#fresh = new Freshness(schedule);
    this.summary = summarize(schedule);
  }

  /**
   * Fills several graph inputs: values by name. Numbers are converted to the input's type; a Uint8Array is taken as its raw
   * bytes. Those of a streamed input are kept, to be brought in whenever it is read. A declared input that nothing reads has no
   * memory, so its values go nowhere (see `reads`).
   * @throws Error, one sentence: a name that the graph has not (with the nearest ones), a length that does not fit, or an
   *   input whose memory was given back when the load stage had run
   */
  write(values: Readonly<Record<string, ArrayLike<number> | Uint8Array>>): void;
  /** Fills one graph input. @throws Error as for several */
  write(name: string, data: ArrayLike<number> | Uint8Array): void;
  write(
    first: string | Readonly<Record<string, ArrayLike<number> | Uint8Array>>,
    data: ArrayLike<number> | Uint8Array = [],
  ): void {
    this.#assertUsable('written to');
    for (const [name, values] of typeof first === 'string' ? [[first, data] as const] : Object.entries(first)) {
      this.#inputs.write(name, values);
      this.#fresh.wrote(name);
    }
  }

  /** Says where the bytes of a streamed input come from. @returns false when the input is not streamed: fill it at once */
  stream(name: string, pieces: Pieces): boolean {
    this.#assertUsable('written to');
    const streamed = this.#inputs.stream(name, pieces);
    if (streamed) {
      this.#fresh.wrote(name);
    }
    return streamed;
  }

  /** Whether anything reads this graph input; what nothing reads has no buffer, and writes to it do nothing. */
  reads(name: string): boolean {
    return this.#inputs.reads(name);
  }

  /**
   * Returns the place of a graph input on the GPU, for a kernel that fills it there, and counts it as written. Returns null for an
   * input without a buffer of its own: streamed ones, and those that nothing reads.
   * @internal
   */
  fillable(name: string): { readonly buffer: GPUBuffer; readonly input: InputSpec } | null {
    this.#assertUsable('written to');
    const input = this.schedule.inputs.get(name);
    if (!input) {
      return null;
    }
    this.#fresh.wrote(name);
    return { buffer: this.#buffers.at(input.buffer), input };
  }

  /**
   * Fills a part of a graph input: its bytes, as it stores them, from byte `offset` (a multiple of 4) on.
   * @throws Error when they do not fit, or as `write`
   */
  writePart(name: string, bytes: Uint8Array<ArrayBuffer>, offset: number): void {
    this.#assertUsable('written to');
    this.#inputs.writePart(name, bytes, offset);
    this.#fresh.wrote(name);
  }

  /**
   * Runs a step, and before it every stage that is stale: one that has not run, or one of whose inputs was written since, or
   * one that follows a stage that ran anew. Resolves as soon as all is queued; then every state has its new value.
   * @throws Error as `run`
   */
  async step(): Promise<void> {
    this.#assertUsable('run');
    for (const stage of ['load', 'prompt'] as const) {
      if (this.#fresh.isStale(stage)) {
        await this.run(stage);
      }
    }
    await this.run('step');
  }

  /**
   * Runs one stage, for loops that decide themselves what runs when. It never runs another one: where an earlier stage is
   * stale it refuses, and so computes nothing from old values.
   * Resolves as soon as the stage is queued. After `step`, every state has its new value. A stage without streamed inputs is
   * queued when this returns; another waits for their bytes, and for the GPU to take them, so nothing else may be written or
   * run on this plan until it resolves.
   * @param results only these outputs and states are computed, with what they need; the others keep their values. Default: all
   * @throws Error, one sentence: an earlier stage is stale, an input was never written, the load stage cannot run again
   *   because its weights were given back, bytes of a streamed input are missing, or a result has no such name
   */
  async run(stage: Stage, results?: StageResults): Promise<void> {
    this.#assertUsable('run');
    const { gpu } = this.#device;
    this.#device.assertHealthy();
    this.#fresh.assertReady(stage);
    if (stage === 'load') {
      this.#buffers.assertLoadable();
    }
    const { list, uploads, copies } = this.#replay(stage, results);
    let done = 0;
    const upTo = (end: number): void => {
      submit(gpu, stage, list, done, end);
      done = end;
    };
    if (uploads.length > 0) {
      await this.#streamed(uploads, upTo);
    }
    upTo(list.length);
    if (copies.length > 0) {
      const encoder = gpu.createCommandEncoder({ label: 'updates' });
      for (const { from, to, bytes } of copies) {
        encoder.copyBufferToBuffer(this.#buffers.at(from), 0, this.#buffers.at(to), 0, bytes);
      }
      gpu.queue.submit([encoder.finish()]);
    }
    if (stage === 'load') {
      this.#buffers.releaseLoadOnly();
    }
    this.#fresh.ran(stage);
  }

  /** Returns what a stage, or the part of it that gives some results, encodes. */
  #replay(stage: Stage, results: StageResults | undefined): Replay {
    const encoded = this.#encoded[stage];
    if (!results) {
      const copies = stage === 'step' ? this.schedule.copies : [];
      return { list: encoded, uploads: this.schedule.uploads[stage], copies };
    }
    const key = JSON.stringify([stage, results.outputs, results.states]);
    let replay = this.#parts.get(key);
    if (!replay) {
      const { steps, ...rest } = partOf(this.schedule, stage, results);
      replay = { list: steps.map((i) => at(encoded, i)), ...rest };
      this.#parts.set(key, replay);
    }
    return replay;
  }

  /** Brings in streamed inputs, each when the steps before it have been queued by `upTo`. */
  async #streamed(uploads: readonly Upload[], upTo: (end: number) => Promise<void> | void): Promise<void> {
    const throttle = new Throttle(this.#device);
    for await (const { upload, offset, bytes } of prefetched(uploads, (name) => this.#inputs.source(name))) {
      await upTo(upload.before);
      this.#inputs.put(upload.input, upload, bytes, offset);
      await throttle.sent(bytes.length);
    }
  }

  /**
   * Runs a stage step by step until a result holds a value that is no finite number. States keep their values.
   * @returns the result, or null when all are finite @throws Error as `run`
   * @internal
   */
  async firstNotFinite(stage: Stage): Promise<NotFinite | null> {
    this.#assertUsable('run');
    this.#device.assertHealthy();
    this.#fresh.assertReady(stage);
    const { notFiniteOutput } = await import('./not_finite.ts'); // Few programs need it, so bundles load it then.
    const steps = this.schedule.steps[stage];
    let done = 0;
    let found: NotFinite | null = null;
    const upTo = async (end: number): Promise<void> => {
      for (; done < end && !found; done++) {
        submit(this.#device.gpu, stage, this.#encoded[stage], done, done + 1);
        found = await notFiniteOutput(this.#device, steps, done, this.#buffers);
      }
    };
    await this.#streamed(this.schedule.uploads[stage], upTo);
    await upTo(steps.length);
    return found;
  }

  /**
   * Returns the values of an output or input at this point of the queue, as f32 (i32 is exact up to 2^24).
   * The copy is queued at once and resolves later, so reads can be pipelined.
   * @throws Error, one sentence: an unknown name (with the nearest ones), or a value that is not there yet or no longer
   */
  async read(name: string): Promise<Float32Array<ArrayBuffer>> {
    this.#assertUsable('read');
    const output = this.schedule.outputs.get(name);
    const found: InputSpec | undefined = output ? { ...output, offset: 0 } : this.schedule.inputs.get(name);
    if (!found) {
      const why = this.#inputs.isDeclared(name) ? 'nothing reads this input' : this.#suggestion(name);
      throw new Error(`the plan has no output or input named ${name}: ${why}`);
    }
    if (output) {
      this.#fresh.assertComputed(name, found.buffer);
    } else {
      this.#fresh.assertWritten(name);
    }
    return readValues(this.#device, name, this.#buffers.at(found.buffer), found);
  }

  #suggestion(name: string): string {
    return suggestion(name, [...this.schedule.outputs.keys(), ...this.schedule.inputs.keys()]);
  }

  /** Resolves when all that was submitted or written has run. */
  async finished(): Promise<void> {
    await drained(this.#device);
    this.#device.assertHealthy();
  }

  /**
   * Whether `profile` has times to give.
   * @internal
   */
  get hasTimestamps(): boolean {
    return this.#device.gpu.features.has('timestamp-query');
  }

  /**
   * Runs the dispatches of a stage, each in a pass of its own with GPU timestamps around it. States keep their values.
   * @returns the begin of each dispatch, in nanoseconds since the first one's, and its nanoseconds; null where the adapter has no
   *   timestamp-query or the stage has no dispatch
   * @throws Error as `run`
   * @internal
   */
  async profile(stage: Stage): Promise<TimedStep[] | null> {
    const list = this.#timeable(stage);
    const { timed } = await import('./timestamps.ts'); // As above.
    const spans = list && (await timed(this.#device, list));
    return (
      spans?.map(({ begin, end }, i) => ({ step: at(this.schedule.steps[stage], i), begin, ns: end - begin })) ?? null
    );
  }

  /**
   * Runs the dispatches of a stage in passes of `length`, with GPU timestamps around each pass alone.
   * @returns the number of dispatches of each pass, and its nanoseconds; null and @throws as `profile`
   * @internal
   */
  async passTimes(
    stage: Stage,
    length: number,
  ): Promise<{ readonly dispatches: number; readonly ns: number }[] | null> {
    const list = this.#timeable(stage);
    if (!list) {
      return null;
    }
    const count = Math.ceil(list.length / length);
    const passes = Array.from({ length: count }, (_, i) => list.slice(i * length, (i + 1) * length));
    const { timedPasses } = await import('./timestamps.ts'); // As above.
    const spans = await timedPasses(this.#device, passes);
    return spans.map(({ begin, end }, i) => ({ dispatches: at(passes, i).length, ns: end - begin }));
  }

  #timeable(stage: Stage): readonly Encoded[] | null {
    this.#assertUsable('run');
    const list = this.#encoded[stage];
    if (!this.hasTimestamps || list.length === 0) {
      return null;
    }
    this.#fresh.assertReady(stage);
    return list;
  }

  #assertUsable(verb: 'run' | 'read' | 'written to'): void {
    if (this.#isDestroyed) {
      throw new Error(`this plan was destroyed and cannot be ${verb}: compile it again`);
    }
  }

  /** Gives all GPU memory back; the plan cannot be used afterwards. */
  destroy(): void {
    this.#isDestroyed = true;
    this.#buffers.destroy();
    if (this.#uniforms) {
      this.#device.memory.destroy(this.#uniforms);
    }
  }

  /** As `destroy`, for `using`. */
  [Symbol.dispose](): void {
    this.destroy();
  }
}
