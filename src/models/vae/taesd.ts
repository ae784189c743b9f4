/**
 * Keys and config of the tiny autoencoders as their author publishes them (github.com/madebyollin/taesd:
 * `taesd_decoder.pth`, `taef2_encoder.pth`, …): two plain Sequentials in two files; diffusers keeps both in one file.
 * Source: taesd/taesd.py: TAESD.
 */
import type { AliasTable } from '../checkpoint/aliases.ts';
import { Config } from '../checkpoint/config.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { type AutoencoderTinyConfig, readAutoencoderTinyConfig } from './autoencoder_tiny.ts';

/** Aliases for `<name>_encoder.pth`. */
export const TAESD_ENCODER_ALIASES: AliasTable = [[/^(\d+)\./, 'encoder.layers.$1.']];

/** Aliases for `<name>_decoder.pth`. Its layer 0 is the clamp of the latents, which diffusers does outside the layers. */
export const TAESD_DECODER_ALIASES: AliasTable = [[/^(\d+)\./, (_, layer) => `decoder.layers.${Number(layer) - 1}.`]];

/** Returns the config, which is not published: the decoder's first layer has the latents' channels, all else has diffusers' defaults. */
export function taesdConfig(decoder: WeightStore): AutoencoderTinyConfig {
  const latent_channels = decoder.shapeOf('decoder.layers.0.weight')[1];
  return readAutoencoderTinyConfig(new Config(decoder.local, { latent_channels }));
}
