/** A one-step text-to-image generator from a folder as diffusers saves it (model_index.json and a folder for each part). */
import { affine, clamp, transpose } from '../kernels/index.ts';
import type { Graph } from '../tensor/graph.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Shape } from '../tensor/types.ts';
import {
  AUTOENCODER_KL_ALIASES,
  AUTOENCODER_KL_ENCODER,
  AutoencoderKL,
  readAutoencoderKLConfig,
} from './autoencoder_kl.ts';
import { AUTOENCODER_TINY_ENCODER, AutoencoderTiny, readAutoencoderTinyConfig } from './autoencoder_tiny.ts';
import { CLIPTextModel, clipTextConfig } from './clip_text.ts';
import { type Config, readConfig } from './config.ts';
import { type ModelFiles, subfolder } from './files.ts';
import { modelInput, type OneStep, oneStepOf, predictX0 } from './schedulers/index.ts';
import { readUNet2DConditionConfig, UNet2DConditionModel } from './unet_2d_condition.ts';
import { openWeights, type WeightSink, type WeightStore } from './weights.ts';

export interface PipelineOptions {
  /** Where the single step starts, if not where the scheduler's own does (HyperSDXL 800). */
  readonly timestep?: number;
}

/** What a decoder of latents can do; AutoencoderKL and AutoencoderTiny. */
interface LatentDecoder {
  readonly scale: number;
  decode(z: Tensor): Tensor;
  unscale(latents: Tensor): Tensor;
}

export class OneStepPipeline {
  readonly text_encoder: CLIPTextModel;
  readonly unet: UNet2DConditionModel;
  readonly vae: LatentDecoder;
  readonly scheduler: OneStep;
  readonly #stores: readonly WeightStore[];

  private constructor(
    text_encoder: CLIPTextModel,
    unet: UNet2DConditionModel,
    vae: LatentDecoder,
    scheduler: OneStep,
    stores: readonly WeightStore[],
  ) {
    this.text_encoder = text_encoder;
    this.unet = unet;
    this.vae = vae;
    this.scheduler = scheduler;
    this.#stores = stores;
  }

  /**
   * Reads configs and the weights' headers, and declares the weights as inputs of `graph`; values come with `upload`.
   * @throws Error, one sentence with file and key or tensor, for what is missing, malformed or not supported yet.
   */
  static async open(graph: Graph, files: ModelFiles, options: PipelineOptions = {}): Promise<OneStepPipeline> {
    const index = await readConfig(files, 'model_index.json');
    const text = subfolder(files, checked(index, 'text_encoder', ['CLIPTextModel']).folder);
    const unet = subfolder(files, checked(index, 'unet', ['UNet2DConditionModel']).folder);
    const textConfig = clipTextConfig(await readConfig(text));
    const unetConfig = readUNet2DConditionConfig(await readConfig(unet));
    if (textConfig.hidden_size !== unetConfig.cross_attention_dim) {
      throw new Error(
        `${unet.name}/config.json: cross_attention_dim is ${unetConfig.cross_attention_dim}, but the text encoder's hidden_size is ${textConfig.hidden_size}`,
      );
    }
    const textWeights = await openWeights(graph, text, 'model', { name: 'text_encoder' });
    const unetWeights = await openWeights(graph, unet, DIFFUSERS, { name: 'unet' });
    const vae = await openDecoder(graph, files, index);
    const scheduler = oneStepOf(await readConfig(files, 'scheduler/scheduler_config.json'), options.timestep);
    const stores = [textWeights, unetWeights, vae.weights];
    const pipeline = new OneStepPipeline(
      new CLIPTextModel(textWeights, textConfig),
      new UNet2DConditionModel(unetWeights, unetConfig),
      vae.decoder,
      scheduler,
      stores,
    );
    for (const store of stores) {
      store.assertAllUsed();
    }
    return pipeline;
  }

  /** Shape of z, [1,C,h,w], for a picture of height × width pixels (default: the size the UNet was trained at). */
  latentShape(height = this.#nativeSize, width = this.#nativeSize): Shape {
    const { scale } = this.vae;
    if (height % scale !== 0 || width % scale !== 0) {
      throw new Error(`a picture of ${width}×${height} is not possible: sides must be multiples of ${scale}`);
    }
    return [1, this.unet.config.in_channels, height / scale, width / scale];
  }

  get #nativeSize(): number {
    return this.unet.config.sample_size * this.vae.scale;
  }

  /** Token ids i32 [1,T] → what the UNet attends to, [1,T,E]. */
  encodePrompt(ids: Tensor): Tensor {
    return this.text_encoder.forward(ids).lastHiddenState;
  }

  /**
   * Noise z [N,C,h,w] (PyTorch's order, in which noise is drawn and stored) and text features [N,T,E]
   * → pictures [N,H,W,3] in [0,1]; what is clamped has no gradient.
   */
  generate(z: Tensor, textFeatures: Tensor): Tensor {
    const latents = this.latents(transpose(z, [0, 2, 3, 1]), textFeatures);
    return clamp(affine(this.vae.decode(this.vae.unscale(latents)), 0.5, 0.5), 0, 1);
  }

  /** The denoised latents, unit variance: z [N,h,w,C] → [N,h,w,C]. */
  latents(z: Tensor, textFeatures: Tensor): Tensor {
    const { scheduler } = this;
    const prediction = this.unet.forward(modelInput(scheduler, z), scheduler.timestep, textFeatures);
    return predictX0(scheduler, z, prediction);
  }

  /** All weights as f32 by graph input name: feeds for the interpreter. */
  async values(): Promise<Map<string, Float32Array>> {
    const all = await Promise.all(this.#stores.map((store) => store.values()));
    return new Map(all.flatMap((values) => [...values]));
  }

  /** Reads all weights and writes them into a plan compiled from this graph. */
  async upload(plan: WeightSink): Promise<void> {
    for (const store of this.#stores) {
      await store.upload(plan);
    }
  }
}

const DIFFUSERS = 'diffusion_pytorch_model';

/** The class that model_index.json gives a part (`"unet": ["diffusers", "UNet2DConditionModel"]`), and its folder. */
function checked<const T extends string>(
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

async function openDecoder(
  graph: Graph,
  files: ModelFiles,
  index: Config,
): Promise<{ decoder: LatentDecoder; weights: WeightStore }> {
  const { folder, type } = checked(index, 'vae', ['AutoencoderKL', 'AutoencoderTiny']);
  const inside = subfolder(files, folder);
  const config = await readConfig(inside);
  if (type === 'AutoencoderTiny') {
    const options = { name: 'vae', ignore: AUTOENCODER_TINY_ENCODER };
    const weights = await openWeights(graph, inside, DIFFUSERS, options);
    return { decoder: new AutoencoderTiny(weights, readAutoencoderTinyConfig(config)), weights };
  }
  const options = { name: 'vae', aliases: AUTOENCODER_KL_ALIASES, ignore: AUTOENCODER_KL_ENCODER };
  const weights = await openWeights(graph, inside, DIFFUSERS, options);
  return { decoder: new AutoencoderKL(weights, readAutoencoderKLConfig(config)), weights };
}
