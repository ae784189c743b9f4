/** diffusers' FluxPipeline: FLUX.1-schnell, in one step as the reference implementation of ReNO runs it, or in several. */
import { reshape } from '../../kernels/index.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { type Config, readConfig } from '../checkpoint/config.ts';
import { type ModelFiles, subfolder } from '../checkpoint/files.ts';
import { imageIds, textIds } from '../flux/flux_pos_embed.ts';
import {
  type FluxTransformer2DConfig,
  FluxTransformer2DModel,
  fluxSinusoids,
  readFluxTransformer2DConfig,
} from '../flux/flux_transformer_2d.ts';
import { type ComputeDType, storedAs, weightStorage } from '../layers/half_precision.ts';
import { dynamicShift, modelInput, predictX0, type Steps } from '../schedulers/index.ts';
import type { PromptValues } from '../tokenizers/prompt.ts';
import { openWeights } from '../weights/open_weights.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { PATCH, unpackLatents } from './flux_latents.ts';
import { type FluxTextEncoders, openFluxTextEncoders } from './flux_text.ts';
import { checkedPart, DIFFUSERS, decodeImage, type LatentDecoder, noiseShape, openDecoder } from './parts.ts';
import type { Condition, PipelineOptions, StepwisePipeline } from './pipeline.ts';
import { PipelineScheduler } from './scheduler.ts';

/** Latents of a picture's side if no size is asked for: 512 pixels, which is what ReNO was measured at. */
const SAMPLE_SIZE = 64;

interface Parts {
  readonly text: FluxTextEncoders;
  readonly transformer: FluxTransformer2DModel;
  readonly vae: LatentDecoder;
  readonly scheduler: PipelineScheduler;
  readonly weights: readonly WeightStore[];
  readonly dtype: ComputeDType;
}

export class FluxPipeline implements StepwisePipeline {
  /** It was distilled with its guidance in it. */
  readonly defaults = { steps: 4, guidance: 0 };
  readonly text: FluxTextEncoders;
  readonly transformer: FluxTransformer2DModel;
  readonly vae: LatentDecoder;
  readonly scheduler: PipelineScheduler;
  readonly weights: readonly WeightStore[];
  readonly #dtype: ComputeDType;

  private constructor(parts: Parts) {
    this.text = parts.text;
    this.transformer = parts.transformer;
    this.vae = parts.vae;
    this.scheduler = parts.scheduler;
    this.weights = parts.weights;
    this.#dtype = parts.dtype;
  }

  /**
   * Reads configs and the weights' headers, and declares weights and prompt as inputs of `graph`.
   * @throws Error, one sentence with file and key or tensor, for what is missing, malformed or not supported yet.
   */
  static async open(
    graph: Graph,
    files: ModelFiles,
    index: Config,
    { timestep, scheduler, dtype = 'f32' }: PipelineOptions,
  ): Promise<FluxPipeline> {
    const storage = weightStorage(dtype);
    const folder = subfolder(files, checkedPart(index, 'transformer', ['FluxTransformer2DModel']).folder);
    const file = await readConfig(folder);
    const config = readFluxTransformer2DConfig(file);
    const text = await openFluxTextEncoders(graph, files, index, storage);
    assertTogether(file, config, text, await latentChannels(files, index));
    const transformerWeights = await openWeights(graph, folder, DIFFUSERS, { name: 'transformer', storage });
    const vae = await openDecoder(graph, files, index, dtype);
    const pipeline = new FluxPipeline({
      text,
      transformer: new FluxTransformer2DModel(transformerWeights, config),
      vae: vae.decoder,
      scheduler: await PipelineScheduler.open(files, timestep, scheduler),
      weights: [...text.weights, transformerWeights, vae.weights],
      dtype,
    });
    for (const store of pipeline.weights) {
      store.assertAllUsed();
    }
    return pipeline;
  }

  /** [1,rows,columns,in_channels]: the same numbers in the same order as the reference's [1,rows·columns,in_channels]. */
  latentShape(height = this.#nativeSize, width = this.#nativeSize): Shape {
    const { in_channels } = this.transformer.config;
    const [batch = 1, channels = in_channels, ...tokens] = noiseShape(
      in_channels,
      PATCH * this.vae.scale,
      height,
      width,
    );
    return [batch, ...tokens, channels];
  }

  get #nativeSize(): number {
    return SAMPLE_SIZE * this.vae.scale;
  }

  promptValues(prompt: string): PromptValues {
    return this.text.promptValues(prompt);
  }

  generate(latents: Tensor): Tensor {
    return this.decode(this.denoise(latents));
  }

  /** The denoised tokens, unit variance: z [N,rows,columns,C] → the same shape. */
  denoise(z: Tensor): Tensor {
    const step = this.scheduler.oneStep();
    return predictX0(step, z, this.#transformer(modelInput(step, z), step.timestep));
  }

  /** Noise levels from 1 to 1/n, shifted where the config wants that for the number of tokens. */
  schedule(count: number, latents: Shape): Steps {
    const [, rows = 1, columns = 1] = latents;
    const sigmas = Array.from({ length: count }, (_, i) => 1 - (i * (1 - 1 / count)) / Math.max(1, count - 1));
    return this.scheduler.steps(count, { sigmas, mu: dynamicShift(this.scheduler.config, rows * columns) });
  }

  timeValues(timestep: number): readonly number[] {
    return fluxSinusoids(timestep);
  }

  predict(latents: Tensor, time: Tensor, condition: Condition): Tensor {
    if (condition === 'empty') {
      throw new Error('FLUX.1-schnell has its guidance inside: the guidance must be at most 1');
    }
    return this.#transformer(latents, time);
  }

  decode(latents: Tensor): Tensor {
    return decodeImage(this.vae, unpackLatents(latents), this.#dtype);
  }

  #transformer(x: Tensor, timestep: number | Tensor): Tensor {
    const { promptEmbeds, pooled } = this.text.encode();
    const [batch, rows, columns, channels] = [x.dim(0), x.dim(1), x.dim(2), x.dim(3)];
    const tokens = reshape(x, [batch, rows * columns, channels]);
    const prediction = storedAs(this.#dtype, tokens, (stored) =>
      this.transformer.forward(stored, {
        timestep,
        encoder_hidden_states: promptEmbeds,
        pooled_projections: pooled,
        img_ids: imageIds(rows, columns),
        txt_ids: textIds(promptEmbeds.dim(1)),
      }),
    );
    return reshape(prediction, x.shape);
  }
}

async function latentChannels(files: ModelFiles, index: Config): Promise<number> {
  const { folder } = checkedPart(index, 'vae', ['AutoencoderKL', 'AutoencoderTiny']);
  return (await readConfig(subfolder(files, folder))).count('latent_channels', 4);
}

/** @throws Error when the transformer is no one-step model, or was made for other text encoders or another autoencoder */
function assertTogether(file: Config, config: FluxTransformer2DConfig, text: FluxTextEncoders, latents: number): void {
  if (config.guidance_embeds) {
    file.fail('guidance_embeds', 'is true: FLUX.1-dev needs many steps and is not supported; FLUX.1-schnell is');
  }
  const { in_channels, out_channels, joint_attention_dim, pooled_projection_dim } = config;
  if (in_channels !== latents * PATCH ** 2 || out_channels !== in_channels) {
    const packed = `${latents * PATCH ** 2}, as the autoencoder has ${latents} latent channels, ${PATCH ** 2} to a token`;
    file.fail('in_channels', `and out_channels are ${in_channels} and ${out_channels}, but must be ${packed}`);
  }
  const { hidden_size } = text.text_encoder.config;
  const { d_model } = text.text_encoder_2.config;
  if (joint_attention_dim !== d_model) {
    file.fail('joint_attention_dim', `is ${joint_attention_dim}, but text_encoder_2's d_model is ${d_model}`);
  }
  if (pooled_projection_dim !== hidden_size) {
    file.fail('pooled_projection_dim', `is ${pooled_projection_dim}, but text_encoder's hidden_size is ${hidden_size}`);
  }
}
