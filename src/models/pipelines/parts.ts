/** The parts of a generator folder (model_index.json and a folder for each part) that several pipelines share. */
import { affine, clamp, transpose } from '../../kernels/index.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { type Config, readConfig } from '../checkpoint/config.ts';
import { type ModelFiles, subfolder } from '../checkpoint/files.ts';
import { type ComputeDType, storedAs, weightStorage } from '../layers/half_precision.ts';
import {
  AUTOENCODER_KL_ALIASES,
  AUTOENCODER_KL_ENCODER,
  AutoencoderKL,
  readAutoencoderKLConfig,
} from '../vae/autoencoder_kl.ts';
import { AUTOENCODER_TINY_ENCODER, AutoencoderTiny, readAutoencoderTinyConfig } from '../vae/autoencoder_tiny.ts';
import { openWeights } from '../weights/open_weights.ts';
import type { WeightStore } from '../weights/weight_store.ts';

/** Base name of diffusers' weight files. */
export const DIFFUSERS = 'diffusion_pytorch_model';

/** What a decoder of latents can do; AutoencoderKL and AutoencoderTiny. */
export interface LatentDecoder {
  /** How many pixels a latent's side stands for. */
  readonly scale: number;
  decode(z: Tensor): Tensor;
  unscale(latents: Tensor): Tensor;
}

/** A part of model_index.json: its folder, and which of `classes` it is. @throws Error when it is none of them */
export function checkedPart<const T extends string>(
  index: Config,
  part: string,
  classes: readonly T[],
): { folder: string; type: T } {
  const entry = index.value(part);
  const named = Array.isArray(entry) ? entry[1] : undefined;
  const type = classes.find((c) => c === named);
  return type === undefined
    ? index.fail(part, `must be a part of class ${classes.join(' or ')}, but is ${JSON.stringify(entry) ?? 'missing'}`)
    : { folder: part, type };
}

const DECODERS = ['AutoencoderKL', 'AutoencoderTiny'] as const;

/** The `vae` folder. Its own config.json says what it is, model_index.json where that is silent: another decoder may stand there. */
export async function decoderPart(
  files: ModelFiles,
  index: Config,
): Promise<{ readonly inside: ModelFiles; readonly config: Config; readonly type: (typeof DECODERS)[number] }> {
  const { folder, type } = checkedPart(index, 'vae', DECODERS);
  const inside = subfolder(files, folder);
  const config = await readConfig(inside);
  return { inside, config, type: config.oneOf('_class_name', DECODERS, type) };
}

export async function openDecoder(
  graph: Graph,
  files: ModelFiles,
  index: Config,
  dtype: ComputeDType,
): Promise<{ decoder: LatentDecoder; weights: WeightStore }> {
  const { inside, config, type } = await decoderPart(files, index);
  const storage = weightStorage(dtype);
  if (type === 'AutoencoderTiny') {
    const options = { name: 'vae', ignore: AUTOENCODER_TINY_ENCODER, storage };
    const weights = await openWeights(graph, inside, DIFFUSERS, options);
    return { decoder: new AutoencoderTiny(weights, readAutoencoderTinyConfig(config)), weights };
  }
  const options = { name: 'vae', aliases: AUTOENCODER_KL_ALIASES, ignore: AUTOENCODER_KL_ENCODER, storage };
  const weights = await openWeights(graph, inside, DIFFUSERS, options);
  return { decoder: new AutoencoderKL(weights, readAutoencoderKLConfig(config)), weights };
}

/** Latents of unit variance [N,h,w,C] → pictures [N,H,W,3] in [0,1]; what is clamped has no gradient. */
export function decodeImage(vae: LatentDecoder, latents: Tensor, dtype: ComputeDType): Tensor {
  const pixels = storedAs(dtype, vae.unscale(latents), (z) => vae.decode(z));
  return clamp(affine(pixels, 0.5, 0.5), 0, 1);
}

/** [1,channels,h,w] of the noise for a picture. @throws Error when a side is no multiple of `scale` */
export function noiseShape(channels: number, scale: number, height: number, width: number): Shape {
  if (height % scale !== 0 || width % scale !== 0) {
    throw new Error(`a picture of ${width}×${height} is not possible: sides must be multiples of ${scale}`);
  }
  return [1, channels, height / scale, width / scale];
}

/** @throws Error when the text encoder's features are not as wide as what the denoiser attends to */
export function assertSameWidth(denoiser: ModelFiles, wanted: number, hidden: number): void {
  if (hidden !== wanted) {
    throw new Error(
      `${denoiser.name}/config.json: cross_attention_dim is ${wanted}, but the text encoder's hidden_size is ${hidden}`,
    );
  }
}

/** [N,C,h,w], as PyTorch draws noise → [N,h,w,C], as networks here take it. */
export const toLast = (latents: Tensor): Tensor => transpose(latents, [0, 2, 3, 1]);
/** [N,h,w,C] → [N,C,h,w] */
export const toFirst = (latents: Tensor): Tensor => transpose(latents, [0, 3, 1, 2]);
