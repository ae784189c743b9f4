/** Fills the inputs of a plan: at once, in parts, or by streaming; converted to the stored layout and precision. */
import { suggestion } from '../nearest_names.ts';
import type { InputSpec, Schedule } from '../schedule/schedule.ts';
import { byteSize, showType, type TensorType } from '../types.ts';
import { toBytes, wholeWords } from './host_values.ts';
import type { PlanBuffers } from './plan_buffers.ts';
import { RowRounding } from './rounded_rows.ts';
import { toStoredLayout } from './stored_layout.ts';
import type { Pieces } from './stream.ts';

export class PlanInputs {
  readonly #queue: GPUQueue;
  readonly #schedule: Schedule;
  readonly #buffers: PlanBuffers;
  /** All inputs of the graph, those that nothing reads among them. */
  readonly #declared: ReadonlyMap<string, TensorType>;
  /** The sources of streamed inputs, by name. */
  readonly #sources = new Map<string, Pieces>();
  /** The rounding of each int8 weight, by name. */
  readonly #roundings = new Map<string, RowRounding>();

  constructor(queue: GPUQueue, schedule: Schedule, buffers: PlanBuffers, declared: ReadonlyMap<string, TensorType>) {
    this.#queue = queue;
    this.#declared = declared;
    this.#schedule = schedule;
    this.#buffers = buffers;
  }

  /** @throws Error when there is no such input, or the length does not fit */
  write(name: string, data: ArrayLike<number> | Uint8Array): void {
    if (typeof data?.length !== 'number') {
      throw new Error(`${name} must be given an array of numbers or a Uint8Array, not ${data}`);
    }
    const streamed = this.#schedule.streams.get(name);
    if (streamed) {
      const bytes = toBytes(name, streamed, data);
      this.stream(name, async function* () {
        yield bytes;
      });
      return;
    }
    const input = this.#schedule.inputs.get(name);
    const bytes = toBytes(name, input?.type ?? this.#declaredType(name), data);
    if (!input) {
      return; // An input that nothing reads has no buffer.
    }
    this.put(name, input, bytes, 0);
  }

  /** @returns false when the input is not streamed */
  stream(name: string, pieces: Pieces): boolean {
    const streamed = this.#schedule.streams.has(name);
    if (streamed) {
      this.#sources.set(name, pieces);
    }
    return streamed;
  }

  /** Whether the graph declares such an input. */
  isDeclared(name: string): boolean {
    return this.#declared.has(name);
  }

  #declaredType(name: string): TensorType {
    const type = this.#declared.get(name);
    if (!type) {
      throw new Error(`the plan has no input named ${name}: ${suggestion(name, this.#declared.keys())}`);
    }
    return type;
  }

  reads(name: string): boolean {
    return this.#schedule.inputs.has(name) || this.#schedule.streams.has(name);
  }

  /** @throws Error when they do not fit, there is no such input, or it is streamed */
  writePart(name: string, bytes: Uint8Array<ArrayBuffer>, offset: number): void {
    const input = this.#schedule.inputs.get(name);
    if (input) {
      this.put(name, input, bytes, offset);
    } else if (this.#schedule.streams.has(name)) {
      throw new Error(
        `${name} is streamed: say where its bytes come from (Plan.stream) instead of writing parts of it`,
      );
    } else {
      this.#declaredType(name);
    }
  }

  /** Writes bytes of input `name`, from its byte `offset` on, to its location `to`. @throws Error when they do not fit */
  put(name: string, to: InputSpec, bytes: Uint8Array<ArrayBuffer>, offset: number): void {
    const padded = wholeWords(bytes);
    if (offset % 4 !== 0 || offset + padded.length > byteSize(to.type)) {
      throw new Error(`${name} is ${showType(to.type)} but was given ${bytes.length} bytes at byte ${offset}`);
    }
    const rounding = this.#rounding(name, to);
    const pieces = rounding
      ? rounding.take(padded, offset)
      : toStoredLayout(to.type, to.storedLayout, padded, offset).map((piece) => ({
          ...piece,
          offset: to.offset + piece.offset,
        }));
    for (const piece of pieces) {
      this.#queue.writeBuffer(this.#buffers.at(to.buffer), piece.offset, piece.bytes);
    }
  }

  #rounding(name: string, { scales, ...to }: InputSpec): RowRounding | undefined {
    if (scales !== undefined && !this.#roundings.has(name)) {
      this.#roundings.set(name, new RowRounding({ ...to, scales }));
    }
    return this.#roundings.get(name);
  }

  /** @throws Error when nothing said where a streamed input comes from */
  source(name: string): Pieces {
    const pieces = this.#sources.get(name);
    if (!pieces) {
      throw new Error(`${name} is streamed, but nothing says where its bytes come from: upload the weights first`);
    }
    return pieces;
  }
}
