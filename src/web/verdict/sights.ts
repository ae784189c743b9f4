/** Asks the evaluator about pictures, once for each and one after the other, and keeps its answers. */

import type { ImageSize } from '../../reno/report/picture.ts';
import type { LookedAt, Sight } from '../engine/protocol.ts';
import type { ShownFrame } from '../state/studio_state.ts';

export class Sights {
  readonly #look: (picture: LookedAt) => Promise<Sight>;
  readonly #known = new WeakMap<ShownFrame, Sight>();
  readonly #listeners = new Set<() => void>();
  /** The pictures that each part of the page waits for. */
  readonly #wanted = new Map<string, readonly ShownFrame[]>();
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

  /**
   * Asks for these pictures in their order. Those that the same part of the page wanted before, and that were not looked at yet, are
   * forgotten. @param who the part
   */
  want(who: string, frames: readonly ShownFrame[], size: ImageSize): void {
    this.#wanted.delete(who); // Another part comes first the next time.
    this.#wanted.set(who, frames);
    if (!this.#looks) {
      void this.#work(size);
    }
  }

  /** The picture to look at now. */
  #next(): ShownFrame | undefined {
    for (const frames of this.#wanted.values()) {
      const unknown = frames.find((frame) => !this.#known.has(frame));
      if (unknown) {
        return unknown;
      }
    }
    return undefined;
  }

  async #work(size: ImageSize): Promise<void> {
    this.#looks = true;
    for (let frame = this.#next(); frame; frame = this.#next()) {
      try {
        this.#known.set(frame, await this.#look({ pixels: frame.pixels, ...size }));
      } catch {
        this.#wanted.clear(); // The engine has failed, and says so itself; the next picture asks again.
        break;
      }
      for (const listener of this.#listeners) {
        listener();
      }
    }
    this.#looks = false;
  }
}
