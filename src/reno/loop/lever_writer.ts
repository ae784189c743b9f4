/** Writes the levers of a run to the GPU when they move, and keeps a record of the moves. */
import { assertLevers, type LeverMove, type Levers, leverValues, sameWeights } from './levers.ts';
import type { StepRunner } from './loop.ts';
import { BEST_LOSS, NO_LOSS_YET, type StepGraph } from './step_graph.ts';

export class LeverWriter {
  /** The moves so far. The values that a run starts with are the first one. */
  readonly moves: LeverMove[];
  /** Iterations from which on other weights count, so that the best is chosen anew. */
  readonly restarts = new Set<number>();
  readonly #runner: StepRunner;
  readonly #step: StepGraph;
  readonly #levers: () => Levers;
  #written: Levers | null = null;

  /** @param moves those of the state that a run goes on from */
  constructor(runner: StepRunner, step: StepGraph, levers: () => Levers, moves: readonly LeverMove[] = []) {
    this.#runner = runner;
    this.#step = step;
    this.#levers = levers;
    this.moves = [...moves];
  }

  /** Writes what has moved since the last iteration. @throws Error, one sentence, for a value that a lever cannot have */
  before(iteration: number): void {
    const levers = this.#levers();
    if (levers === this.#written) {
      return;
    }
    assertLevers(levers, Object.keys(this.#written?.rewards ?? levers.rewards));
    for (const [name, value] of leverValues(levers, this.#step.latents)) {
      this.#runner.write(name, [value]);
    }
    this.#written = levers;
    const before = this.moves.at(-1)?.levers;
    if (before && !sameWeights(before, levers)) {
      this.#runner.write(BEST_LOSS, [NO_LOSS_YET]);
      this.restarts.add(iteration);
    }
    if (JSON.stringify(before) !== JSON.stringify(levers)) {
      this.moves.push({ iteration, levers });
    }
  }
}
