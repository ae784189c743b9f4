/** A plan within a given number of bytes: weights are streamed in the step, as few as it takes. */
import type { InputBuffer } from './input_buffers.ts';
import type { Schedule } from './schedule.ts';
import { at, byteSize, STAGES } from './types.ts';
import { Uniforms } from './uniforms.ts';

/** The most bytes that a plan holds at any time. */
export function peakBytes(plan: Schedule): number {
  const params = new Uniforms(STAGES.flatMap((stage) => plan.steps[stage].map((s) => s.dispatch.params)));
  return plan.buffers.reduce((n, b) => n + b.bytes, params.bytes);
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

/** The plan that streams as few of `weights` as need be for at most `budget` bytes, from the first on; else all of them. */
export function streamedWithin(
  budget: number,
  weights: readonly InputBuffer[],
  plan: (streamed: readonly InputBuffer[]) => Schedule,
): Schedule {
  let count = 0;
  let made = plan([]);
  for (let excess = peakBytes(made) - budget; excess > 0 && count < weights.length; excess = peakBytes(made) - budget) {
    // What is brought in takes some room itself, so this takes a few turns.
    for (let saved = 0; saved < excess && count < weights.length; count++) {
      saved += byteSize(at(weights, count).type);
    }
    made = plan(weights.slice(0, count));
  }
  return made;
}

/** @throws Error when `plan` needs more than `budget` bytes */
export function assertWithin(budget: number, plan: Schedule): void {
  const needed = peakBytes(plan);
  if (needed > budget) {
    const slots = plan.buffers.filter((b) => b.kind === 'slot').reduce((n, b) => n + b.bytes, 0);
    throw new Error(
      `this run needs ${showBytes(needed)} even with all weights streamed (${showBytes(slots)} of it for activations and the ` +
        `weights in use), but the budget is ${showBytes(budget)}: choose a larger budget, a smaller size or fewer rewards`,
    );
  }
}

const showBytes = (bytes: number): string =>
  bytes < 2 ** 30
    ? `${Math.ceil(bytes / 2 ** 20)} MiB`
    : `${(Math.ceil((bytes / 2 ** 30) * 100) / 100).toFixed(2)} GiB`;
