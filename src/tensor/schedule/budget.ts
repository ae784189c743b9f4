/** Fits a schedule into a number of bytes: it streams weights and recomputes activations, as little of both as it can. */
import { differentSizes, sizeWords } from '../size_words.ts';
import { at, byteSize } from '../types.ts';
import { Uniforms } from './buffers.ts';
import { Recomputation } from './recomputation.ts';
import type { Schedule } from './schedule.ts';
import type { Scheduler } from './scheduler.ts';

/** Returns the bytes of all buffers of a schedule: the most that its plan holds at any time. */
export function peakBytes(schedule: Schedule): number {
  return schedule.buffers.reduce((n, b) => n + b.bytes, Uniforms.of(schedule).bytes);
}

/** Maximum re-planning rounds: the estimate of a recomputation is compared with its schedule so many times. */
const MAX_ROUNDS = 8;
/** Least share of the budget that a round frees, so that the last rounds do not creep. */
const LEAST_SHARE = 1 / 200;

/**
 * Returns the fastest schedule that needs at most `budget` bytes, or the smallest one where none does. It streams the weights
 * of the prompt first, then recomputes activations that cost less than an upload of weights, then streams weights of the step.
 */
export function scheduleWithin(budget: number, scheduler: Scheduler): Schedule {
  const { stepWeights, promptWeights } = scheduler;
  let schedule = scheduler.schedule(promptWeights);
  let excess = peakBytes(schedule) - budget;
  const recomputation = new Recomputation(...scheduler.recomputed);
  for (let round = 0, improves = true; round < MAX_ROUNDS && improves && excess > 0; round++) {
    // Half of the excess at a time: an eviction is final, and less is often enough once the peak is lower.
    improves = recomputation.lowerPeak(Math.max(excess / 2, budget * LEAST_SHARE));
    schedule = scheduler.schedule(promptWeights, recomputation);
    const left = peakBytes(schedule) - budget;
    improves &&= left < excess;
    excess = left;
  }
  for (let count = 0; excess > 0 && count < stepWeights.length; ) {
    // A streamed weight takes shared memory while it is resident, so this takes a few rounds.
    for (let saved = 0; saved < excess && count < stepWeights.length; count++) {
      saved += byteSize(at(stepWeights, count).type);
    }
    schedule = scheduler.schedule([...promptWeights, ...stepWeights.slice(0, count)], recomputation);
    excess = peakBytes(schedule) - budget;
  }
  return schedule;
}

/** No plan keeps to the budget; the message is one sentence. */
export class BudgetError extends Error {
  /** The least bytes for which there is a plan. */
  readonly bytes: number;

  constructor(bytes: number, message: string) {
    super(message);
    this.bytes = bytes;
  }
}

/** @throws BudgetError when `schedule` needs more than `budget` bytes */
export function assertFits(budget: number, schedule: Schedule): void {
  const needed = peakBytes(schedule);
  if (needed > budget) {
    const shared = schedule.buffers.filter((b) => b.kind === 'shared').reduce((n, b) => n + b.bytes, 0);
    const [need, limit] = differentSizes(needed, budget);
    throw new BudgetError(
      needed,
      `this run needs ${need} even with activations recomputed and all weights streamed (${sizeWords(shared)} of it for activations and the ` +
        `weights in use), but the budget is ${limit}: choose a larger budget, a smaller size or fewer rewards`,
    );
  }
}
