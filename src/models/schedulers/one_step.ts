/**
 * The single step of a one-step generator, which needs three numbers: the model's input is `inputScale`·z with standard
 * normal z, and the picture's latents are x0 = `z`·z + `prediction`·model(…).
 */
import { add, affine, sub } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import type { Steps } from './linear_step.ts';

export interface OneStep {
  /** The model's timestep, in training steps. */
  readonly timestep: number;
  readonly inputScale: number;
  readonly x0: { readonly z: number; readonly prediction: number };
}

/** Returns the only step of a run. The fresh noise of a last step is at most 1e-10 and left out. */
export function fromSteps({ initial, steps }: Steps): OneStep {
  const { timestep, inputScale, sample, prediction } = at(steps, 0);
  return { timestep, inputScale: initial * inputScale, x0: { z: initial * sample, prediction } };
}

/** Scales the noise for the model. */
export function modelInput(step: OneStep, z: Tensor): Tensor {
  return step.inputScale === 1 ? z : affine(z, step.inputScale);
}

/** z and prediction of one shape → latents of unit variance. With opposite factors it subtracts first, which rounds once. */
export function predictX0(step: OneStep, z: Tensor, prediction: Tensor): Tensor {
  const { x0 } = step;
  if (x0.z === 0) {
    return scaled(prediction, x0.prediction);
  }
  return x0.z === -x0.prediction
    ? scaled(sub(z, prediction), x0.z)
    : add(scaled(z, x0.z), scaled(prediction, x0.prediction));
}

const scaled = (x: Tensor, factor: number): Tensor => (factor === 1 ? x : affine(x, factor));
