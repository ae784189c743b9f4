/** Tiny autoencoders under their author's own names, with TAEF2's pool in the innermost blocks (python/reference/taesd.py). */

import type { AliasTable } from '../../../src/models/checkpoint/aliases.ts';
import {
  AutoencoderTiny,
  AutoencoderTinyEncoder,
  readAutoencoderTinyConfig,
} from '../../../src/models/vae/autoencoder_tiny.ts';
import { TAESD_DECODER_ALIASES, TAESD_ENCODER_ALIASES } from '../../../src/models/vae/taesd.ts';
import { golden, type ParityCase } from '../golden.ts';

/** The fixture's keys begin with `weights.`, a published file's do not. */
const within = (aliases: AliasTable): AliasTable => [
  [/^weights\./, ''],
  ...aliases,
  [/^(encoder|decoder)\./, 'weights.$1.'],
];

export const CASES: Readonly<Record<string, ParityCase>> = {
  'TAESD encoder in its own layout, with the pool': (precision) =>
    golden(
      'taesd_encoder.safetensors',
      { aliases: within(TAESD_ENCODER_ALIASES) },
      (site) => new AutoencoderTinyEncoder(site.weights, readAutoencoderTinyConfig(site.config)).encode(site.input),
      precision,
    ),
  'TAESD decoder in its own layout, with the pool': (precision) =>
    golden(
      'taesd_decoder.safetensors',
      { aliases: within(TAESD_DECODER_ALIASES) },
      (site) => new AutoencoderTiny(site.weights, readAutoencoderTinyConfig(site.config)).decode(site.input),
      precision,
    ),
};
