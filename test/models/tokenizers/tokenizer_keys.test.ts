/** Every key of a tokenizer's files is followed, known to be inert, or refused by name; and no file makes much work of a short prompt. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { memoryFiles } from '../../../commands/parity/fixtures.ts';
import { openTokenizer, type TextTokenizer } from '../../../src/models/tokenizers/tokenizers.ts';

type Values = Readonly<Record<string, unknown>>;

const CLIP = JSON.parse(
  await readFile(new URL('../../../weights/pocket/clip/tokenizer.json', import.meta.url), 'utf8'),
);
const PIXART = new URL('../../../parity/pipeline_pixart/tokenizer/tokenizer.json', import.meta.url);
const T5 = JSON.parse(await readFile(PIXART, 'utf8'));
const SETTINGS = { pad_token: '<|endoftext|>', model_max_length: 77 };
const BERT = {
  version: '1.0',
  added_tokens: [],
  normalizer: { type: 'BertNormalizer', lowercase: true, strip_accents: null },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: null,
  decoder: null,
  model: { type: 'WordPiece', unk_token: '[PAD]', vocab: { '[PAD]': 0, a: 1, e: 2 } },
};

/** Opens a tokenizer with changed files; `said` receives its warnings. */
function opened(tokenizer: Values, settings: Values = SETTINGS, said: string[] = []): Promise<TextTokenizer> {
  const files = memoryFiles('x', {
    'tokenizer.json': JSON.stringify(tokenizer),
    'tokenizer_config.json': JSON.stringify(settings),
  });
  return openTokenizer({ ...files, warn: (sentence) => said.push(sentence) });
}
const clip = (changes: Values, settings: Values = {}) => opened({ ...CLIP, ...changes }, { ...SETTINGS, ...settings });
const model = (changes: Values) => clip({ model: { ...CLIP.model, ...changes } });
const t5 = (changes: Values, settings: Values = {}) =>
  opened({ ...T5, model: { ...T5.model, ...changes } }, { pad_token: '<pad>', model_max_length: 512, ...settings });
const bert = (settings: Values) => opened(BERT, { pad_token: '[PAD]', ...settings });
const added = (token: Values) => clip({ added_tokens: [...CLIP.added_tokens, { id: 653, content: '<a>', ...token }] });
const normalizers = (...list: Values[]) => clip({ normalizer: { type: 'Sequence', normalizers: list } });
const template = (single: readonly Values[]) =>
  clip({
    post_processor: {
      type: 'TemplateProcessing',
      single,
      special_tokens: { '<|endoftext|>': { ids: [652], tokens: ['<|endoftext|>'] } },
    },
  });

describe('refused by name', () => {
  it.each<[string, () => Promise<unknown>, string]>([
    ['an unknown part', () => clip({ warp: 1 }), 'x/tokenizer.json: warp is 1: this key is not known'],
    ['an unknown setting', () => clip({}, { warp: 1 }), 'x/tokenizer_config.json: warp is 1: this key is not known'],
    ['special tokens that are split', () => clip({}, { split_special_tokens: true }), 'split_special_tokens is true'],
    [
      'accents that ALBERT removes',
      () => clip({}, { do_lowercase_and_remove_accent: true }),
      'do_lowercase_and_remove',
    ],
    ['sampling', () => t5({}, { sp_model_kwargs: { enable_sampling: true } }), 'sp_model_kwargs is {"enable_sampling"'],
    [
      'T5 without its first space',
      () => t5({}, { add_prefix_space: false }),
      'add_prefix_space is false, but the pre_',
    ],
    ['a length below 2', () => clip({}, { model_max_length: -3 }), 'model_max_length must be a number from 2'],
    ['half a token', () => clip({}, { model_max_length: 3.5 }), 'model_max_length must be a whole number, but is 3.5'],
    ['a token that is a number', () => clip({}, { pad_token: 7 }), 'pad_token must be a token, but is 7'],
    [
      'more tokens',
      () => clip({}, { additional_special_tokens: ['<b>'] }),
      'has "<b>", which is not in the vocabulary',
    ],
    [
      'BERT that keeps accents',
      () => bert({ strip_accents: false }),
      'strip_accents is false, but strip_accents in the',
    ],
    ['BERT without its words', () => bert({ do_basic_tokenize: false }), 'do_basic_tokenize is false'],
    ['added tokens that are no list', () => clip({ added_tokens: 3 }), 'added_tokens must be a list, but is 3'],
    ['an added token without text', () => added({ content: '' }), '(added_tokens 2): content is empty'],
    ['a whole word', () => added({ single_word: true }), '(added_tokens 2): single_word is true'],
    ['another added key', () => added({ warp: 1 }), '(added_tokens 2): warp is 1'],
    ['dropout', () => model({ dropout: 0.1 }), '(model): dropout is 0.1'],
    ['bytes in place of unknown ones', () => model({ byte_fallback: true }), '(model): byte_fallback is true'],
    ['a merge of three', () => model({ merges: ['a b c'] }), '(model): merges has "a b c" at place 0'],
    ['merges of two kinds', () => model({ merges: [['a', 'b'], 'a b'] }), 'merges has "a b" at place 1'],
    ['a score that is text', () => t5({ vocab: [['a', 'x']] }), '(model): vocab has ["a","x"] at place 0'],
    [
      'a pre-tokenizer of 4 characters',
      () => clip({ pre_tokenizer: { type: 'Metaspace', replacement: 'abcd' } }),
      'one char',
    ],
    [
      'another split',
      () => clip({ pre_tokenizer: { type: 'Split', pattern: { String: 'a' }, behavior: 'MergedWithNext' } }),
      'behavior is',
    ],
    ['another normaliser key', () => normalizers({ type: 'NFC', warp: 1 }), '(normalizers 0): warp is 1'],
    [
      'an unknown post-processor',
      () => clip({ post_processor: { type: 'Nope' } }),
      '(post_processor): type must be one of',
    ],
    [
      'an id that the vocabulary has not',
      () => clip({ post_processor: { ...CLIP.post_processor, sep: ['<|endoftext|>', 5] } }),
      'sep is "<|endoftext|>" with id 5, but the vocabulary has id 652',
    ],
  ])('%s', async (_, open, sentence) => {
    await expect(open()).rejects.toThrow(sentence);
  });
});

describe('said', () => {
  it('a special token that no vocabulary has is ordinary text', async () => {
    const said: string[] = [];
    await opened(CLIP, { ...SETTINGS, mask_token: '[MASK]' }, said);
    expect(said).toEqual([
      'x/tokenizer_config.json: mask_token is "[MASK]", which is not in the vocabulary; in a prompt it is ordinary text',
    ]);
  });
});

describe('followed', () => {
  it('max_len of older files is the limit', async () => {
    expect((await opened(BERT, { pad_token: '[PAD]', max_len: 12 })).maxLength).toBe(12);
  });

  it('settings that transformers has not for these classes reach no library', async () => {
    const plain = (await clip({})).tokenize('a  b');
    expect((await clip({}, { remove_space: false, keep_accents: null })).tokenize('a  b')).toEqual(plain);
  });
});

describe('much work for a short prompt', () => {
  const doubling = { type: 'Replace', pattern: { String: 'a' }, content: 'a'.repeat(100) };
  const text = { Sequence: { id: 'A', type_id: 0 } };
  it.each<[string, () => Promise<unknown>, string]>([
    [
      'a replacement of 101 characters',
      () => normalizers({ ...doubling, content: 'a'.repeat(101) }),
      'content has 101 char',
    ],
    [
      'a thousand steps',
      () => normalizers(...new Array(1000).fill({ type: 'NFC' })),
      'normalizers must be a list of at most 16',
    ],
    ['a text that stands twice', () => template([text, text]), 'single must hold the text, "A", once'],
    [
      'words of a million characters',
      () => opened({ ...BERT, model: { ...BERT.model, max_input_chars_per_word: 1e6 } }),
      'max_input_chars_per_word must be a positive integer of at most 1000',
    ],
    ['long pieces', () => t5({ vocab: [['a'.repeat(65), 0]] }), 'vocab has a piece of 65 characters, and at most 64'],
    [
      'many pieces',
      () => t5({ vocab: Array.from({ length: 10_000 }, (_, i) => [`${i}`.padStart(51), 0]) }),
      'vocab has pieces of 5100',
    ],
    [
      'a table with a text of 300 bytes',
      () => normalizers({ type: 'Precompiled', precompiled_charsmap: charsmap(300) }),
      'has a text of 300 bytes',
    ],
  ])('%s is refused', async (_, open, sentence) => {
    await expect(open()).rejects.toThrow(sentence);
  });

  it('steps that make a long text of a short one end in a sentence', async () => {
    const tokenizer = await normalizers(doubling, doubling, doubling, doubling, doubling);
    expect(() => tokenizer.tokenize('aa')).toThrow(
      'x/tokenizer.json (normalizer): normalizers make more than 1000000 characters of a prompt of 2',
    );
  });

  it('a prompt of more than 10,000 characters is refused', async () => {
    const tokenizer = await clip({});
    expect(() => tokenizer.tokenize('a'.repeat(10_001))).toThrow('a prompt has 10001 characters, and at most 10000');
    expect(tokenizer.encode('a '.repeat(5000)).length).toBe(77);
  });
});

/** A table whose only text has so many bytes. */
function charsmap(bytes: number): string {
  const table = Buffer.alloc(8 + bytes + 1, 'a');
  table.writeUInt32LE(4, 0);
  table.writeUInt32LE(0, 4);
  table.writeUInt8(0, 8 + bytes);
  return table.toString('base64');
}
