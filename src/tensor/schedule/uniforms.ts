/** The sizes and numbers that dispatches are given: all of a plan's in one buffer, equal ones once. */

import type { Dispatch } from '../dispatch.ts';
import { packParams } from '../kernel.ts';
import { STAGES } from '../types.ts';
import type { Schedule } from './schedule.ts';

type Params = Dispatch['params'];

/** minUniformBufferOffsetAlignment may be smaller, never larger (WebGPU's default limit). */
const ALIGNMENT = 256;

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

  /** Of all dispatches of a plan. */
  static of({ steps }: Pick<Schedule, 'steps'>): Uniforms {
    return new Uniforms(STAGES.flatMap((stage) => steps[stage].map((step) => step.dispatch.params)));
  }

  /** Of the buffer that holds them; 0 when there are none. */
  get bytes(): number {
    return this.#end;
  }

  find(params: Params): { offset: number; size: number } | null {
    const slot = this.#slots.get(JSON.stringify(params));
    return slot ? { offset: slot.offset, size: slot.bytes.length } : null;
  }

  /** What the buffer holds. */
  image(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#end);
    for (const { offset, bytes } of this.#slots.values()) {
      all.set(bytes, offset);
    }
    return all;
  }
}
