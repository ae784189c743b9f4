/** Turns text into token ids by the checkpoint's tokenizer files (CLIP BPE, BERT WordPiece, T5 Unigram). */
import { Tokenizer as HFTokenizer } from '@huggingface/tokenizers';
import { at } from '../../tensor/types.ts';
import { Config } from '../checkpoint/config.ts';
import type { ModelFiles } from '../checkpoint/files.ts';
import { addedTokens, tokenText } from './special_tokens.ts';
import { readTokenizerFiles } from './tokenizer_files.ts';

/** Values of the graph inputs of stage `prompt` (token ids, masks), by input name. */
export type PromptValues = ReadonlyMap<string, Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>;

interface TokenizedText {
  /** Padded or cut to the given length. The special tokens are always present. */
  readonly ids: Int32Array<ArrayBuffer>;
  /** 1 = token, 0 = padding. */
  readonly mask: Float32Array<ArrayBuffer>;
  /** Number of ids that are not padding. */
  readonly length: number;
}

/** Limits from here on mean "no limit": transformers writes about 1e30, and no text encoder here has this many positions. */
const NO_LIMIT = 1 << 20;

export class TextTokenizer {
  /** `model_max_length`, the number of tokens that the model takes, special ones included; undefined when the files set no limit. */
  readonly maxLength: number | undefined;
  readonly padId: number;
  readonly #tokenizer: HFTokenizer;
  readonly #name: string;

  /**
   * @param name the folder, for messages. @param tokenizer, settings the parsed files.
   * @throws Error when the files do not describe a tokenizer, or it has no padding token
   */
  constructor(name: string, tokenizer: unknown, settings: unknown) {
    const file = `${name}/tokenizer.json`;
    const config = new Config(`${name}/tokenizer_config.json`, settings);
    const read = new Config(file, tokenizer);
    if (!read.has('model')) {
      throw new Error(`${file}: has no model, so it is not a tokenizer as \`tokenizers\` saves it`);
    }
    this.#name = name;
    try {
      const whole = { ...Object(tokenizer), added_tokens: addedTokens(read, config) };
      this.#tokenizer = new HFTokenizer(whole, Object(settings));
    } catch (error) {
      throw new Error(`${file}: cannot be used as a tokenizer (${error instanceof Error ? error.message : error})`);
    }
    const limit = config.number('model_max_length', NO_LIMIT);
    this.maxLength = limit < NO_LIMIT ? limit : undefined;
    const pad = tokenText(config.value('pad_token')) ?? '[PAD]';
    const padId = this.#tokenizer.token_to_id(pad);
    if (padId === undefined) {
      throw new Error(`${file}: the padding token ${pad} is not in the vocabulary`);
    }
    this.padId = padId;
  }

  /** Returns the token ids of `text` with the special tokens, neither cut nor padded. */
  tokenize(text: string): number[] {
    return this.#tokenizer.encode(text).ids;
  }

  /**
   * Returns exactly `length` ids. A longer text loses tokens before its last special token, a shorter one is padded.
   * @param length default: `maxLength`
   */
  encode(text: string, length = this.maxLength): TokenizedText {
    if (length === undefined) {
      throw new Error(`${this.#name}/tokenizer_config.json: model_max_length is not set, so a length has to be given`);
    }
    const all = this.tokenize(text);
    const tokens = all.length <= length ? all : [...all.slice(0, length - 1), at(all, all.length - 1)];
    const ids = new Int32Array(length).fill(this.padId);
    ids.set(tokens);
    const mask = new Float32Array(length).fill(1, 0, tokens.length);
    return { ids, mask, length: tokens.length };
  }
}

/** Opens the tokenizer of a folder. @throws Error naming the file that is missing or broken */
export async function openTokenizer(files: ModelFiles): Promise<TextTokenizer> {
  const { tokenizer, settings } = await readTokenizerFiles(files);
  return new TextTokenizer(files.name, tokenizer, settings);
}
