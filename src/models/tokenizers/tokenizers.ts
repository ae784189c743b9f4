/** Turns text into token ids by the checkpoint's tokenizer files (CLIP BPE, BERT WordPiece, T5 Unigram). */
import type { Tokenizer as HFTokenizer } from '@huggingface/tokenizers';
import { at } from '../../tensor/types.ts';
import { Config } from '../checkpoint/config.ts';
import type { ModelFiles } from '../checkpoint/files.ts';
import type { CharsmapMatching } from './charsmap.ts';
import { type Normalize, readNormalizer } from './normalizer.ts';
import { addedTokens, tokenText } from './special_tokens.ts';
import { checkTokenizer } from './tokenizer_checks.ts';
import { readTokenizerFiles } from './tokenizer_files.ts';

/** Values of the graph inputs of stage `prompt` (token ids, masks), by input name. */
export type PromptValues = ReadonlyMap<string, Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>;

/**
 * The class of the reference that tokenizes. All read the same files, but each cleans the text in its own way: `CLIPTokenizer` by
 * ftfy, `open_clip` by ftfy and html.unescape, `T5Tokenizer` by sentencepiece's own matching, the others (`fast`) by the normaliser
 * of tokenizer.json alone.
 */
export type TokenizerKind = 'fast' | 'CLIPTokenizer' | 'T5Tokenizer' | 'open_clip';

/** A prompt of which a text encoder reads the beginning only. */
export interface PromptCut {
  /** The text encoder, or the reward that it belongs to. */
  readonly reader: string;
  /** The number of tokens that the prompt has, and the most that are read; both with the special ones. */
  readonly tokens: number;
  readonly limit: number;
  /** The text that is not read, as the tokenizer writes it. */
  readonly left: string;
}

/** Receives each cut of a prompt. */
export type OnCut = (cut: PromptCut) => void;

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

/** The most characters of a prompt. Text encoders read 77 to 512 tokens, which are about 300 to 2500 characters. */
const MOST_CHARACTERS = 10_000;

/** How the text is cleaned, where that is not by the normaliser of tokenizer.json. */
interface Cleaning {
  /** Takes the normaliser's place. */
  readonly clean?: Normalize;
  readonly matching?: CharsmapMatching;
}

export class TextTokenizer {
  /** `model_max_length`, the number of tokens that the model takes, special ones included; undefined when the files set no limit. */
  readonly maxLength: number | undefined;
  readonly padId: number;
  readonly #tokenizer: HFTokenizer;
  readonly #name: string;
  readonly #largestId: number;

  /**
   * @param library the class `Tokenizer` of @huggingface/tokenizers. It is loaded when a tokenizer is opened, so that it is a module
   *   of its own in bundles; declarations do not name it, because its types fit no module resolution of Node
   * @param name the folder, for messages. @param tokenizer, settings the parsed files.
   * @throws Error when the files do not describe a tokenizer, or one that is not supported, or it has no padding token
   */
  constructor(
    library: unknown,
    name: string,
    tokenizer: unknown,
    settings: unknown,
    { clean, matching = 'grapheme' }: Cleaning = {},
    warn?: (sentence: string) => void,
  ) {
    const file = `${name}/tokenizer.json`;
    const config = new Config(`${name}/tokenizer_config.json`, settings, warn);
    const read = new Config(file, tokenizer);
    if (!read.has('model')) {
      throw new Error(`${file}: has no model, so it is not a tokenizer as \`tokenizers\` saves it`);
    }
    this.maxLength = maxLengthOf(config);
    const added = addedTokens(read, config);
    checkTokenizer(read, config, added);
    const normalize = clean ?? readNormalizer(read, matching);
    this.#name = name;
    try {
      // The library's own normalisers differ from the originals, so none of them is used.
      const decoder = DECODERS.includes(Object(read.value('decoder')).type) ? read.value('decoder') : null;
      const whole = {
        ...Object(tokenizer),
        added_tokens: added,
        normalizer: { type: 'NFC' },
        pre_tokenizer: exactByteLevel(read.value('pre_tokenizer') ?? null),
        decoder,
      };
      // The library would follow settings that transformers does not have for these classes.
      this.#tokenizer = new (library as typeof HFTokenizer)(whole, { eos_token: tokenText(config.value('eos_token')) });
      Object.assign(this.#tokenizer, { normalizer: normalize }); // It is called as a function.
    } catch (error) {
      throw new Error(`${file}: cannot be used as a tokenizer (${error instanceof Error ? error.message : error})`);
    }
    const pad = tokenText(config.value('pad_token')) ?? '[PAD]';
    const padId = this.#tokenizer.token_to_id(pad);
    if (padId === undefined) {
      throw new Error(`${file}: the padding token ${pad} is not in the vocabulary`);
    }
    this.padId = padId;
    this.#largestId = this.#tokenizer.get_vocab().size - 1;
  }

  /** Checks that an encoder's table has a row for every id. @param where the file and key that give its size @throws Error naming both */
  assertFits(rows: number, where: string): void {
    if (this.#largestId >= rows) {
      throw new Error(
        `${this.#name}/tokenizer.json: has token ids up to ${this.#largestId}, but ${where} is ${rows}, so they do not belong together`,
      );
    }
  }

  /** Returns the token ids of `text` with the special tokens, neither cut nor padded. @throws Error when it is longer than 10,000 characters */
  tokenize(text: string): number[] {
    if (text.length > MOST_CHARACTERS) {
      throw new Error(`a prompt has ${text.length} characters, and at most ${MOST_CHARACTERS} are taken; shorten it`);
    }
    return this.#tokenizer.encode(text).ids;
  }

  /**
   * Returns exactly `length` ids. A longer text loses tokens before its last special token, a shorter one is padded.
   * @param length default: `maxLength`
   * @param reader the reader's name for `onCut`, which is called where the text is longer
   */
  encode(text: string, length = this.maxLength, reader = this.#name, onCut?: OnCut): TokenizedText {
    if (length === undefined) {
      throw new Error(`${this.#name}/tokenizer_config.json: model_max_length is not set, so a length has to be given`);
    }
    const all = this.tokenize(text);
    const tokens = all.length <= length ? all : [...all.slice(0, length - 1), at(all, all.length - 1)];
    if (tokens !== all) {
      onCut?.({ reader, tokens: all.length, limit: length, left: this.#text(all.slice(length - 1, -1)) });
    }
    const ids = new Int32Array(length).fill(this.padId);
    ids.set(tokens);
    const mask = new Float32Array(length).fill(1, 0, tokens.length);
    return { ids, mask, length: tokens.length };
  }

  /** Returns ids as text, without special tokens. */
  #text(ids: number[]): string {
    return this.#tokenizer.decode(ids, { skip_special_tokens: true, clean_up_tokenization_spaces: false }).trim();
  }
}

/** Returns `model_max_length`, or `max_len` as older files have it; undefined for no limit. A text has two special tokens or one. */
function maxLengthOf(config: Config): number | undefined {
  const [key] = ['model_max_length', 'max_len'].filter((one) => config.has(one));
  if (key === undefined) {
    return undefined;
  }
  const limit = config.number(key, undefined, [2, Number.MAX_VALUE]);
  if (limit >= NO_LIMIT) {
    return undefined;
  }
  return Number.isInteger(limit) ? limit : config.fail(key, `must be a whole number, but is ${limit}`);
}

/** GPT-2's pattern of a word, which ByteLevel uses. */
const BYTE_LEVEL_WORDS = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** ByteLevel of the library takes a byte order mark for white space; a split by the same pattern does not. */
function exactByteLevel(part: unknown): unknown {
  const { type, use_regex = true, pretokenizers } = Object(part);
  if (type === 'Sequence' && Array.isArray(pretokenizers)) {
    return { ...Object(part), pretokenizers: pretokenizers.map(exactByteLevel) };
  }
  if (type !== 'ByteLevel' || use_regex !== true) {
    return part;
  }
  const split = { type: 'Split', pattern: { Regex: BYTE_LEVEL_WORDS }, behavior: 'Removed', invert: true };
  return { type: 'Sequence', pretokenizers: [split, { ...Object(part), use_regex: false }] };
}

/** Decoders of tokenizer.json that run no expression of the file. */
const DECODERS: readonly unknown[] = ['ByteLevel', 'Metaspace', 'WordPiece'];

/** Opens the tokenizer of a folder. @param kind the class that the reference reads it with @throws Error naming the file that is missing or broken */
export async function openTokenizer(files: ModelFiles, kind: TokenizerKind = 'fast'): Promise<TextTokenizer> {
  const { tokenizer, settings } = await readTokenizerFiles(files);
  const { Tokenizer } = await import('@huggingface/tokenizers');
  return new TextTokenizer(Tokenizer, files.name, tokenizer, settings, await cleaningOf(kind), files.warn);
}

async function cleaningOf(kind: TokenizerKind): Promise<Cleaning> {
  if (kind === 'fast') {
    return {};
  }
  if (kind === 'T5Tokenizer') {
    return { matching: 'longest' };
  }
  // HTML's names and the encodings are a large table, so they are a module of their own in bundles.
  const { cleanClipText, cleanOpenClipText } = await import('./cleaning/clean_text.ts');
  const clean = kind === 'CLIPTokenizer' ? cleanClipText : cleanOpenClipText;
  // For Python's regex, which ignores case there, the Greek iota below a letter is neither letter nor sign: it ends a word.
  return { clean: (text) => clean(text).replaceAll('\u0345', ' ') };
}
