/**
 * SDXL's `addition_embed_type` "text_time": the pooled text and sizes in pixels, added to the time embedding.
 * Source: `get_aug_embed` in diffusers/models/unets/unet_2d_condition.py: UNet2DConditionModel.
 */
import { concat } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Config } from '../checkpoint/config.ts';
import { sinusoids, type TimestepsConfig } from '../layers/embeddings.ts';

/** `added_cond_kwargs` of diffusers. */
export interface AddedCond {
  /** Pooled and projected text, [B, width]: one row for the whole batch, or a row for each picture. */
  readonly text_embeds: Tensor;
  /** Original height and width, top and left of the crop, target height and width, in pixels. */
  readonly time_ids: readonly number[];
}

export interface TextTimeConfig {
  /** Number of sinusoids for each of `time_ids`. */
  readonly addition_time_embed_dim: number;
  /** Width of `text_embeds` plus the number of all sinusoids. */
  readonly projection_class_embeddings_input_dim: number;
}

/** Returns null where unet/config.json has no such embedding. @throws Error naming the key, for another type or a missing size */
export function readTextTimeConfig(config: Config): TextTimeConfig | null {
  if (!config.has('addition_embed_type')) {
    return null;
  }
  if (config.value('addition_embed_type') !== 'text_time') {
    const shown = JSON.stringify(config.value('addition_embed_type'));
    config.fail('addition_embed_type', `is ${shown}, which is not supported yet (only null and "text_time" are)`);
  }
  return {
    addition_time_embed_dim: config.count('addition_time_embed_dim'),
    projection_class_embeddings_input_dim: config.count('projection_class_embeddings_input_dim'),
  };
}

/**
 * Returns the input of `add_embedding`, [B, projection_class_embeddings_input_dim]: `text_embeds`, then the sinusoids of
 * each of `time_ids`. @param batch number of pictures
 * @throws Error when the sum of their widths is not the weights' width, or there is neither one row nor one for each picture
 */
export function textTime(
  { text_embeds, time_ids }: AddedCond,
  config: TextTimeConfig & TimestepsConfig,
  batch: number,
): Tensor {
  const { addition_time_embed_dim: each, projection_class_embeddings_input_dim: width } = config;
  const sizes = time_ids.length * each;
  if (text_embeds.dim(1) + sizes !== width) {
    throw new Error(
      `text_embeds [${text_embeds.shape.join(', ')}] with ${time_ids.length} time_ids of ${each} sinusoids must be rows of ` +
        `projection_class_embeddings_input_dim, ${width}, together; do text_encoder_2 and unet belong together?`,
    );
  }
  const rows = text_embeds.dim(0);
  if (rows !== 1 && rows !== batch) {
    throw new Error(
      `text_embeds [${text_embeds.shape.join(', ')}] must have one row, or as many as there are pictures: ${batch}`,
    );
  }
  const values = time_ids.flatMap((id) => sinusoids(id, each, config));
  const repeated = Array.from({ length: rows }, () => values).flat();
  return concat([text_embeds, text_embeds.graph.constant(repeated, [rows, sizes])], 1);
}
