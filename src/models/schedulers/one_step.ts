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

/** The greatest standard deviation of fresh noise that is left out: DDPM's least variance gives 1e-10. */
const NEGLIGIBLE_NOISE = 1e-9;

/** Returns the only step of a run. @throws Error when the step adds fresh noise to the picture */
export function fromSteps({ initial, steps }: Steps): OneStep {
  const { timestep, inputScale, sample, prediction, noise } = at(steps, 0);
  if (noise > NEGLIGIBLE_NOISE) {
    throw new Error(
      `a single step from timestep ${timestep} adds fresh noise of ${noise.toPrecision(3)} to its result`,
    );
  }
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
