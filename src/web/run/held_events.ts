/** Holds what the engine makes while a run is paused, until the run goes on or makes a step. */
import type { EngineEvent } from '../engine/client.ts';

/** Events that a pause holds: pictures of both lanes, and the end. */
type Held = Extract<EngineEvent, { kind: 'frame' | 'lane' | 'done' }>;

export class HeldEvents {
  readonly #isPaused: () => boolean;
  readonly #take: (event: Held) => void;
  #events: Held[] = [];
  /** Iterations that a paused run may still show. */
  #steps = 0;

  /** @param take shows an event */
  constructor(isPaused: () => boolean, take: (event: Held) => void) {
    this.#isPaused = isPaused;
    this.#take = take;
  }

  /** Forgets what waits: another run begins. */
  clear(): void {
    this.#events = [];
    this.#steps = 0;
  }

  add(event: Held): void {
    this.#events.push(event);
    this.release();
  }

  /** Lets a paused run show one more iteration: one that waits, or the next that comes. */
  step(): void {
    this.#steps += 1;
    this.release();
  }

  /** Shows what waits: all of it, or as many iterations of a paused run as steps were asked for. */
  release(): void {
    for (let next = this.#events[0]; next && (!this.#isPaused() || this.#steps > 0); next = this.#events[0]) {
      this.#events.shift();
      this.#steps -= this.#isPaused() && next.kind !== 'lane' ? 1 : 0;
      this.#take(next);
    }
    this.#steps = this.#isPaused() ? this.#steps : 0;
  }
}
