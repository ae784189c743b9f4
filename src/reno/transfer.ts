/**
 * Noise transfer (`--enable_multi_apply` of the reference implementation): noise that was optimised for a one-step
 * generator also starts a model of several steps, and so does the noise that optimisation started from, to compare.
 */
import type { ModelFiles } from '../models/checkpoint/files.ts';
import { MultiStepSampler, type SamplerOptions, traceSampler } from '../models/pipelines/multi_step.ts';
import type { Device } from '../tensor/device/device.ts';
import type { Shape } from '../tensor/types.ts';
import { sameShape } from '../tensor/types.ts';
import { drawNoise, noiseDraws } from './noise/draw_noise.ts';
import type { History, TransferRecord } from './report/history.ts';
import type { ImageSize } from './report/picture.ts';
import { drawsOf } from './search/method.ts';
import type { RenoSettings } from './settings/settings.ts';
import { traceGenerator } from './trace.ts';

export type TransferOptions = Pick<SamplerOptions, 'steps' | 'guidance' | 'dtype'>;

interface TransferModel {
  /** The model's name in the history. */
  readonly name: string;
  /** A folder as diffusers saves it, or a model folder that has one as `generator`. */
  readonly files: ModelFiles;
}

export interface Transferred {
  readonly record: TransferRecord;
  /** [H,W,3] in [0,1], from the first noise and from the best. */
  readonly init: Float32Array<ArrayBuffer>;
  readonly best: Float32Array<ArrayBuffer>;
}

/**
 * Checks before a long run that the transfer after it can work: reads configurations and headers, and compiles nothing.
 * @param files the model folder that the noise will be optimised in
 * @throws Error as `checkLatents`
 */
export async function checkTransfer(
  model: TransferModel,
  files: ModelFiles,
  settings: RenoSettings,
  options: TransferOptions,
): Promise<void> {
  const { latents, image } = await traceGenerator(files, settings);
  const noise = latents.shape;
  await checkLatents(model, noise, { height: image.dim(1), width: image.dim(2) }, options);
}

/**
 * Checks that the model starts a picture of `size` from noise of this shape.
 * @throws Error, one sentence: a folder that is broken, settings it cannot do, or latents of another shape
 */
async function checkLatents(
  { name, files }: TransferModel,
  noise: Shape,
  size: ImageSize,
  options: TransferOptions,
): Promise<void> {
  const { latents } = await traceSampler(files, { ...options, ...size });
  if (!sameShape(latents.shape, noise)) {
    const show = (shape: Shape): string => `[${shape.join(', ')}]`;
    throw new Error(
      `the noise is ${show(noise)}, but ${name} starts a picture of ${size.width}×${size.height} from ` +
        `${show(latents.shape)}: noise can only be handed to a model of the same latents`,
    );
  }
}

/**
 * Makes the multi-step model's pictures from the first and the best noise of a run. If its scheduler adds fresh noise, both
 * pictures use the draws of the run's seed that follow those of the run.
 * @throws Error as `checkLatents`, or for a GPU that is too small
 */
export async function transferNoise(
  device: Device,
  model: TransferModel,
  run: { readonly history: History; readonly bestLatents: Float32Array; readonly signal?: AbortSignal },
  options: TransferOptions,
): Promise<Transferred> {
  const { config, image } = run.history;
  const { shape, source, draw } = config.noise;
  await checkLatents(model, shape, image, options);
  const start = performance.now();
  using sampler = await MultiStepSampler.open(device, model.files, { ...options, ...image });
  const load = (performance.now() - start) / 1000;
  const interruptible = run.signal ? { signal: run.signal } : {};
  const unused = draw + drawsOf({ ...config, ...config.search });
  const pictureOf = async (noise: Float32Array): Promise<Float32Array<ArrayBuffer>> => {
    const draws = noiseDraws(shape, config.seed, source);
    const fresh = (step: number): Float32Array => draws(unused + step);
    return (await sampler.sample({ ...interruptible, prompt: config.prompt, noise, fresh })).image;
  };
  const best = await pictureOf(run.bestLatents);
  const init = config.mode === 'no-optim' ? best : await pictureOf(drawNoise(shape, config.seed, draw, source));
  const { steps, guidance } = sampler;
  const seconds = { load, pictures: (performance.now() - start) / 1000 - load };
  return { record: { model: model.name, steps, guidance, seconds }, init, best };
}
