/** Asks the evaluator about pictures, once for each and one after the other, and keeps its answers. */

import type { ImageSize } from '../../reno/picture.ts';
import type { LookedAt, Sight } from '../engine/protocol.ts';
import type { ShownFrame } from '../state/studio_state.ts';

export class Sights {
  readonly #look: (picture: LookedAt) => Promise<Sight>;
  readonly #known = new WeakMap<ShownFrame, Sight>();
  readonly #listeners = new Set<() => void>();
  #wanted: readonly ShownFrame[] = [];
  #looks = false;

  /** @param look asks the evaluator */
  constructor(look: (picture: LookedAt) => Promise<Sight>) {
    this.#look = look;
  }

  /** Returns the evaluator's answer on a picture; undefined where it has not answered yet. */
  of(frame: ShownFrame): Sight | undefined {
    return this.#known.get(frame);
  }

  put(frame: ShownFrame, sight: Sight): void {
    this.#known.set(frame, sight);
  }

  /** Calls `listener` whenever more is known. */
  watch(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Asks for these pictures in their order. Those that were wanted before, and not looked at yet, are forgotten. */
  want(frames: readonly ShownFrame[], size: ImageSize): void {
    this.#wanted = frames.filter((frame) => !this.#known.has(frame));
    if (!this.#looks) {
      void this.#work(size);
    }
  }

  async #work(size: ImageSize): Promise<void> {
    this.#looks = true;
    for (let frame = this.#wanted[0]; frame; frame = this.#wanted[0]) {
      this.#wanted = this.#wanted.slice(1);
      try {
        this.#known.set(frame, await this.#look({ pixels: frame.pixels, ...size }));
      } catch {
        this.#wanted = []; // The engine has failed, and says so itself; the next picture asks again.
        break;
      }
      for (const listener of this.#listeners) {
        listener();
      }
    }
    this.#looks = false;
  }
}
