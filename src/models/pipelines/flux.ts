/**
 * FLUX.1-schnell in one step, as the reference implementation of ReNO runs it, or in several.
 * Source: diffusers/pipelines/flux/pipeline_flux.py: FluxPipeline.
 */
import { reshape, transpose } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape } from '../../tensor/types.ts';
import type { Config } from '../checkpoint/config.ts';
import { imageIds, textIds } from '../flux/flux_pos_embed.ts';
import {
  type FluxTransformer2DConfig,
  FluxTransformer2DModel,
  fluxSinusoids,
  readFluxTransformer2DConfig,
} from '../flux/flux_transformer_2d.ts';
import { storedAs } from '../layers/half_precision.ts';
import { dynamicShift, type Steps } from '../schedulers/index.ts';
import type { OnCut, PromptValues } from '../tokenizers/tokenizers.ts';
import { DiffusionPipeline, type LatentGrid, type PipelineComponents } from './diffusion_pipeline.ts';
import { type FluxTextEncoders, openFluxTextEncoders } from './flux_text.ts';
import type { Condition, StepwisePipeline } from './pipeline.ts';
import type { PipelineFolder } from './pipeline_folder.ts';

/** Side of the latents by default: 512 pixels, the size that ReNO was measured at. No config has it. */
const SAMPLE_SIZE = 64;

/** Latents per token, along one side. */
const PATCH = 2;

interface Components extends PipelineComponents {
  readonly text: FluxTextEncoders;
  readonly transformer: FluxTransformer2DModel;
}

export class FluxPipeline extends DiffusionPipeline implements StepwisePipeline {
  /** The model was distilled with its guidance, so it runs without. */
  readonly defaults = { steps: 4, guidance: 0 };
  readonly text: FluxTextEncoders;
  readonly transformer: FluxTransformer2DModel;

  private constructor(components: Components) {
    super(components);
    this.text = components.text;
    this.transformer = components.transformer;
  }

  /**
   * Reads configs and the headers of the weight files, and declares weights and prompt as inputs of the graph.
   * @throws Error, one sentence with file and key or tensor, for what is missing, malformed or not supported yet
   */
  static async open(folder: PipelineFolder): Promise<FluxPipeline> {
    if (folder.batch > 1) {
      throw new Error(
        'FLUX.1-schnell makes one picture at a time here: its norms have one modulation for a whole batch',
      );
    }
    // 1. Read the configs, build the text encoders, and check that the components fit together.
    const transformer = await folder.component('transformer', ['FluxTransformer2DModel']);
    const config = readFluxTransformer2DConfig(transformer.config);
    const text = await openFluxTextEncoders(folder);
    const latentChannels = (await folder.decoderComponent()).config.count('latent_channels', 4);
    checkWidths(transformer.config, config, text, latentChannels);
    // 2. Open the weights. 3. Build the networks.
    const transformerWeights = await folder.weights(transformer, 'diffusers');
    const decoder = await folder.decoder(folder.dtype, true);
    return new FluxPipeline({
      text,
      transformer: new FluxTransformer2DModel(transformerWeights, config),
      vae: decoder.vae,
      scheduler: await folder.scheduler(),
      weights: [...text.weights, transformerWeights, decoder.weights],
      dtype: folder.dtype,
    });
  }

  protected override get grid(): LatentGrid {
    return { channels: this.transformer.config.in_channels, sampleSize: [SAMPLE_SIZE, SAMPLE_SIZE], patch: PATCH };
  }

  /** [1,rows,columns,in_channels]: the same numbers in the same order as diffusers' [1,rows·columns,in_channels]. */
  override latentShape(height?: number, width?: number): Shape {
    const [h, w] = this.latentSides(height, width);
    return [1, h / PATCH, w / PATCH, this.grid.channels];
  }

  promptValues(prompt: string, onCut?: OnCut): PromptValues {
    return this.text.promptValues(prompt, onCut);
  }

  /** Noise levels fall from 1 to 1/n. The config may shift them by the number of tokens. */
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
    return this.denoiser(latents, time);
  }

  protected override denoiser(x: Tensor, timestep: number | Tensor): Tensor {
    // 1. Encode the prompt.
    const { promptEmbeds, pooled } = this.text.encode();
    // 2. Flatten the grid to a sequence of tokens.
    const [batch, rows, columns, channels] = [x.dim(0), x.dim(1), x.dim(2), x.dim(3)];
    const tokens = reshape(x, [batch, rows * columns, channels]);
    // 3. Predict the velocity.
    const prediction = storedAs(this.dtype, tokens, (stored) =>
      this.transformer.forward(stored, {
        timestep,
        encoder_hidden_states: promptEmbeds,
        pooled_projections: pooled,
        img_ids: imageIds(rows, columns),
        txt_ids: textIds(promptEmbeds.dim(1)),
      }),
    );
    // 4. Back to the grid.
    return reshape(prediction, x.shape);
  }

  /** The noise is drawn as tokens [N,rows,columns,4·C], which is the network's layout. */
  protected override toNetwork(latents: Tensor): Tensor {
    return latents;
  }

  protected override fromNetwork(latents: Tensor): Tensor {
    return latents;
  }

  protected override toDecoder(latents: Tensor): Tensor {
    return unpackLatents(latents);
  }
}

/**
 * Tokens [N,r,c,4·C] → latents [N,2r,2c,C]. A token is a square of 2×2 latents; its channels are ordered (latent channel,
 * row, column). diffusers: `_unpack_latents`. @throws Error when the channels do not divide by 4
 */
export function unpackLatents(tokens: Tensor): Tensor {
  const [batch, rows, columns, packed] = [tokens.dim(0), tokens.dim(1), tokens.dim(2), tokens.dim(3)];
  const channels = packed / PATCH ** 2;
  const squares = reshape(tokens, [batch, rows, columns, channels, PATCH, PATCH]);
  return reshape(transpose(squares, [0, 1, 4, 2, 5, 3]), [batch, PATCH * rows, PATCH * columns, channels]);
}

/** @throws Error when the transformer is no one-step model, or was made for other text encoders or another autoencoder */
function checkWidths(file: Config, config: FluxTransformer2DConfig, text: FluxTextEncoders, latents: number): void {
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
