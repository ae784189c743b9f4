/** The largest and the most laborious inputs that each reader takes or refuses: small files, or the most that its budget allows. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesSource } from '../../../src/models/checkpoint/byte_source.ts';
import { openPickle } from '../../../src/models/checkpoint/pickle/open_pickle.ts';
import { readConfig } from '../../../src/models/checkpoint/read_config.ts';
import { openSafetensors } from '../../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { openTokenizer, type TokenizerKind } from '../../../src/models/tokenizers/tokenizers.ts';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import { taskItems } from '../../../src/reno/tasks/tasks.ts';
import { memoryFiles } from '../../parity/fixtures.ts';

/** A reader at work on an input of its own making. */
export interface Bomb {
  readonly reader: string;
  readonly input: string;
  /** Makes the input. @returns the reading of it, which is measured */
  make(): () => Promise<unknown>;
}

/** Texts of small letters, the same in each run. */
function letters(): (length: number) => string {
  let state = 1;
  const next = (): number => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return 97 + (state % 26);
  };
  return (length) => String.fromCharCode(...Array.from({ length }, next));
}

const BASE = { version: '1.0', added_tokens: [], normalizer: null, post_processor: null, decoder: null };
const WORDS = { type: 'WhitespaceSplit' };
const LONG = 10_000;

/** Opens a tokenizer and tokenizes the longest prompt that is taken. */
function tokenizer(
  input: string,
  make: (word: (length: number) => string) => {
    readonly parts: object;
    readonly prompt: string;
    readonly pad?: string;
  },
  kind: TokenizerKind = 'fast',
): Bomb {
  return {
    reader: 'tokenizer.json, and a prompt',
    input,
    make: () => {
      const { parts, prompt, pad = 'a' } = make(letters());
      const files = memoryFiles('m', {
        'tokenizer.json': JSON.stringify({ ...BASE, pre_tokenizer: WORDS, ...parts }),
        'tokenizer_config.json': JSON.stringify({ pad_token: pad, model_max_length: 77 }),
      });
      return async () => (await openTokenizer(files, kind)).tokenize(prompt.slice(0, LONG)).length;
    },
  };
}

function unigram(pieces: readonly string[]): object {
  return { model: { type: 'Unigram', unk_id: 0, vocab: [['a', 0], ...pieces.map((piece) => [piece, -1])] } };
}

function bpe(tokens: readonly string[], merges: readonly string[]): object {
  const vocab = Object.fromEntries(['a', ...tokens].map((token, i) => [token, i]));
  return { model: { type: 'BPE', unk_token: 'a', vocab, merges } };
}

function list(input: string, text: string): Bomb {
  return {
    reader: 'a list of prompts',
    input,
    make: () => async () => taskItems('t2i-compbench', text, 0).length,
  };
}

/** Cleans a prompt as open_clip does, with the pocket models' tokenizer. */
function prompt(input: string, text: string): Bomb {
  const pocket = () => JSON.parse(readFileSync(join(PACKAGE_ROOT, 'weights/pocket/clip/tokenizer.json'), 'utf8'));
  return {
    ...tokenizer(input, () => ({ parts: pocket(), prompt: text, pad: '<|endoftext|>' }), 'open_clip'),
    reader: 'a prompt',
  };
}

function config(input: string, make: () => string): Bomb {
  return {
    reader: 'config.json',
    input,
    make: () => {
      const files = memoryFiles('m', { 'config.json': make() });
      return () => readConfig(files);
    },
  };
}

/** torch.save's old layout before the state dict. */
const OLD_PICKLE = Buffer.from(
  '80028a0a6cfc9c46f9206aa850192e80024de9032e80027d580d0000006c6974746c655f656e6469616e88732e8002',
  'hex',
);

function pickle(input: string, opcodes: string): Bomb {
  return {
    reader: 'a PyTorch checkpoint',
    input,
    make: () => {
      const piece = Buffer.from(opcodes, 'hex');
      const size = 9_900_000 - (9_900_000 % piece.length);
      const source = bytesSource('m', Buffer.concat([OLD_PICKLE, Buffer.alloc(size, piece)]));
      return () => openPickle(source);
    },
  };
}

function safetensors(input: string, first: string, piece: string): Bomb {
  return {
    reader: 'a safetensors header',
    input,
    make: () => {
      const size = Buffer.alloc(8);
      size.writeBigUInt64LE(9_900_000n);
      const json = Buffer.alloc(9_900_000, piece);
      json.write(first);
      const source = bytesSource('m', Buffer.concat([size, json]));
      return () => openSafetensors(source);
    },
  };
}

export const BOMBS: readonly Bomb[] = [
  safetensors('10 MB of empty objects', '{"a":[', '{},'),
  safetensors('10 MB of numbers', '{"a":[', '1,'),
  safetensors('10 MB of brackets', '{"a":', '['),
  safetensors('a name of 10 MB', '{"', 'x'),
  pickle('10 MB of dictionaries in memory', '7d71007d'),
  pickle('10 MB of names', '63746f7263680a53697a650a'),
  pickle('10 MB of nested lists', '5d'),
  config('10 MB of empty objects', () => `{"a":[${'{},'.repeat(3_000_000)}`),
  config('10 MB of escapes', () => `{"a":"${'\\n'.repeat(4_900_000)}"}`),
  config('600,000 keys', () => `{${Array.from({ length: 600_000 }, (_, i) => `"${i}":1`).join(',')}}`),
  config('a text of 10 MB', () => `{"a":"${'x'.repeat(9_900_000)}"}`),
  tokenizer('80,000 pieces', (word) => ({
    parts: unigram(Array.from({ length: 80_000 }, () => word(6))),
    prompt: 'x '.repeat(LONG / 2),
  })),
  tokenizer('7,800 long pieces', (word) => ({
    parts: unigram(Array.from({ length: 7_800 }, () => word(63))),
    prompt: word(LONG),
  })),
  tokenizer('64 pieces that fit at each place', () => ({
    parts: unigram(Array.from({ length: 63 }, (_, i) => 'a'.repeat(i + 2))),
    prompt: 'a'.repeat(LONG),
  })),
  tokenizer('100,000 tokens and merges', (word) => {
    const tokens = Array.from({ length: 100_000 }, (_, i) => `${word(7)}${i}`);
    return {
      parts: bpe(
        tokens,
        tokens.map((token) => `${token} a`),
      ),
      prompt: word(LONG),
    };
  }),
  tokenizer('merges that join all of a prompt', () => {
    const tokens = Array.from({ length: 13 }, (_, i) => 'a'.repeat(2 ** (i + 1)));
    const halves = tokens.map((token) => token.slice(token.length / 2));
    return {
      parts: bpe(
        tokens,
        halves.map((half) => `${half} ${half}`),
      ),
      prompt: 'a'.repeat(LONG),
    };
  }),
  tokenizer('words of 1,000 characters', () => ({
    parts: { model: { type: 'WordPiece', unk_token: 'a', max_input_chars_per_word: 1000, vocab: { a: 0, '##b': 1 } } },
    prompt: `a${'b'.repeat(997)}c `.repeat(10),
  })),
  tokenizer('30,000 added tokens', (word) => ({
    parts: {
      added_tokens: Array.from({ length: 30_000 }, (_, i) => ({ id: i + 1, content: `${word(10)}${i}` })),
      model: { type: 'WordPiece', unk_token: 'a', vocab: { a: 0 } },
    },
    prompt: word(LONG),
  })),
  tokenizer('a replacement that makes a prompt 99 times as long', () => ({
    parts: {
      normalizer: { type: 'Replace', pattern: { String: 'a' }, content: 'a'.repeat(99) },
      pre_tokenizer: null,
      model: { type: 'WordPiece', unk_token: 'a', vocab: { a: 0 } },
    },
    prompt: 'a'.repeat(LONG),
  })),
  prompt('text that was decoded wrongly', 'â€œÃ©'.repeat(1600)),
  prompt('HTML entities', '&amp;'.repeat(2000)),
  prompt('marks over one letter', `e${'\u0301'.repeat(9990)}`),
  prompt('contractions', "'s".repeat(5000)),
  list('4 million prompts', 'a\n'.repeat(4_000_000)),
  list('50,000 prompts', `${'é'.repeat(160)}\n`.repeat(50_000)),
];
