/** Compile once, replay many times: buffers, pipelines and bind groups are made here, and only here. */

import type { Device } from './device.ts';
import { decodeF16, encodeF16 } from './half.ts';
import { asWritten, heldPieces } from './held.ts';
import { assemble } from './kernel.ts';
import { type MemoryPhases, memoryPhases } from './memory_phases.ts';
import { RowRounding, readRows } from './rounded_rows.ts';
import type { InputSpec, PlanSpec, Schedule, Step } from './schedule.ts';
import { schedule } from './schedule.ts';
import { arrivals, type Pieces, Throttle } from './stream.ts';
import type { Stage, TensorType } from './types.ts';
import { at, byteSize, STAGES, showType, sizeOf } from './types.ts';
import { Uniforms } from './uniforms.ts';
import { workOf } from './work.ts';

/** Dispatches per submission: enough to keep the queue full, few enough for browser watchdogs. */
const DISPATCHES_PER_SUBMIT = 256;

interface Encoded {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

export interface PlanSummary {
  readonly dispatches: Readonly<Record<Stage, number>>;
  readonly flops: Readonly<Record<Stage, number>>;
  /** Bytes by what they are for; `loadOnly` inputs are given back after the load stage. */
  readonly bytes: {
    readonly inputs: number;
    readonly loadOnly: number;
    readonly kept: number;
    readonly transient: number;
  };
  readonly memory: MemoryPhases;
}

export class Plan {
  readonly summary: PlanSummary;
  readonly schedule: Schedule;
  readonly #device: Device;
  readonly #buffers: (GPUBuffer | null)[];
  readonly #encoded: Readonly<Record<Stage, readonly Encoded[]>>;
  readonly #uniforms: GPUBuffer | null;
  /** Where streamed inputs come from, by name. */
  readonly #sources = new Map<string, Pieces>();
  /** Of inputs that are kept as int8, by name. */
  readonly #roundings = new Map<string, RowRounding>();

  constructor(
    device: Device,
    plan: Schedule,
    buffers: (GPUBuffer | null)[],
    encoded: Readonly<Record<Stage, readonly Encoded[]>>,
    uniforms: GPUBuffer | null,
  ) {
    this.#device = device;
    this.schedule = plan;
    this.#buffers = buffers;
    this.#encoded = encoded;
    this.#uniforms = uniforms;
    this.summary = summarize(plan);
  }

  /**
   * Fills a graph input. Numbers are converted to the input's type; a Uint8Array is taken as its raw bytes.
   * Those of a streamed input are kept, to be brought in whenever it is read.
   * @throws Error when the length does not fit.
   */
  write(name: string, data: ArrayLike<number> | Uint8Array): void {
    const streamed = this.schedule.streams.get(name);
    if (streamed) {
      const bytes = toBytes(name, streamed, data);
      this.stream(name, async function* () {
        yield bytes;
      });
      return;
    }
    const input = this.schedule.inputs.get(name);
    if (!input) {
      return; // An input that nothing reads has no buffer.
    }
    const bytes = toBytes(name, input.type, data);
    this.#put(name, input, bytes, 0);
  }

  /** Says where the bytes of a streamed input come from. @returns false when the input is not streamed: fill it at once */
  stream(name: string, pieces: Pieces): boolean {
    const streamed = this.schedule.streams.has(name);
    if (streamed) {
      this.#sources.set(name, pieces);
    }
    return streamed;
  }

  /** Whether anything reads this graph input; what nothing reads has no buffer, and writes to it do nothing. */
  reads(name: string): boolean {
    return this.schedule.inputs.has(name) || this.schedule.streams.has(name);
  }

  /**
   * Some of a graph input's bytes, as it stores them, from byte `offset` (a multiple of 4) on.
   * @throws Error when they do not fit
   */
  writePart(name: string, bytes: Uint8Array<ArrayBuffer>, offset: number): void {
    const input = this.schedule.inputs.get(name);
    if (input) {
      this.#put(name, input, bytes, offset);
    } else if (this.schedule.streams.has(name)) {
      throw new Error(
        `${name} is streamed: say where its bytes come from (Plan.stream) instead of writing parts of it`,
      );
    }
  }

  #put(name: string, to: InputSpec, bytes: Uint8Array<ArrayBuffer>, offset: number): void {
    const padded = wholeWords(bytes);
    if (offset % 4 !== 0 || offset + padded.length > byteSize(to.type)) {
      throw new Error(`${name} is ${showType(to.type)} but was given ${bytes.length} bytes at byte ${offset}`);
    }
    const rounding = this.#rounding(name, to);
    const pieces = rounding
      ? rounding.take(padded, offset)
      : heldPieces(to.type, to.held, padded, offset).map((piece) => ({ ...piece, offset: to.offset + piece.offset }));
    for (const piece of pieces) {
      this.#device.gpu.queue.writeBuffer(this.#bufferAt(to.buffer), piece.offset, piece.bytes);
    }
  }

  #rounding(name: string, { scales, ...to }: InputSpec): RowRounding | undefined {
    if (scales !== undefined && !this.#roundings.has(name)) {
      this.#roundings.set(name, new RowRounding({ ...to, scales }));
    }
    return this.#roundings.get(name);
  }

  /**
   * Encodes and submits a stage; resolves as soon as it is queued. After `step`, every state has its new value.
   * A stage without streamed inputs is queued when this returns; another waits for their bytes, and for the GPU to take
   * them, so nothing else may be written or run on this plan until it resolves.
   * @throws Error when bytes of a streamed input are missing or cannot be read
   */
  async run(stage: Stage): Promise<void> {
    this.#device.assertHealthy();
    const uploads = this.schedule.uploads[stage];
    let done = 0;
    if (uploads.length > 0) {
      const throttle = new Throttle(this.#device.gpu.queue);
      for await (const { upload, offset, bytes } of arrivals(uploads, (name) => this.#source(name))) {
        this.#submit(stage, done, upload.before);
        done = upload.before;
        this.#put(upload.input, upload, bytes, offset);
        await throttle.sent(bytes.length);
      }
    }
    this.#submit(stage, done, this.#encoded[stage].length);
    if (stage === 'step' && this.schedule.copies.length > 0) {
      const encoder = this.#device.gpu.createCommandEncoder({ label: 'updates' });
      for (const { from, to, bytes } of this.schedule.copies) {
        encoder.copyBufferToBuffer(this.#bufferAt(from), 0, this.#bufferAt(to), 0, bytes);
      }
      this.#device.gpu.queue.submit([encoder.finish()]);
    }
    if (stage === 'load') {
      this.#releaseLoadOnly();
    }
  }

  /** Dispatches `from` to `to` (exclusive) of a stage. */
  #submit(stage: Stage, from: number, to: number): void {
    const { gpu } = this.#device;
    const list = this.#encoded[stage];
    for (let start = from; start < to; start += DISPATCHES_PER_SUBMIT) {
      const encoder = gpu.createCommandEncoder({ label: stage });
      const pass = encoder.beginComputePass();
      for (const { pipeline, bindGroup, workgroups } of list.slice(
        start,
        Math.min(to, start + DISPATCHES_PER_SUBMIT),
      )) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(...workgroups);
      }
      pass.end();
      gpu.queue.submit([encoder.finish()]);
    }
  }

  #source(name: string): Pieces {
    const pieces = this.#sources.get(name);
    if (!pieces) {
      throw new Error(`${name} is streamed, but nothing says where its bytes come from: upload the weights first`);
    }
    return pieces;
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
    const { type, held, buffer, offset, scales } = found;
    if (scales !== undefined) {
      const values = this.#copied(name, buffer, offset, sizeOf(type.shape));
      return readRows(type, held, await values, await this.#copied(name, buffer, scales, at(type.shape, 0) * 4));
    }
    return fromBytes(type, asWritten(type, held, await this.#copied(name, buffer, offset, byteSize(type))).buffer);
  }

  async #copied(name: string, from: number, offset: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const { gpu, memory } = this.#device;
    const staging = memory.create({ size: bytes, usage: USAGE.MAP_READ | USAGE.COPY_DST });
    const encoder = gpu.createCommandEncoder({ label: `read ${name}` });
    encoder.copyBufferToBuffer(this.#bufferAt(from), offset, staging, 0, bytes);
    gpu.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(1); // GPUMapMode.READ
      this.#device.assertHealthy();
      return new Uint8Array(staging.getMappedRange().slice(0));
    } finally {
      memory.destroy(staging);
    }
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
    const { gpu } = this.#device;
    const list = this.#encoded[stage];
    if (!gpu.features.has('timestamp-query') || list.length === 0) {
      return null;
    }
    const times: number[] = [];
    const batch = 1024; // A query set holds at most 4096 timestamps.
    for (let start = 0; start < list.length; start += batch) {
      times.push(...(await this.#timed(list.slice(start, start + batch))));
    }
    return times.map((ns, i) => ({ step: at(this.schedule.steps[stage], i), ns }));
  }

  async #timed(list: readonly Encoded[]): Promise<number[]> {
    const { gpu, memory } = this.#device;
    const querySet = gpu.createQuerySet({ type: 'timestamp', count: list.length * 2 });
    const resolved = memory.create({ size: list.length * 16, usage: USAGE.QUERY_RESOLVE | USAGE.COPY_SRC });
    const staging = memory.create({ size: list.length * 16, usage: USAGE.MAP_READ | USAGE.COPY_DST });
    const encoder = gpu.createCommandEncoder({ label: 'profile' });
    list.forEach(({ pipeline, bindGroup, workgroups }, i) => {
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
      });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...workgroups);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, list.length * 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, list.length * 16);
    gpu.queue.submit([encoder.finish()]);
    await staging.mapAsync(1);
    const stamps = new BigUint64Array(staging.getMappedRange().slice(0));
    memory.destroy(staging);
    memory.destroy(resolved);
    querySet.destroy();
    return list.map((_, i) => Number(at(stamps, 2 * i + 1) - at(stamps, 2 * i)));
  }

  /** Gives all GPU memory back; the plan cannot be used afterwards. */
  destroy(): void {
    for (let i = 0; i < this.#buffers.length; i++) {
      this.#giveBack(i);
    }
    if (this.#uniforms) {
      this.#device.memory.destroy(this.#uniforms);
    }
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  #bufferAt(index: number): GPUBuffer {
    const buffer = this.#buffers[index];
    if (!buffer) {
      const name = this.schedule.buffers[index]?.name;
      throw new Error(`buffer ${name} is gone: the load stage ran already, or the plan was destroyed`);
    }
    return buffer;
  }

  #releaseLoadOnly(): void {
    this.schedule.buffers.forEach((spec, i) => {
      if (spec.loadOnly) {
        this.#giveBack(i);
      }
    });
  }

  #giveBack(i: number): void {
    const buffer = this.#buffers[i];
    if (buffer) {
      this.#device.memory.destroy(buffer);
      this.#buffers[i] = null;
    }
  }
}

const USAGE = {
  MAP_READ: 0x1,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  UNIFORM: 0x40,
  STORAGE: 0x80,
  QUERY_RESOLVE: 0x200,
} as const;

/**
 * Plans `spec` for `device`: schedules, allocates, compiles all pipelines in parallel and binds.
 * @throws Error when a buffer is larger than the adapter allows or memory runs out; the message names the need and the limit.
 */
export async function compile(device: Device, spec: PlanSpec): Promise<Plan> {
  const tuning = spec.tuning ?? device.tuning;
  return compileSchedule(device, schedule({ ...spec, ...(tuning ? { tuning } : {}) }, device.caps));
}

/** The same for what is scheduled already, for an adapter of the same capabilities. @throws Error as `compile` */
export async function compileSchedule(device: Device, plan: Schedule): Promise<Plan> {
  checkLimits(device, plan);
  const { gpu, memory } = device;
  gpu.pushErrorScope('out-of-memory');
  const buffers = plan.buffers.map((b) =>
    memory.create({ label: b.name, size: b.bytes, usage: USAGE.STORAGE | USAGE.COPY_SRC | USAGE.COPY_DST }),
  );
  const shortage = await gpu.popErrorScope();
  if (shortage) {
    for (const buffer of buffers) {
      memory.destroy(buffer);
    }
    const total = plan.buffers.reduce((n, b) => n + b.bytes, 0);
    throw new Error(
      `the GPU has too little memory for this plan (${mib(total)} MiB needed): choose a smaller size or model`,
    );
  }
  for (const { buffer, node } of plan.constants) {
    gpu.queue.writeBuffer(at(buffers, buffer), 0, toBytes('constant', at(node.outputs, 0), node.data ?? []));
  }
  const uniforms = Uniforms.of(plan);
  const uniformBuffer = uploadUniforms(device, uniforms);
  const encoded: Record<Stage, Encoded[]> = { load: [], prompt: [], step: [] };
  for (const stage of STAGES) {
    encoded[stage] = await Promise.all(
      plan.steps[stage].map((step) => encode(device, step, buffers, uniforms, uniformBuffer)),
    );
  }
  device.assertHealthy();
  return new Plan(device, plan, buffers, encoded, uniformBuffer);
}

function uploadUniforms({ gpu, memory }: Device, uniforms: Uniforms): GPUBuffer | null {
  if (uniforms.bytes === 0) {
    return null;
  }
  const buffer = memory.create({ label: 'params', size: uniforms.bytes, usage: USAGE.UNIFORM | USAGE.COPY_DST });
  gpu.queue.writeBuffer(buffer, 0, uniforms.image());
  return buffer;
}

async function encode(
  device: Device,
  step: Step,
  buffers: readonly GPUBuffer[],
  uniforms: Uniforms,
  uniformBuffer: GPUBuffer | null,
): Promise<Encoded> {
  const { dispatch, types } = step;
  const slot = uniforms.find(dispatch.params);
  const accesses = dispatch.bindings.map((b) => (b.access === 'read' ? 'r' : 'w')).join('');
  const layout = device.layout(slot !== null, accesses);
  const code = assemble(dispatch, types, device.caps);
  const pipeline = await device.pipeline(dispatch.label, code, layout, dispatch.overrides ?? {});
  const entries: GPUBindGroupEntry[] = step.buffers.map((b, i) => ({
    binding: i + 1,
    resource: { buffer: at(buffers, b), offset: at(step.offsets, i), size: byteSize(at(types, i)) },
  }));
  if (slot !== null && uniformBuffer) {
    entries.unshift({ binding: 0, resource: { buffer: uniformBuffer, offset: slot.offset, size: slot.size } });
  }
  return { pipeline, bindGroup: device.gpu.createBindGroup({ layout, entries }), workgroups: dispatch.workgroups };
}

/** The last bytes of an odd number of f16 values are padded to a word, as the buffer is. */
function wholeWords(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length % 4 === 0) {
    return bytes;
  }
  const padded = new Uint8Array(bytes.length + 4 - (bytes.length % 4));
  padded.set(bytes);
  return padded;
}

const mib = (bytes: number): number => Math.ceil(bytes / 2 ** 20);

function checkLimits(device: Device, plan: Schedule): void {
  const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
  const refuse = (name: string, bytes: number, what: string, limit: number): never => {
    throw new Error(
      `${name} needs one buffer of ${mib(bytes)} MiB but this adapter ${what} at most ${mib(limit)} MiB: choose a smaller size or another adapter`,
    );
  };
  const buffer = plan.buffers.find((b) => b.bytes > maxBufferSize);
  if (buffer) {
    refuse(buffer.name, buffer.bytes, 'holds', maxBufferSize);
  }
  // Values share buffers, so what is bound may be less than the buffer.
  for (const { node, types, buffers } of STAGES.flatMap((stage) => plan.steps[stage])) {
    types.forEach((type, i) => {
      if (byteSize(type) > maxStorageBufferBindingSize) {
        const { kind, name } = at(plan.buffers, at(buffers, i));
        const what = kind === 'input' ? name : `${showType(type)} in ${node.path}`;
        refuse(what, byteSize(type), 'binds', maxStorageBufferBindingSize);
      }
    });
  }
}

function toBytes(name: string, type: TensorType, data: ArrayLike<number> | Uint8Array): Uint8Array<ArrayBuffer> {
  const size = sizeOf(type.shape);
  if (data instanceof Uint8Array) {
    const expected = byteSize(type);
    if (data.length > expected || data.length < expected - 2) {
      throw new Error(`${name} is ${showType(type)} (${expected} bytes) but was given ${data.length} bytes`);
    }
    const padded = new Uint8Array(expected);
    padded.set(data);
    return padded;
  }
  if (data.length !== size) {
    throw new Error(`${name} is ${showType(type)} (${size} elements) but was given ${data.length}`);
  }
  const padded = new Uint8Array(byteSize(type));
  const values =
    type.dtype === 'f16' ? encodeF16(data) : type.dtype === 'i32' ? Int32Array.from(data) : Float32Array.from(data);
  padded.set(new Uint8Array(values.buffer));
  return padded;
}

function fromBytes(type: TensorType, bytes: ArrayBuffer): Float32Array<ArrayBuffer> {
  const size = sizeOf(type.shape);
  if (type.dtype === 'f16') {
    return decodeF16(new Uint16Array(bytes, 0, size));
  }
  return type.dtype === 'i32' ? Float32Array.from(new Int32Array(bytes, 0, size)) : new Float32Array(bytes, 0, size);
}

/** What a schedule needs, before anything is allocated. */
export function summarize(plan: Schedule): PlanSummary {
  const dispatches = { load: 0, prompt: 0, step: 0 };
  const flops = { load: 0, prompt: 0, step: 0 };
  for (const work of workOf(plan)) {
    dispatches[work.stage] += work.dispatches;
    flops[work.stage] += work.flops;
  }
  const memory = memoryPhases(plan);
  const { resident: inputs, loadOnly, kept, shared: transient } = memory;
  return { dispatches, flops, bytes: { inputs, loadOnly, kept, transient }, memory };
}
