/** Values that have a buffer of their own for as long as the plan lives: weights, states, constants, and what is kept. */
import type { Node } from '../graph.ts';
import { byteSize } from '../types.ts';
import { writtenType } from './held.ts';
import type { InputBuffer } from './input_buffers.ts';
import { type Int8Buffer, int8Place } from './int8_weights.ts';
import type { Lifetime } from './lifetimes.ts';
import type { BufferSpec, InputSpec, Schedule } from './schedule.ts';

export class OwnBuffers {
  readonly specs: BufferSpec[] = [];
  readonly inputs = new Map<string, InputSpec>();
  readonly constants: Schedule['constants'][number][] = [];
  /** By the value's key. */
  readonly #of = new Map<string, number>();

  /** @param rounded how it is kept as int8, if it is */
  addInput({ key, node, type, parts }: InputBuffer, loadOnly: boolean, rounded?: Int8Buffer): void {
    const name = parts.map((part) => part.node.name ?? 'constant').join(' + ');
    const buffer = this.specs.length;
    this.#of.set(key, buffer);
    if (node.data) {
      this.constants.push({ buffer, node });
    } else {
      for (const { node: part, offset } of parts) {
        const place = rounded ? int8Place(rounded, type, offset) : { offset };
        this.inputs.set(part.name ?? '', inputSpec(part, buffer, place));
      }
    }
    const bytes = rounded?.bytes ?? byteSize(type);
    this.specs.push({ bytes, kind: node.data ? 'constant' : 'input', name, loadOnly });
  }

  /** A computed value that a later stage reads, or that is an output. */
  addKept({ root, type }: Lifetime): void {
    this.#of.set(root, this.specs.length);
    this.specs.push({ bytes: byteSize(type), kind: 'kept', name: root });
  }

  find(root: string): number | undefined {
    return this.#of.get(root);
  }

  /** @throws Error when the value has no buffer of its own */
  of(root: string): number {
    const buffer = this.#of.get(root);
    if (buffer === undefined) {
      throw new Error(`value ${root} has no buffer of its own`);
    }
    return buffer;
  }
}

/** A graph input that lies in `buffer`, as it is written. */
export function inputSpec(node: Node, buffer: number, place: Pick<InputSpec, 'offset' | 'scales'>): InputSpec {
  return { buffer, ...place, type: writtenType(node), ...(node.held ? { held: node.held } : {}) };
}
