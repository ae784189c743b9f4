/** A plan within a given number of bytes: what is given up for it, in which order, and how much of it. */

import { at, byteSize } from '../types.ts';
import type { InputBuffer } from './input_buffers.ts';
import type { Recomputation } from './recompute.ts';
import type { Schedule } from './schedule.ts';
import { Uniforms } from './uniforms.ts';

/** The most bytes that a plan holds at any time. */
export function peakBytes(schedule: Schedule): number {
  return schedule.buffers.reduce((n, b) => n + b.bytes, Uniforms.of(schedule).bytes);
}

/**
 * Weights in the order in which they are given up: those that are read last come first, so the rewards' before the decoder's
 * and the denoiser's. Each costs its bytes as often as it is brought in, whichever it is.
 */
export function inOrderOfGivingUp(
  weights: readonly InputBuffer[],
  uses: ReadonlyMap<string, readonly number[]>,
): InputBuffer[] {
  const first = ({ key }: InputBuffer): number => uses.get(key)?.[0] ?? 0;
  return [...weights].sort((a, b) => first(b) - first(a));
}

/** What a plan can do to need less memory. */
export interface Planner {
  /** Weights that may be streamed: those that a step reads, in the order of giving them up, and the others. */
  readonly ofStep: readonly InputBuffer[];
  readonly ofPrompt: readonly InputBuffer[];
  readonly recomputation: () => Recomputation;
  readonly plan: (streamed: readonly InputBuffer[], recomputation?: Recomputation) => Schedule;
}

/** How often what was reckoned is compared with what came of it. */
const TURNS = 8;

/**
 * The fastest plan of at most `budget` bytes, or the smallest there is. What the prompt alone reads is streamed first; then
 * activations are made again where that costs less than bringing weights in; then weights of the step are streamed.
 */
export function fitted(budget: number, { ofStep, ofPrompt, recomputation, plan }: Planner): Schedule {
  let made = plan(ofPrompt);
  let excess = peakBytes(made) - budget;
  const again = recomputation();
  for (let turn = 0, goesOn = true; turn < TURNS && goesOn && excess > 0; turn++) {
    // Half at a time: what is dropped cannot be taken back, and with the fullest moment eased less is often enough.
    goesOn = again.lower(excess / 2);
    made = plan(ofPrompt, again);
    const left = peakBytes(made) - budget;
    goesOn &&= left < excess;
    excess = left;
  }
  for (let count = 0; excess > 0 && count < ofStep.length; ) {
    // What is brought in takes some room itself, so this takes a few turns.
    for (let saved = 0; saved < excess && count < ofStep.length; count++) {
      saved += byteSize(at(ofStep, count).type);
    }
    made = plan([...ofPrompt, ...ofStep.slice(0, count)], again);
    excess = peakBytes(made) - budget;
  }
  return made;
}

/** @throws Error when `plan` needs more than `budget` bytes */
export function assertWithin(budget: number, schedule: Schedule): void {
  const needed = peakBytes(schedule);
  if (needed > budget) {
    const slots = schedule.buffers.filter((b) => b.kind === 'slot').reduce((n, b) => n + b.bytes, 0);
    throw new Error(
      `this run needs ${showBytes(needed)} even with activations made again and all weights streamed (${showBytes(slots)} of it for activations and the ` +
        `weights in use), but the budget is ${showBytes(budget)}: choose a larger budget, a smaller size or fewer rewards`,
    );
  }
}

const showBytes = (bytes: number): string =>
  bytes < 2 ** 30
    ? `${Math.ceil(bytes / 2 ** 20)} MiB`
    : `${(Math.ceil((bytes / 2 ** 30) * 100) / 100).toFixed(2)} GiB`;
