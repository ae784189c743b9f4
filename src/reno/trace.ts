/** Traces a ReNO run as a graph: generator, rewards and step of a model folder. Only headers are read, and nothing is allocated. */
import { type ModelFiles, subfolder } from '../models/checkpoint/files.ts';
import { openPipeline, type TextToImagePipeline } from '../models/pipelines/index.ts';
import type { WeightStore } from '../models/weights/weight_store.ts';
import { weightResidency } from '../models/weights/weight_store.ts';
import { Graph } from '../tensor/graph.ts';
import { RaisedModules } from '../tensor/raised_modules.ts';
import type { PlanSpec } from '../tensor/schedule/plan_spec.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { at } from '../tensor/types.ts';
import { buildStep, type StepConfig, type StepGraph } from './loop/step_graph.ts';
import type { RewardInfo } from './report/history.ts';
import { openRewards, REWARD_NAMES, type Reward } from './rewards/index.ts';
import { batchOf, multiStartOf } from './search/method.ts';
import { ascends } from './search/method_names.ts';
import type { RenoSettings } from './settings/settings.ts';

export interface TracedRun {
  readonly pipeline: TextToImagePipeline;
  readonly networks: readonly Reward[];
  readonly rewards: readonly RewardInfo[];
  readonly step: StepGraph;
  /** All checkpoints that the run reads. */
  readonly weights: readonly WeightStore[];
  readonly spec: PlanSpec;
}

interface TracedGenerator {
  readonly pipeline: TextToImagePipeline;
  /** The noise of each picture, as PyTorch draws it. */
  readonly latents: Tensor;
  /** [N,H,W,3] */
  readonly image: Tensor;
}

/** Traces the generator of a model folder alone. @throws Error as `traceRun` */
export async function traceGenerator(
  files: ModelFiles,
  settings: RenoSettings,
  graph = new Graph(),
): Promise<TracedGenerator> {
  const { dtype, timestep } = settings;
  const batch = batchOf(settings);
  const options = { dtype, batch, ...(timestep === undefined ? {} : { timestep }) };
  const pipeline = await openPipeline(graph, subfolder(files, 'generator'), options);
  const [, ...grid] = pipeline.latentShape(...(settings.size ?? []));
  const latents = graph.input('latents', [batch, ...grid], 'step');
  const image = graph.scope('generator', () => pipeline.generate(latents));
  return { pipeline, latents, image };
}

/** Traces a whole run. @param levers whether the run has levers @throws Error, one sentence: a file that is missing, broken or does not fit, or a size that is not possible */
export async function traceRun(files: ModelFiles, settings: RenoSettings, levers = false): Promise<TracedRun> {
  const fit = await import('./settings/settings_fit.ts'); // Pages need it only now, so bundles load it then.
  fit.assertMethodFits(settings, multiStartOf(settings));
  fit.assertStorageFits(settings);
  fit.assertBatchFits(settings, levers);
  const graph = new Graph();
  const { dtype, f32Modules } = settings;
  graph.raised = f32Modules ? new RaisedModules(f32Modules) : null;
  const { pipeline, latents, image } = await traceGenerator(files, settings, graph);
  const watched = new Set(settings.watch);
  const wanted = REWARD_NAMES.filter((name) => (settings.rewards[name] ?? 0) !== 0 || watched.has(name));
  const networks = await openRewards(graph, wanted, (name) => subfolder(files, name), dtype, batchOf(settings));
  const rewards: RewardInfo[] = networks.map(({ name, offset }, i) => {
    return watched.has(at(wanted, i))
      ? { name, weight: 0, offset, watched: true }
      : { name, weight: settings.rewards[at(wanted, i)] ?? 0, offset };
  });
  const terms = networks.map((network, i) => ({
    name: network.name,
    weight: rewards[i]?.weight ?? 0,
    loss: network.loss(image),
    ...(rewards[i]?.watched ? { watched: true as const } : {}),
  }));
  graph.raised?.assertFound();
  const step = buildStep(
    { latents, image, rewards: terms },
    {
      kind: ascends(settings.mode) ? 'optimise' : 'score',
      judges: settings.mode === 'multi-start',
      optimizer: {
        name: settings.optim,
        lr: settings.lr,
        momentum: settings.momentum,
        nesterov: settings.nesterov,
        eps: settings.adamEps,
      },
      gradClip: settings.gradClip,
      regWeight: settings.regWeight,
      regularise: settings.reg === 'spectrum' ? (await import('./noise/gaussianity.ts')).gaussianity : undefined,
      project: await projectionsOf(settings),
      levers,
      selectBy: settings.selectBy && networks[wanted.indexOf(settings.selectBy)]?.name,
    },
  );
  const weights = [pipeline, ...networks].flatMap((part) => part.weights);
  const { budget, weightBits } = settings;
  return {
    pipeline,
    networks,
    rewards,
    step,
    weights,
    spec: {
      outputs: step.outputs,
      updates: step.updates,
      ...weightResidency(weights),
      ...(budget === undefined ? {} : { budget }),
      ...(weightBits === undefined ? {} : { weightBits }),
    },
  };
}

/** The projections of a preconditioned run; undefined for other methods. */
async function projectionsOf({ mode, project = 'gradient' }: RenoSettings): Promise<StepConfig['project']> {
  if (mode !== 'preconditioned') {
    return undefined;
  }
  const { whiteNoise } = await import('./noise/white_noise.ts'); // Few runs need it, so bundles load it then.
  return {
    ...(project === 'latents' ? {} : { gradient: whiteNoise }),
    ...(project === 'gradient' ? {} : { latents: whiteNoise }),
  };
}
