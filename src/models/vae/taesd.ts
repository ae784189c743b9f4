/**
 * The tiny autoencoders as their author publishes them (github.com/madebyollin/taesd: `taesd_decoder.pth`, `taef2_encoder.pth`, …):
 * two plain Sequentials in two files, which diffusers' AutoencoderTiny keeps in one.
 */
import type { AliasTable } from '../checkpoint/aliases.ts';
import { Config } from '../checkpoint/config.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { type AutoencoderTinyConfig, readAutoencoderTinyConfig } from './autoencoder_tiny.ts';

/** For `<name>_encoder.pth`. */
export const TAESD_ENCODER_ALIASES: AliasTable = [[/^(\d+)\./, 'encoder.layers.$1.']];

/** For `<name>_decoder.pth`: there the clamp of the latents is layer 0, which diffusers does outside. */
export const TAESD_DECODER_ALIASES: AliasTable = [[/^(\d+)\./, (_, layer) => `decoder.layers.${Number(layer) - 1}.`]];

/** No configuration is published: the latents' channels are those of the decoder's first layer, the rest has no variants. */
export function taesdConfig(decoder: WeightStore): AutoencoderTinyConfig {
  const latent_channels = decoder.shapeOf('decoder.layers.0.weight')[1];
  return readAutoencoderTinyConfig(new Config(decoder.local, { latent_channels }));
}
