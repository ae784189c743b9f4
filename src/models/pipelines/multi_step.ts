/**
 * Runs a diffusion model for several steps. The timestep and the scheduler's numbers are inputs of the graph, so one compiled
 * step is replayed for all timesteps. The decoder is a plan of its own and runs once.
 */
import { add, affine, mul, sub } from '../../kernels/index.ts';
import type { Device } from '../../tensor/device/device.ts';
import { Graph } from '../../tensor/graph.ts';
import { compile } from '../../tensor/plan/compile.ts';
import type { Plan } from '../../tensor/plan/plan.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { sizeOf } from '../../tensor/types.ts';
import type { ModelFiles } from '../checkpoint/files.ts';
import type { LinearStep, Steps } from '../schedulers/index.ts';
import { weightResidency } from '../weights/weight_store.ts';
import { isStepwise, openPipeline, type PipelineOptions, type StepwisePipeline } from './index.ts';

export interface SamplerOptions extends PipelineOptions {
  /** Size of the picture in pixels. Default: the size that the model was trained at. */
  readonly height?: number;
  readonly width?: number;
  /** Default: the reference implementation's number for this kind of model. */
  readonly steps?: number;
  /** Scale of classifier-free guidance, away from the empty prompt's prediction. At most 1 is none. Default: the reference implementation's. */
  readonly guidance?: number;
}

interface SampleOptions {
  readonly prompt: string;
  /** Standard normal noise, row-major in the sampler's `latentShape`. */
  readonly noise: Float32Array;
  /** Returns fresh noise for a step, for schedulers that add some. */
  readonly fresh: (step: number) => Float32Array;
  readonly signal?: AbortSignal;
}

interface Sampled {
  /** [H,W,3] in [0,1]. */
  readonly image: Float32Array<ArrayBuffer>;
  /** Denoised latents, in `latentShape`. */
  readonly latents: Float32Array<ArrayBuffer>;
}

const LATENTS = 'sampler.latents';
const TIME = 'sampler.time';
const FRESH = 'sampler.fresh';
/** The scalar inputs of a step: each is a factor of the scheduler's update. */
const SCALARS = {
  'sampler.input_scale': (s: LinearStep) => s.inputScale,
  'sampler.sample': (s: LinearStep) => s.sample,
  'sampler.prediction': (s: LinearStep) => s.prediction,
  'sampler.noise': (s: LinearStep) => s.noise,
} as const;

/** A model folder opened and traced for sampling, with nothing compiled. Tracing shows whether folder and sizes fit. */
interface SamplerTrace {
  readonly pipeline: StepwisePipeline;
  readonly latents: Tensor;
  /** The latents after one step. */
  readonly next: Tensor;
  readonly image: Tensor;
  readonly schedule: Steps;
  readonly guidance: number;
}

/** @throws Error, one sentence, for a broken folder, a pipeline of one step only, or settings that the pipeline does not support */
export async function traceSampler(files: ModelFiles, options: SamplerOptions = {}): Promise<SamplerTrace> {
  const graph = new Graph();
  const pipeline = await openPipeline(graph, files, options);
  if (!isStepwise(pipeline)) {
    throw new Error(`${files.name}: this kind of pipeline runs in one step only`);
  }
  const { steps = pipeline.defaults.steps, guidance = pipeline.defaults.guidance } = options;
  const shape = pipeline.latentShape(options.height, options.width);
  const schedule = pipeline.schedule(steps, shape);
  const latents = graph.input(LATENTS, shape, 'step');
  const time = graph.input(TIME, [1, pipeline.timeValues(0).length], 'step');
  const [inputScale, sample, predicted, noise] = Object.keys(SCALARS).map((name) => graph.input(name, [], 'step'));
  if (!inputScale || !sample || !predicted || !noise) {
    throw new Error('a step has four scalars');
  }
  const next = graph.scope('sampler', () => {
    // 1. Scale the latents for the model. 2. Predict, with guidance where there is some.
    const input = mul(latents, inputScale);
    const withPrompt = pipeline.predict(input, time, 'prompt');
    const prediction = guidance > 1 ? guided(pipeline.predict(input, time, 'empty'), withPrompt, guidance) : withPrompt;
    // 3. The scheduler's update. 4. Its fresh noise.
    const moved = add(mul(latents, sample), mul(prediction, predicted));
    const addsNoise = schedule.steps.some((s) => s.noise !== 0);
    return addsNoise ? add(moved, mul(graph.input(FRESH, shape, 'step'), noise)) : moved;
  });
  const image = graph.scope('decoder', () => pipeline.decode(latents));
  return { pipeline, latents, next, image, schedule, guidance };
}

/** Classifier-free guidance (Ho & Salimans, "Classifier-free diffusion guidance"), as diffusers computes it. */
function guided(empty: Tensor, prompt: Tensor, scale: number): Tensor {
  return add(empty, affine(sub(prompt, empty), scale));
}

export class MultiStepSampler implements Disposable {
  readonly latentShape: Shape;
  readonly imageSize: { readonly height: number; readonly width: number };
  readonly steps: number;
  /** Scale of the guidance; at most 1 means none. */
  readonly guidance: number;
  readonly #trace: SamplerTrace;
  readonly #denoiser: Plan;
  readonly #decoder: Plan;

  private constructor(trace: SamplerTrace, denoiser: Plan, decoder: Plan) {
    this.latentShape = trace.latents.shape;
    this.imageSize = { height: trace.image.dim(1), width: trace.image.dim(2) };
    this.steps = trace.schedule.steps.length;
    this.guidance = trace.guidance;
    this.#trace = trace;
    this.#denoiser = denoiser;
    this.#decoder = decoder;
  }

  /** Compiles and uploads. @throws Error as `traceSampler`, or for a GPU that is too small */
  static async open(device: Device, files: ModelFiles, options: SamplerOptions = {}): Promise<MultiStepSampler> {
    const trace = await traceSampler(files, options);
    const memory = weightResidency(trace.pipeline.weights);
    const denoiser = await compile(device, {
      outputs: {},
      updates: [{ state: trace.latents, value: trace.next }],
      ...memory,
    });
    let decoder: Plan | undefined;
    try {
      decoder = await compile(device, { outputs: { image: trace.image }, ...memory });
      for (const plan of [denoiser, decoder]) {
        for (const store of trace.pipeline.weights) {
          await store.upload(plan);
        }
        await plan.run('load');
        await plan.finished();
      }
      return new MultiStepSampler(trace, denoiser, decoder);
    } catch (error) {
      denoiser.destroy();
      decoder?.destroy();
      throw error;
    }
  }

  /** @throws Error when noise or fresh noise is not of `latentShape`, the signal aborts, or the GPU fails */
  async sample({ prompt, noise, fresh, signal }: SampleOptions): Promise<Sampled> {
    const { pipeline, schedule } = this.#trace;
    const plan = this.#denoiser;
    const size = sizeOf(this.latentShape);
    if (noise.length !== size) {
      throw new Error(`noise of ${noise.length} numbers is no [${this.latentShape.join(', ')}]`);
    }
    for (const [name, values] of pipeline.promptValues(prompt)) {
      plan.write(name, values);
    }
    await plan.run('prompt');
    plan.write(
      LATENTS,
      noise.map((v) => v * schedule.initial),
    );
    for (const [i, step] of schedule.steps.entries()) {
      if (signal?.aborted) {
        throw new Error(`sampling was interrupted before step ${i + 1} of ${schedule.steps.length}`);
      }
      plan.write(TIME, pipeline.timeValues(step.timestep));
      for (const [name, of] of Object.entries(SCALARS)) {
        plan.write(name, [of(step)]);
      }
      if (plan.reads(FRESH)) {
        plan.write(FRESH, step.noise === 0 ? new Float32Array(size) : fresh(i));
      }
      await plan.run('step');
      // A step of a large model takes a good part of a second: the queue must not hold all of them.
      await plan.finished();
    }
    const latents = await plan.read(LATENTS);
    this.#decoder.write(LATENTS, latents);
    await this.#decoder.run('step');
    return { image: await this.#decoder.read('image'), latents };
  }

  [Symbol.dispose](): void {
    this.#denoiser.destroy();
    this.#decoder.destroy();
  }
}
