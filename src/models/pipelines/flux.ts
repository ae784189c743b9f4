/** diffusers' FluxPipeline reduced to one step: FLUX.1-schnell, as the reference implementation of ReNO runs it. */
import { reshape } from '../../kernels/index.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import { type Config, readConfig } from '../config.ts';
import { type ModelFiles, subfolder } from '../files.ts';
import { imageIds, textIds } from '../flux_pos_embed.ts';
import {
  type FluxTransformer2DConfig,
  FluxTransformer2DModel,
  readFluxTransformer2DConfig,
} from '../flux_transformer_2d.ts';
import { type ComputeDType, storedAs, weightStorage } from '../half_precision.ts';
import type { PromptValues } from '../prompt.ts';
import { modelInput, type OneStep, oneStepOf, predictX0 } from '../schedulers/index.ts';
import { openWeights, type WeightStore } from '../weights.ts';
import { PATCH, unpackLatents } from './flux_latents.ts';
import { type FluxTextEncoders, openFluxTextEncoders } from './flux_text.ts';
import { checkedPart, DIFFUSERS, decodeImage, type LatentDecoder, noiseShape, openDecoder } from './parts.ts';
import type { PipelineOptions, TextToImagePipeline } from './pipeline.ts';

/** Latents of a picture's side if no size is asked for: 512 pixels, which is what ReNO was measured at. */
const SAMPLE_SIZE = 64;

interface Parts {
  readonly text: FluxTextEncoders;
  readonly transformer: FluxTransformer2DModel;
  readonly vae: LatentDecoder;
  readonly scheduler: OneStep;
  readonly weights: readonly WeightStore[];
  readonly dtype: ComputeDType;
}

export class FluxPipeline implements TextToImagePipeline {
  readonly text: FluxTextEncoders;
  readonly transformer: FluxTransformer2DModel;
  readonly vae: LatentDecoder;
  readonly scheduler: OneStep;
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
    { timestep, dtype = 'f32' }: PipelineOptions,
  ): Promise<FluxPipeline> {
    const storage = weightStorage(dtype);
    const folder = subfolder(files, checkedPart(index, 'transformer', ['FluxTransformer2DModel']).folder);
    const file = await readConfig(folder);
    const config = readFluxTransformer2DConfig(file);
    const text = await openFluxTextEncoders(graph, files, index, storage);
    assertTogether(file, config, text);
    const transformerWeights = await openWeights(graph, folder, DIFFUSERS, { name: 'transformer', storage });
    const vae = await openDecoder(graph, files, index, dtype);
    const pipeline = new FluxPipeline({
      text,
      transformer: new FluxTransformer2DModel(transformerWeights, config),
      vae: vae.decoder,
      scheduler: oneStepOf(await readConfig(files, 'scheduler/scheduler_config.json'), timestep),
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
    return decodeImage(this.vae, unpackLatents(this.denoise(latents)), this.#dtype);
  }

  /** The denoised tokens, unit variance: z [N,rows,columns,C] → the same shape. */
  denoise(z: Tensor): Tensor {
    const { scheduler } = this;
    const { promptEmbeds, pooled } = this.text.encode();
    const [batch, rows, columns, channels] = [z.dim(0), z.dim(1), z.dim(2), z.dim(3)];
    const tokens = reshape(modelInput(scheduler, z), [batch, rows * columns, channels]);
    const prediction = storedAs(this.#dtype, tokens, (x) =>
      this.transformer.forward(x, {
        timestep: scheduler.timestep,
        encoder_hidden_states: promptEmbeds,
        pooled_projections: pooled,
        img_ids: imageIds(rows, columns),
        txt_ids: textIds(promptEmbeds.dim(1)),
      }),
    );
    return predictX0(scheduler, z, reshape(prediction, z.shape));
  }
}

/** @throws Error when the transformer is no one-step model, or was made for text encoders of other widths */
function assertTogether(file: Config, config: FluxTransformer2DConfig, text: FluxTextEncoders): void {
  if (config.guidance_embeds) {
    file.fail('guidance_embeds', 'is true: FLUX.1-dev needs many steps and is not supported; FLUX.1-schnell is');
  }
  if (config.out_channels !== config.in_channels || config.in_channels % PATCH ** 2 !== 0) {
    file.fail('in_channels', `is ${config.in_channels}, but must be out_channels and a multiple of ${PATCH ** 2}`);
  }
  const { hidden_size } = text.text_encoder.config;
  const { d_model } = text.text_encoder_2.config;
  if (config.joint_attention_dim !== d_model) {
    file.fail('joint_attention_dim', `is ${config.joint_attention_dim}, but text_encoder_2's d_model is ${d_model}`);
  }
  if (config.pooled_projection_dim !== hidden_size) {
    file.fail(
      'pooled_projection_dim',
      `is ${config.pooled_projection_dim}, but text_encoder's hidden_size is ${hidden_size}`,
    );
  }
}
