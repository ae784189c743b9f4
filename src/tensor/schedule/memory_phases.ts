/** What a plan's memory is for, and when: known before anything is allocated. */

import type { Stage } from '../types.ts';
import { at, byteSize } from '../types.ts';
import type { Schedule, SharedValue } from './schedule.ts';
import { Uniforms } from './uniforms.ts';

/** Bytes of GPU buffers. */
export interface MemoryPhases {
  /** Weights, constants and states in buffers of their own, for as long as the plan lives. */
  readonly resident: number;
  /** What an earlier stage computed for a later one, and outputs; for as long as the plan lives. */
  readonly kept: number;
  /** Buffers that values and streamed weights share by lifetime, over all stages; for as long as the plan lives. */
  readonly shared: number;
  /** Numbers of dispatches. */
  readonly params: number;
  /** Inputs that only the load stage reads: given back after it. */
  readonly loadOnly: number;
  /** All of the above: the most that is held at any time, from opening to the end of the load stage. */
  readonly peak: number;
  /** From the end of the load stage on. */
  readonly steady: number;
  /** What is alive in the shared buffers where a stage needs most. Its sum is a lower bound of `shared`. */
  readonly fullest: Readonly<Record<Stage, Fullest>>;
  /** Bytes of weights brought in each time a stage runs. */
  readonly uploaded: Readonly<Record<Stage, number>>;
}

export interface Fullest {
  /** Made in a forward pass for a backward pass. */
  readonly saved: number;
  readonly transient: number;
  /** Weights. */
  readonly streamed: number;
}

export function memoryPhases(schedule: Schedule): MemoryPhases {
  const sum = (wanted: (b: Schedule['buffers'][number]) => boolean): number =>
    schedule.buffers.filter(wanted).reduce((n, b) => n + b.bytes, 0);
  const loadOnly = sum((b) => b.loadOnly === true);
  const resident = sum((b) => (b.kind === 'input' || b.kind === 'constant') && !b.loadOnly);
  const kept = sum((b) => b.kind === 'kept');
  const shared = sum((b) => b.kind === 'slot');
  const params = Uniforms.of(schedule).bytes;
  const steady = resident + kept + shared + params;
  const each = <T>(f: (stage: Stage) => T): Record<Stage, T> => ({
    load: f('load'),
    prompt: f('prompt'),
    step: f('step'),
  });
  return {
    resident,
    kept,
    shared,
    params,
    loadOnly,
    peak: steady + loadOnly,
    steady,
    fullest: each((stage) => fullest(schedule.shared.filter((value) => value.stage === stage))),
    uploaded: each((stage) => schedule.uploads[stage].reduce((n, { type }) => n + byteSize(type), 0)),
  };
}

/** The moment at which most bytes are alive. */
function fullest(values: readonly SharedValue[]): Fullest {
  const events = values.flatMap((value) => [
    { position: value.from, value, sign: 1 },
    { position: value.to + 1, value, sign: -1 },
  ]);
  events.sort((a, b) => a.position - b.position || a.sign - b.sign);
  const alive = { saved: 0, transient: 0, streamed: 0 };
  let most = { ...alive };
  const total = ({ saved, transient, streamed }: Fullest): number => saved + transient + streamed;
  events.forEach(({ position, value, sign }, i) => {
    alive[value.kind] += sign * value.bytes;
    const last = i + 1 === events.length || at(events, i + 1).position !== position;
    if (last && total(alive) > total(most)) {
      most = { ...alive };
    }
  });
  return most;
}
