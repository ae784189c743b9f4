/** Published model folders without values: settings, names and shapes are enough for a plan. */

import { type ByteSource, bytesSource } from '../../models/checkpoint/byte_source.ts';
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import { readConfig } from '../../models/checkpoint/read_config.ts';
import { STORED_BYTES } from '../../models/checkpoint/stored_dtype.ts';
import { sizeOf } from '../../tensor/types.ts';
import { networkTable } from './networks.ts';
import type { PublishedLayout, PublishedWeights, TokenizerKind } from './published_layout.ts';

/**
 * A model folder of a published layout. Weight files have headers without values, and are safetensors whatever their published
 * format; tokenizers are stand-ins.
 */
export function headerOnlyFiles(name: string, layout: PublishedLayout): ModelFiles {
  const texts = new Map(Object.entries(layout.files).map(([path, value]) => [path, JSON.stringify(value)]));
  for (const [at, kind] of Object.entries(layout.tokenizers)) {
    for (const [file, value] of Object.entries(standInTokenizer(LIMITS[kind]))) {
      texts.set(`${at}/${file}`, JSON.stringify(value));
    }
  }
  const weights = new Map(layout.weights.map((entry) => [entry.plannedAs ?? entry.path, entry]));
  const missing = (path: string): Error => new Error(`${name}/${path}: there is no such file`);
  return {
    name,
    has: async (path) => texts.has(path) || weights.has(path),
    read: async (path) => {
      const [text, entry] = [texts.get(path), weights.get(path)];
      if (text !== undefined) {
        return bytesSource(`${name}/${path}`, new TextEncoder().encode(text));
      }
      if (!entry) {
        throw missing(path);
      }
      return headerOnlySafetensors(`${name}/${path}`, entry);
    },
    readText: async (path) => {
      const text = texts.get(path);
      if (text === undefined) {
        throw missing(path);
      }
      return text;
    },
  };
}

/** A safetensors file of the right size with a readable header and no values. */
function headerOnlySafetensors(name: string, { network, dtype }: PublishedWeights): ByteSource {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [tensor, shape] of networkTable(network).tensors) {
    const start = end;
    end += sizeOf(shape) * STORED_BYTES[dtype];
    header[tensor] = { dtype, shape, data_offsets: [start, end] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return {
    name,
    size: bytes.length + end,
    read: async (offset, length) => {
      if (offset + length > bytes.length) {
        throw new Error(`${name}: is planned from names and shapes alone and has no values; give the model's folder`);
      }
      return bytes.slice(offset, offset + length);
    },
  };
}

/** The number of tokens that each kind takes, on which a plan depends; BERT's files set no limit. */
const LIMITS: Readonly<Record<TokenizerKind, number | undefined>> = { clip: 77, clip0: 77, t5: 512, bert: undefined };

const PAD = '[PAD]';
const STAND_IN = {
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: null,
  model: {
    type: 'WordPiece',
    unk_token: PAD,
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: { [PAD]: 0 },
  },
};

/** A tokenizer's files with its token limit and a vocabulary of one padding token. */
function standInTokenizer(limit: unknown): Readonly<Record<string, unknown>> {
  return {
    'tokenizer.json': STAND_IN,
    'tokenizer_config.json': { pad_token: PAD, ...(limit === undefined ? {} : { model_max_length: limit }) },
  };
}

/** The same model folder with stand-in tokenizers of the same length: a plan needs no vocabulary. */
export function withoutTokenizers(files: ModelFiles): ModelFiles {
  const text = async (path: string): Promise<string | null> => {
    const [, folder = '', name = ''] = /^(.*\/)?(tokenizer(?:_config)?\.json)$/.exec(path) ?? [];
    if (name === '') {
      return null;
    }
    const settings = `${folder}tokenizer_config.json`;
    const own = (await files.has(settings)) ? await readConfig(files, settings) : null;
    return JSON.stringify(standInTokenizer(own?.value('model_max_length'))[name]);
  };
  return {
    name: files.name,
    has: async (path) => !path.endsWith('special_tokens_map.json') && ((await text(path)) !== null || files.has(path)),
    read: (path) => files.read(path),
    readText: async (path) => (await text(path)) ?? files.readText(path),
  };
}
