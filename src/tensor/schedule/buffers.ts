/** The buffers of a schedule: dedicated ones, the values of shared ones, and the uniform buffer. */

import type { Dispatch } from '../dispatch.ts';
import { packParams } from '../kernel.ts';
import { append, at, byteSize, STAGES } from '../types.ts';
import { type InputBuffer, type Int8Storage, int8Offsets, writtenForm } from './input_buffers.ts';
import type { LiveInterval } from './liveness.ts';
import type { BufferSpec, InputSpec, Schedule, SharedValue } from './schedule.ts';

/** Buffers that hold one value for as long as the plan lives: weights, states, constants, outputs, results for later stages. */
export class DedicatedBuffers {
  readonly specs: BufferSpec[] = [];
  readonly inputs = new Map<string, InputSpec>();
  readonly constants: Schedule['constants'][number][] = [];
  readonly #byKey = new Map<string, number>();

  /** Adds the buffer of graph inputs. @param int8 its storage, where it is an int8 weight */
  addInput({ key, node, type, ranges }: InputBuffer, loadOnly: boolean, int8?: Int8Storage): void {
    const name = ranges.map((range) => range.node.name ?? 'constant').join(' + ');
    const buffer = this.specs.length;
    this.#byKey.set(key, buffer);
    if (node.data) {
      this.constants.push({ buffer, node });
    } else {
      for (const { node: input, offset } of ranges) {
        const offsets = int8 ? int8Offsets(int8, type, offset) : { offset };
        this.inputs.set(input.name ?? '', { buffer, ...offsets, ...writtenForm(input) });
      }
    }
    this.specs.push({ bytes: int8?.bytes ?? byteSize(type), kind: node.data ? 'constant' : 'input', name, loadOnly });
  }

  /** Adds the buffer of a computed value that a later stage reads, or that is an output. */
  addResult({ key, type }: LiveInterval): void {
    this.#byKey.set(key, this.specs.length);
    this.specs.push({ bytes: byteSize(type), kind: 'persistent', name: key });
  }

  /** Returns the buffer of a value by its key. @throws Error when the value has no dedicated buffer */
  indexOf(key: string): number {
    const buffer = this.#byKey.get(key);
    if (buffer === undefined) {
      throw new Error(`value ${key} has no buffer of its own`);
    }
    return buffer;
  }
}

/** A value that needs memory in a shared buffer. */
export type SharedRequest = Omit<SharedValue, 'buffer' | 'offset'>;

/** Finds the shared value that a node at some position reads or writes. A key may have several: one for each residency. */
export class SharedLookup {
  readonly #values: readonly SharedRequest[];
  readonly #byKey = new Map<string, number[]>();

  constructor(values: readonly SharedRequest[]) {
    this.#values = values;
    values.forEach(({ key }, i) => {
      append(this.#byKey, key, i);
    });
  }

  /** Returns the index of the value, or undefined where the value is not in a shared buffer. */
  find(key: string, position: number): number | undefined {
    return this.#byKey
      .get(key)
      ?.find((i) => at(this.#values, i).from <= position && position <= at(this.#values, i).to);
  }
}

type Params = Dispatch['params'];

/** WebGPU's default minUniformBufferOffsetAlignment; an adapter may allow less, but never requires more. */
const ALIGNMENT = 256;

/** The layout of the buffer that holds the parameters of all dispatches; equal parameters are stored once. */
export class Uniforms {
  readonly #slots = new Map<string, { offset: number; bytes: Uint8Array<ArrayBuffer> }>();
  #end = 0;

  constructor(all: readonly Params[]) {
    for (const params of all) {
      const key = JSON.stringify(params);
      if (key !== '{}' && !this.#slots.has(key)) {
        const bytes = packParams(params);
        this.#slots.set(key, { offset: this.#end, bytes });
        this.#end += Math.ceil(bytes.length / ALIGNMENT) * ALIGNMENT;
      }
    }
  }

  /** Lays out the parameters of all dispatches of a schedule. */
  static of({ steps }: Pick<Schedule, 'steps'>): Uniforms {
    return new Uniforms(STAGES.flatMap((stage) => steps[stage].map((step) => step.dispatch.params)));
  }

  /** Size of the buffer; 0 when no dispatch has parameters. */
  get bytes(): number {
    return this.#end;
  }

  /** Returns the range of the buffer that holds `params`; null when they are empty. */
  find(params: Params): { offset: number; size: number } | null {
    const slot = this.#slots.get(JSON.stringify(params));
    return slot ? { offset: slot.offset, size: slot.bytes.length } : null;
  }

  /** Returns the content of the buffer. */
  image(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#end);
    for (const { offset, bytes } of this.#slots.values()) {
      all.set(bytes, offset);
    }
    return all;
  }
}
