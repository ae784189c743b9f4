/**
 * One iteration of ReNO as one graph: losses, gradient to the noise, clip, optimiser and best-of-trajectory, around a
 * generator and rewards that the caller has traced. The host reads back only a few scalars. With a batch, everything is there for each
 * picture by itself.
 */
import { affine, less, type Operand, select, sqrt } from '../../kernels/index.ts';
import type { StageResults } from '../../tensor/plan/stage_part.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at, sizeOf } from '../../tensor/types.ts';
import { gradients } from '../../tensor/vjp.ts';
import type { Regularised } from '../noise/gaussianity.ts';
import { clipGradNorm } from '../optimizers/grad_clip.ts';
import { eitherStep, type OptimizerConfig, optimizerStep, type StateUpdate } from '../optimizers/optimizer.ts';
import { mapPictures, numberShape, numberTable, squaredNorms } from './each_picture.ts';
import { type LeverInputs, leverInputs } from './levers.ts';
import { buildObjective, type RewardTerm, regulariserFactors } from './objective.ts';

/** `optimise`: the step changes the noise. `score`: it only scores the image of a given noise (best-of-N, no optimisation). */
type StepKind = 'optimise' | 'score';

/** Projections, such as `whiteNoise`. */
interface Projections {
  readonly gradient?: (gradient: Tensor) => Tensor;
  readonly latents?: (latents: Tensor) => Tensor;
}

export interface StepConfig {
  readonly kind: StepKind;
  /** `lbfgs`: the graph leaves the noise where it is, and the host moves it. */
  readonly optimizer: OptimizerConfig | { readonly name: 'lbfgs' };
  /** Largest 2-norm of the gradient that reaches the optimiser. */
  readonly gradClip: number;
  /** Weight of the regulariser; 0 turns it off. */
  readonly regWeight: number;
  /** A regulariser in place of the norm's. */
  readonly regularise?: ((latents: Tensor, weight: Operand) => Regularised) | undefined;
  /** Whether the numbers above, the rewards' weights and the optimiser are inputs, which may change from step to step. */
  readonly levers?: boolean;
  /** Functions that change the gradient of the whole loss, and the noise after each step; absent: they stay. */
  readonly project?: Projections | undefined;
  /** The label of the reward by which the best picture is chosen; absent: by the weighted sum. */
  readonly selectBy?: string | undefined;
  /** Whether an iteration may also only judge its noise: the losses and the best so far, without a gradient. */
  readonly judges?: boolean;
}

/** The caller's part of the graph: the noise of B pictures, the pictures ([B,H,W,3] in [0,1]), and their rewards. */
interface StepParts {
  readonly latents: Tensor;
  readonly image: Tensor;
  readonly rewards: readonly RewardTerm[];
}

export interface StepGraph {
  /** The plan's outputs; `noise_gradient` (before clipping) is one of them when optimising. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly updates: readonly StateUpdate[];
  /** The name of each element of the output `scalars`: [n], or [B,n] with a batch. */
  readonly scalars: readonly string[];
  readonly latents: Tensor;
  readonly image: Tensor;
  /** The name of the scalar that is lowest for the best picture. */
  readonly selectBy: string;
  /** Null where the graph has no levers. */
  readonly levers: LeverInputs | null;
  /** Null where every iteration of the graph is a whole one. */
  readonly judged: JudgedStep | null;
}

/** The part of a step that judges a noise and leaves it as it is. */
export interface JudgedStep {
  /** The output with its scalars. */
  readonly output: string;
  /** The name of each element of that output. */
  readonly scalars: readonly string[];
  readonly results: StageResults;
}

/** A loss larger than any real one. It is finite, since shader compilers may assume that infinities do not occur. */
export const NO_LOSS_YET = 3e38;

/** The state that holds the lowest loss so far. */
export const BEST_LOSS = 'best_loss';

/** Names in `scalars` beside the rewards' own. */
export const TOTAL = 'total';
export const REGULARISER = 'regulariser';
export const NOISE_NORM = 'norm';
export const GRAD_NORM = 'grad_norm';

export function buildStep(parts: StepParts, config: StepConfig): StepGraph {
  const { latents, image, rewards } = parts;
  const graph = latents.graph;
  return graph.scope('reno', () => {
    const { optimizer } = config;
    if (config.levers && (config.kind !== 'optimise' || optimizer.name === 'lbfgs')) {
      throw new Error('levers move a run of SGD or Adam: L-BFGS and a choice among noises have none');
    }
    const levers = config.levers
      ? leverInputs(
          graph,
          rewards.filter(({ watched }) => !watched).map(({ name }) => name),
        )
      : null;
    const objective = buildObjective(
      latents,
      weighedBy(rewards, levers),
      levers?.regulariser ?? regulariserFactors(sizeOf(latents.shape) / latents.dim(0), config.regWeight),
    );
    // The lever has half of the weight.
    const other = config.regularise?.(latents, levers ? affine(levers.regulariser.half, 2) : config.regWeight);
    const scalars = new Map<string, Tensor>(rewards.map(({ name }, i) => [name, at(objective.losses, i)]));
    scalars.set(TOTAL, objective.rewardLoss);
    scalars.set(REGULARISER, other?.value ?? objective.regulariser);
    scalars.set(NOISE_NORM, sqrt(objective.squaredNorm));
    const updates: StateUpdate[] = [];
    const outputs: Record<string, Tensor> = { image };

    // The comparison with the best comes before the optimiser changes the noise, so that image and noise belong together.
    const bestLoss = graph.input(BEST_LOSS, numberShape(latents), 'step');
    const selectBy = config.selectBy ?? TOTAL;
    const chosenBy = scalars.get(selectBy);
    if (!chosenBy) {
      throw new Error(`the best picture cannot be chosen by ${selectBy}, which is no reward of this run`);
    }
    const better = less(chosenBy, bestLoss);
    const keep = (name: string, value: Tensor): void => {
      const state = graph.input(name, value.shape, 'step');
      updates.push({ state, value: select(better, value, state), initial: 0 });
    };
    updates.push({ state: bestLoss, value: select(better, chosenBy, bestLoss), initial: NO_LOSS_YET });
    keep('best_image', image);
    keep('best_latents', latents);
    const judged = config.judges ? judgedStep(scalars, updates, latents) : null;

    if (config.kind === 'optimise') {
      const [ofLoss] = gradients(other ? objective.rewardLoss : objective.total, [latents]);
      const gradient = other?.added(ofLoss) ?? ofLoss;
      const { project } = config;
      const direction = project?.gradient ? mapPictures(gradient, project.gradient) : gradient;
      const clipped = clipGradNorm(direction, levers?.gradClip ?? config.gradClip);
      // A projected gradient always has the same norm.
      scalars.set(GRAD_NORM, project?.gradient ? sqrt(squaredNorms(gradient)) : clipped.norm);
      if (optimizer.name !== 'lbfgs') {
        const step = levers
          ? eitherStep(latents, clipped.grad, levers.adam, { ...optimizer, lr: levers.lr })
          : optimizerStep(latents, clipped.grad, optimizer);
        updates.push(
          {
            state: latents,
            value: project?.latents ? mapPictures(step.next, project.latents) : step.next,
            initial: null,
          },
          ...step.updates,
        );
      }
      outputs.noise_gradient = gradient;
    }
    outputs.scalars = inOne(scalars, latents);
    if (judged) {
      // It comes last, so that each reward's forward pass is still followed by its backward pass.
      outputs[judged.output] = judged.tensor;
    }
    return { outputs, updates, scalars: [...scalars.keys()], latents, image, selectBy, levers, judged };
  });
}

/** The rewards with the levers' weights, where there are levers: those that only watch have none. */
function weighedBy(rewards: readonly RewardTerm[], levers: LeverInputs | null): RewardTerm[] {
  const weights = [...(levers?.rewards ?? [])];
  return rewards.map((term) => (term.watched ? term : { ...term, weight: weights.shift() ?? term.weight }));
}

/** The scalars as one output, so that one copy reads them all. */
function inOne(scalars: ReadonlyMap<string, Tensor>, like: Tensor): Tensor {
  return numberTable([...scalars.values()], like);
}

/** A judged step with the scalars and states that there are so far, and its output's value. */
function judgedStep(
  scalars: ReadonlyMap<string, Tensor>,
  updates: readonly StateUpdate[],
  latents: Tensor,
): JudgedStep & { readonly tensor: Tensor } {
  const output = 'judged_scalars';
  const states = updates.map(({ state }) => state.node.name ?? '');
  const results = { outputs: ['image', output], states };
  return { output, scalars: [...scalars.keys()], results, tensor: inOne(scalars, latents) };
}
