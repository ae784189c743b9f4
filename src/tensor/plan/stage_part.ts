/**
 * A part of a stage: the dispatches that some of its results need. A step of ReNO computes losses and a gradient; where only the
 * losses are wanted, its part is the forward pass, in the same buffers and without a second plan.
 */
import type { Schedule, SharedValue, Step, Upload } from '../schedule/schedule.ts';
import type { Stage } from '../types.ts';
import { at } from '../types.ts';

/** The results of a stage that are wanted. */
export interface StageResults {
  /** Names of outputs. */
  readonly outputs: readonly string[];
  /** Names of states, which get their new values; the others keep theirs. */
  readonly states: readonly string[];
}

/** The steps, uploads and copies of a part. */
interface Part {
  /** Positions in the stage's steps, in order. */
  readonly steps: readonly number[];
  /** `before` counts the steps of the part. */
  readonly uploads: readonly Upload[];
  readonly copies: Schedule['copies'];
}

/** Returns what the wanted results of a stage need. @throws Error, one sentence, for a name that the schedule has not */
export function partOf(schedule: Schedule, stage: Stage, { outputs, states }: StageResults): Part {
  const steps = schedule.steps[stage];
  const values = new Values(schedule);
  const needed = new Set<number | SharedValue>();
  for (const name of outputs) {
    needed.add(given(schedule.outputs.get(name), `no output named ${name}`).buffer);
  }
  const targets = new Set(states.map((name) => given(schedule.inputs.get(name), `no state named ${name}`).buffer));
  const copies = schedule.copies.filter(({ to }) => targets.has(to));
  for (const { from } of copies) {
    needed.add(from);
  }
  const chosen: number[] = [];
  for (let i = steps.length - 1; i >= 0; i--) {
    const step = at(steps, i);
    if (values.of(step, true).some((value) => needed.has(value))) {
      chosen.push(i);
      for (const value of values.of(step, false)) {
        needed.add(value);
      }
    }
  }
  chosen.reverse();
  const uploads = schedule.uploads[stage]
    .filter(({ before, buffer, offset }) =>
      values.at(buffer, offset, at(steps, before).position).some((value) => needed.has(value)),
    )
    .map((upload) => ({ ...upload, before: chosen.filter((i) => i < upload.before).length }));
  return { steps: chosen, uploads, copies };
}

function given<T>(value: T | undefined, problem: string): T {
  if (value === undefined) {
    throw new Error(`the plan has ${problem}`);
  }
  return value;
}

/** The values behind bindings: a buffer of its own, or a value that shares one for a while. */
class Values {
  readonly #shared = new Map<number, SharedValue[]>();

  constructor({ shared }: Schedule) {
    for (const value of shared) {
      const list = this.#shared.get(value.buffer) ?? [];
      list.push(value);
      this.#shared.set(value.buffer, list);
    }
  }

  /** The values that a step writes, or those that it reads. */
  of({ dispatch, buffers, offsets, position }: Step, written: boolean): (number | SharedValue)[] {
    return dispatch.bindings.flatMap(({ access }, i) =>
      access === 'read_write' || (access !== 'read') === written
        ? this.at(at(buffers, i), at(offsets, i), position)
        : [],
    );
  }

  /** The values at a place at a moment. */
  at(buffer: number, offset: number, position: number): (number | SharedValue)[] {
    const shared = this.#shared.get(buffer);
    return shared
      ? shared.filter(
          (v) => v.from <= position && position <= v.to && v.offset <= offset && offset < v.offset + v.bytes,
        )
      : [buffer];
  }
}
