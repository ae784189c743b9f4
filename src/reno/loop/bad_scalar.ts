/** Says which number of an iteration is no finite one. */
import { GRAD_NORM, NOISE_NORM, REGULARISER, TOTAL } from './step_graph.ts';

/** Returns one sentence. @param name of a reward, or of one of the other scalars of a step @param iteration counted from 0 */
export function describeBadScalar(name: string, value: number, iteration: number): string {
  const what =
    name === GRAD_NORM
      ? 'the gradient of the noise'
      : name === NOISE_NORM || name === REGULARISER
        ? 'the norm of the noise'
        : name === TOTAL
          ? 'the total loss'
          : `the loss of ${name}`;
  const advice = iteration === 0 ? 'check the weights' : 'try a smaller --lr or --grad-clip';
  return `${what} became ${value} at iteration ${iteration}; ${advice}`;
}
