/** The objective that ReNO minimises: weighted reward losses, and a regulariser on the norm of the noise. */
import { add, log, type Operand, reshape, sub, sum } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { sizeOf } from '../../tensor/types.ts';
import { numberShape, squaredNorms } from './each_picture.ts';
import { scaled } from './scaled.ts';

/** One reward network applied to the pictures: a number for each to minimise, and its weight in the sum. */
export interface RewardTerm {
  /** The reward's label: `HPS`, `ImageReward`, `CLIP`, … */
  readonly name: string;
  readonly weight: Operand;
  /** One element for each picture, any rank. */
  readonly loss: Tensor;
  /** True for a reward that is computed and recorded, but is no part of the sum. */
  readonly watched?: true;
}

interface Objective {
  /** Each reward's loss before its weight, in the order given: a number for each picture, as all values below. */
  readonly losses: readonly Tensor[];
  /** Σ weight·loss. The best image is chosen by this, without the regulariser. */
  readonly rewardLoss: Tensor;
  readonly regulariser: Tensor;
  /** rewardLoss + regulariser, summed over the pictures: one number, which is differentiated. */
  readonly total: Tensor;
  /** ‖z‖², from which the norm is reported. */
  readonly squaredNorm: Tensor;
}

/**
 * weight·(½‖z‖² − (d−1) ln‖z‖), in f32 from s = ‖z‖² as weight·½(s − (d−1) ln s): no square root, same value.
 * The negative log-density of the norm of a d-dimensional Gaussian sample, up to a constant; its gradient
 * vanishes at ‖z‖² = d − 1. (ReNO, section 3.2.)
 */
export function noiseRegulariser(squaredNorm: Tensor, { half, scaled: second }: RegulariserFactors): Tensor {
  return sub(scaled(squaredNorm, half), scaled(log(squaredNorm), second));
}

/** weight/2 and weight/2·(d − 1). */
interface RegulariserFactors {
  readonly half: Operand;
  readonly scaled: Operand;
}

/** The factors of a fixed weight. */
export function regulariserFactors(dimension: number, weight: number): RegulariserFactors {
  return { half: weight / 2, scaled: (weight / 2) * (dimension - 1) };
}

/** @throws Error when there is no reward, or a loss is not one value for each picture */
export function buildObjective(
  latents: Tensor,
  terms: readonly RewardTerm[],
  regulariserBy: RegulariserFactors,
): Objective {
  const batch = latents.dim(0);
  const losses = terms.map(({ name, loss }) => {
    if (sizeOf(loss.shape) !== batch) {
      const values = batch === 1 ? 'one value' : `${batch} values, one for each picture`;
      throw new Error(`the loss of reward ${name} has shape [${loss.shape.join(',')}]; it must be ${values}`);
    }
    return reshape(loss, numberShape(latents));
  });
  const weighted = losses.flatMap((loss, i) => (terms[i]?.watched ? [] : [scaled(loss, terms[i]?.weight ?? 0)]));
  const [first, ...rest] = weighted;
  if (!first) {
    throw new Error('ReNO needs at least one reward');
  }
  const rewardLoss = rest.reduce((total, term) => add(total, term), first);
  const squaredNorm = squaredNorms(latents);
  const regulariser = noiseRegulariser(squaredNorm, regulariserBy);
  const totals = add(rewardLoss, regulariser);
  return { losses, rewardLoss, regulariser, total: batch === 1 ? totals : sum(totals), squaredNorm };
}
