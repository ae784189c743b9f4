/** L-BFGS as the source of `runLoop`'s noise: the search runs on the host, and each evaluation is one iteration of the loop. */
import { at } from '../../tensor/types.ts';
import type { LoopOptions, StepRunner } from '../loop/loop.ts';
import type { LoopState } from '../loop/run_state.ts';
import { type StepGraph, TOTAL } from '../loop/step_graph.ts';
import { lbfgs } from './lbfgs.ts';

interface LbfgsNoise {
  readonly start: Float32Array;
  readonly lr: number;
  readonly regWeight: number;
  /** A run that goes on: the search is replayed from its losses and gradients, and so is where it was, bit for bit. */
  readonly past?: Pick<LoopState, 'records' | 'gradients'>;
}

/**
 * Each iteration waits for the loss and the gradient of the previous one. The gradient is not clipped, since a line search compares
 * it with the loss. The regulariser is added here, in f64: it is about a hundred times the rewards' loss, and an f32 sum of both
 * would lose the differences that the search compares.
 */
export function lbfgsNoise(runner: StepRunner, step: StepGraph, options: LbfgsNoise): LoopOptions['noise'] {
  const search = lbfgs(Float64Array.from(options.start), { lr: options.lr });
  const total = step.scalars.indexOf(TOTAL);
  let point = new Float64Array(0);
  const { records, gradients } = options.past ?? { records: [], gradients: [] };
  let isReplayed = false;
  return async (iteration) => {
    if (iteration > 0 && isReplayed) {
      const [scalars, gradient] = await Promise.all([runner.read('scalars'), runner.read('noise_gradient')]);
      return tell(at(scalars, total), gradient);
    }
    isReplayed = true;
    let noise = moveTo(search.next());
    for (const [i, gradient] of gradients.entries()) {
      noise = tell(at(records, i).total, gradient);
    }
    return noise;
  };

  function tell(loss: number, gradient: Float32Array): Float32Array | 'done' {
    const whole = loss + regulariser(point, options.regWeight);
    return moveTo(search.next({ loss: whole, gradient: Float64Array.from(gradient) }));
  }

  function moveTo(next: IteratorResult<Float64Array, void>): Float32Array | 'done' {
    if (next.done) {
      return 'done';
    }
    const noise = Float32Array.from(next.value);
    point = Float64Array.from(noise);
    return noise;
  }
}

/** The same regulariser as `noiseRegulariser`, in f64. */
function regulariser(z: Float64Array, weight: number): number {
  const squaredNorm = z.reduce((s, v) => s + v * v, 0);
  return (weight / 2) * (squaredNorm - (z.length - 1) * Math.log(squaredNorm));
}
