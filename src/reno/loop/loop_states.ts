/** The step and the state tensors of a loop, as its runner sees them: those of one picture. */
import type { Shape } from '../../tensor/types.ts';
import { sizeOf } from '../../tensor/types.ts';
import { OPTIMIZER_STATE } from '../optimizers/optimizer.ts';
import { shapeOfOne } from './each_picture.ts';
import type { StepRunner } from './loop.ts';
import type { LoopState, StateTensor } from './run_state.ts';
import type { StepGraph } from './step_graph.ts';

/** Sets every state to that of `resume`, or every state except the noise to its initial value. */
export function setStates(runner: StepRunner, step: StepGraph, resume: LoopState | undefined): void {
  for (const { state, initial } of step.updates) {
    const name = state.node.name ?? '';
    const known = resume?.tensors[name];
    if (resume && known?.data.length !== sizeOf(shapeOfOne(state))) {
      throw new Error(
        `the state of the run has no ${name} of shape [${shapeOfOne(state).join(', ')}]: it belongs to another run`,
      );
    }
    if (known) {
      runner.write(name, known.data);
    } else if (initial !== null) {
      runner.write(name, filled(shapeOfOne(state), initial));
    }
  }
}

/** Writes the noise of an iteration that does not go on from the one before. @param beginsAnew whether the optimiser forgets its past */
export function writeNoise(runner: StepRunner, step: StepGraph, noise: Float32Array, beginsAnew = false): void {
  runner.write(step.latents.node.name ?? '', noise);
  if (beginsAnew) {
    resetOptimizer(runner, step);
  }
}

/** Sets the states of the optimiser to their initial values. The noise and the best so far stay. */
function resetOptimizer(runner: StepRunner, step: StepGraph): void {
  for (const { state, initial } of step.updates) {
    const name = state.node.name ?? '';
    if (name.startsWith(OPTIMIZER_STATE) && initial !== null) {
      runner.write(name, filled(shapeOfOne(state), initial));
    }
  }
}

/** Queues an iteration, or only what judges its noise. @returns its scalars and their names */
export async function queueStep(
  runner: StepRunner,
  step: StepGraph,
  isJudged = false,
): Promise<{ readonly names: readonly string[]; readonly scalars: Promise<Float32Array<ArrayBuffer>> }> {
  const judged = isJudged ? step.judged : null;
  await runner.run('step', judged?.results);
  return { names: judged?.scalars ?? step.scalars, scalars: quiet(runner.read(judged?.output ?? 'scalars')) };
}

function filled(shape: Shape, value: number): Float32Array {
  return new Float32Array(sizeOf(shape)).fill(value);
}

/** Whoever awaits the promise gets its failure; where nobody comes to that, it is no unhandled rejection. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Returns the runner, and a function that waits until all that was read with it has arrived or failed. */
export function withEnd(runner: StepRunner): readonly [StepRunner, ended: () => Promise<unknown>] {
  const ends: Promise<void>[] = [];
  const ignore = (): void => {};
  return [
    {
      write: (name, data) => runner.write(name, data),
      run: (stage, results) => runner.run(stage, results),
      read: (name) => {
        const read = runner.read(name);
        ends.push(read.then(ignore, ignore));
        return read;
      },
    },
    () => Promise.all(ends),
  ];
}

/** Queues the copies of every state: what they are after the iteration that was queued last. */
export function readStates(runner: StepRunner, step: StepGraph): Promise<Record<string, StateTensor>> {
  const reads = step.updates.map(async ({ state }): Promise<[string, StateTensor]> => {
    const name = state.node.name ?? '';
    return [name, { shape: shapeOfOne(state), data: await runner.read(name) }];
  });
  return quiet(Promise.all(reads).then((entries) => Object.fromEntries(entries)));
}
