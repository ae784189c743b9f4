/** Tokenizers against the Python library's ids (python/reference/tokenizers_fixture.py), padding, cutting, broken files. */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { eosMaskOf, eosPosition } from '../../../src/models/clip/clip_text.ts';
import { openTokenizer, type PromptCut, TextTokenizer } from '../../../src/models/tokenizers/tokenizers.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { at } from '../../../src/tensor/types.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

const FOLDERS: Readonly<Record<string, string>> = {
  tokenizer_clip: `${root}weights/pocket/clip`,
  tokenizer_bert: `${root}weights/pocket/image_reward`,
  clip: `${root}../shared/data/tokenizers/clip`,
  bert: `${root}../shared/data/tokenizers/bert`,
  t5: `${root}../shared/data/tokenizers/t5`,
};

interface Pinned {
  readonly texts: readonly string[];
  readonly ids: Readonly<Record<string, readonly (readonly number[])[]>>;
}
const pinned = JSON.parse(
  await readFile(new URL('../../../parity/tokenizers.json', import.meta.url), 'utf8'),
) as Pinned;

describe('tokenizers give the ids of the Python library', () => {
  for (const [name, folder] of Object.entries(FOLDERS)) {
    // The embedded ones must be there; the public ones stand outside the repository.
    const there = folder.includes('weights/pocket') || existsSync(`${folder}/tokenizer.json`);
    it.skipIf(!there)(there ? name : `${name} (not here: ${folder})`, async () => {
      const tokenizer = await openTokenizer(nodeFiles(folder));
      pinned.texts.forEach((text, i) => {
        expect(tokenizer.tokenize(text), text).toEqual(at(pinned.ids[name] ?? [], i));
      });
    });
  }
});

/** A word-level WordPiece: enough to see padding and cutting. */
function tiny(settings: object = { pad_token: '[PAD]', model_max_length: 6 }): TextTokenizer {
  const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'a', 'red', 'cat', 'and', 'dog'];
  const special = (id: number) => ({
    id,
    content: words[id],
    special: true,
    normalized: false,
    single_word: false,
    lstrip: false,
    rstrip: false,
  });
  const post = (token: string, id: number) => [token, { id: token, ids: [id], tokens: [token] }] as const;
  return new TextTokenizer(
    Tokenizer,
    'tiny',
    {
      version: '1.0',
      added_tokens: [0, 1, 2, 3].map(special),
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: {
        type: 'TemplateProcessing',
        single: [
          { SpecialToken: { id: '[CLS]', type_id: 0 } },
          { Sequence: { id: 'A', type_id: 0 } },
          { SpecialToken: { id: '[SEP]', type_id: 0 } },
        ],
        pair: [],
        special_tokens: Object.fromEntries([post('[CLS]', 2), post('[SEP]', 3)]),
      },
      decoder: null,
      model: {
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: Object.fromEntries(words.map((w, i) => [w, i])),
      },
    },
    settings,
  );
}

describe('encode', () => {
  it('pads to the length and masks the padding', () => {
    const { ids, mask, length } = tiny().encode('a CAT');
    expect([...ids]).toEqual([2, 4, 6, 3, 0, 0]);
    expect([...mask]).toEqual([1, 1, 1, 1, 0, 0]);
    expect(length).toBe(4);
  });

  it('cuts words but keeps the closing token', () => {
    const { ids, mask } = tiny().encode('a red cat and a red dog');
    expect([...ids]).toEqual([2, 4, 5, 6, 7, 3]);
    expect([...mask]).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('takes a padding token that is written as an object', () => {
    expect(tiny({ pad_token: { content: '[UNK]' }, model_max_length: 4 }).encode('').ids).toEqual(
      Int32Array.of(2, 3, 1, 1),
    );
  });

  it('asks for a length when the files have none', () => {
    const tokenizer = tiny({ pad_token: '[PAD]', model_max_length: 1e30 });
    expect(() => tokenizer.encode('a')).toThrow('tiny/tokenizer_config.json: model_max_length is not set');
    expect(tokenizer.encode('a', 3).length).toBe(3);
  });

  it('names the file and the token that do not fit', () => {
    expect(() => tiny({ pad_token: '<none>' })).toThrow(
      'tiny/tokenizer.json: the padding token <none> is not in the vocabulary',
    );
    expect(() => new TextTokenizer(Tokenizer, 'broken', { version: '1.0' }, {})).toThrow(
      'broken/tokenizer.json: has no model',
    );
  });
});

/** The pocket tokenizer as CLIP's older checkpoints are: vocab.json and merges.txt, settings beside them. */
async function older(changes: Readonly<Record<string, string | null>> = {}): Promise<ModelFiles> {
  const folder = `${root}weights/pocket/clip`;
  const { model } = JSON.parse(await readFile(`${folder}/tokenizer.json`, 'utf8')) as {
    model: { vocab: Record<string, number>; merges: string[][] };
  };
  const texts: Record<string, string | null> = {
    'vocab.json': JSON.stringify(model.vocab),
    'merges.txt': `#version: 0.2\n${model.merges.map((pair) => pair.join(' ')).join('\n')}\n`,
    'tokenizer_config.json': await readFile(`${folder}/tokenizer_config.json`, 'utf8'),
    ...changes,
  };
  return {
    name: 'older',
    has: async (path) => (texts[path] ?? null) !== null,
    read: () => Promise.reject(new Error('only texts are here')),
    readText: async (path) => texts[path] ?? Promise.reject(new Error(`older/${path}: cannot be read`)),
  };
}

describe('CLIP without tokenizer.json', () => {
  it('gives the same ids from vocab.json and merges.txt', async () => {
    const tokenizer = await openTokenizer(await older());
    pinned.texts.forEach((text, i) => {
      expect(tokenizer.tokenize(text), text).toEqual(at(pinned.ids.tokenizer_clip ?? [], i));
    });
  });

  it('reads merges.txt with CRLF line ends, and with a byte order mark', async () => {
    const lines = (await (await older()).readText('merges.txt')).replaceAll('\n', '\r\n');
    const tokenizer = await openTokenizer(await older({ 'merges.txt': `\ufeff${lines}` }));
    expect(tokenizer.tokenize(at(pinned.texts, 0))).toEqual(at(pinned.ids.tokenizer_clip ?? [], 0));
  });

  it('needs no more of its settings than the padding token', async () => {
    const files = await older({ 'tokenizer_config.json': JSON.stringify({ pad_token: '<|endoftext|>' }) });
    expect((await openTokenizer(files)).tokenize(at(pinned.texts, 0))).toEqual(at(pinned.ids.tokenizer_clip ?? [], 0));
  });

  it('says what is missing', async () => {
    await expect(openTokenizer(await older({ 'merges.txt': null }))).rejects.toThrow(
      'older/merges.txt: cannot be read',
    );
    await expect(openTokenizer(await older({ 'vocab.json': null }))).rejects.toThrow('older/tokenizer.json: cannot be');
    await expect(openTokenizer(await older({ 'vocab.json': '{"a": 0}' }))).rejects.toThrow(
      'older/vocab.json: has no token <|startoftext|>',
    );
    const gpt = JSON.stringify({ tokenizer_class: 'GPT2Tokenizer' });
    await expect(openTokenizer(await older({ 'tokenizer_config.json': gpt }))).rejects.toThrow(
      'older: there is no tokenizer.json, and vocab.json of a GPT2Tokenizer cannot be read without it',
    );
  });
});

describe('tokens that an older folder adds', () => {
  const cat = { '<cat-toy>': 653 };
  const start = [651, 320];

  it('are those of added_tokens.json', async () => {
    const tokenizer = await openTokenizer(await older({ 'added_tokens.json': JSON.stringify(cat) }));
    expect(tokenizer.tokenize('a <cat-toy>')).toEqual([...start, 653, 652]);
  });

  it('are those of added_tokens_decoder, which counts alone', async () => {
    const config = {
      pad_token: '<|endoftext|>',
      added_tokens_decoder: { 653: { content: '<dog>', special: false, normalized: false } },
    };
    const files = await older({
      'added_tokens.json': JSON.stringify(cat),
      'tokenizer_config.json': JSON.stringify(config),
    });
    const tokenizer = await openTokenizer(files);
    expect(tokenizer.tokenize('a <dog>')).toEqual([...start, 653, 652]);
    expect(tokenizer.tokenize('a <cat-toy>')).not.toContain(654);
  });

  it('need a row in the text encoder', async () => {
    const tokenizer = await openTokenizer(await older({ 'added_tokens.json': JSON.stringify(cat) }));
    expect(() => tokenizer.assertFits(654, 'vocab_size')).not.toThrow();
    expect(() => tokenizer.assertFits(653, 'vocab_size of text_encoder')).toThrow(
      'older/tokenizer.json: has token ids up to 653, but vocab_size of text_encoder is 653, so they do not belong together',
    );
  });

  it.each([
    [{ '<a>': 99_999_999 }, 'older/tokenizer.json: token "<a>" has id 99999999; ids are whole numbers from 0 to 653'],
    [{ '<a>': 653.5 }, 'token "<a>" has id 653.5; ids are whole numbers'],
    [{ '<a>': '653' }, 'token "<a>" has id "653"; ids are whole numbers'],
    [{ '<a>': -1 }, 'token "<a>" has id -1; ids are whole numbers'],
  ])('%j is refused', async (tokens, sentence) => {
    await expect(openTokenizer(await older({ 'added_tokens.json': JSON.stringify(tokens) }))).rejects.toThrow(sentence);
  });
});

describe('what is not followed is refused by name', () => {
  const pocket = async (): Promise<Record<string, unknown>> =>
    JSON.parse(await readFile(`${root}weights/pocket/clip/tokenizer.json`, 'utf8'));
  const settings = { pad_token: '<|endoftext|>', model_max_length: 77 };
  const expression = (Regex: string) => ({ type: 'Split', pattern: { Regex }, behavior: 'Removed', invert: true });

  it.each([
    [{ padding_side: 'left' }, {}, 'x/tokenizer_config.json: padding_side is "left", which is not supported yet'],
    [{ truncation_side: 'left' }, {}, 'x/tokenizer_config.json: truncation_side is "left", which is not supported yet'],
    [{}, { truncation: { direction: 'Left' } }, 'x/tokenizer.json (truncation): direction is "Left"'],
    [{}, { padding: { direction: 'Left' } }, 'x/tokenizer.json (padding): direction is "Left"'],
    [{}, { pre_tokenizer: expression('(a+)+$') }, 'x/tokenizer.json (pre_tokenizer): pattern is "(a+)+$"; of the expr'],
    [{}, { pre_tokenizer: expression('(a+)+|[^\\s\\p{L}\\p{N}]+') }, 'pattern is "(a+)+|'],
    [
      {},
      { pre_tokenizer: { type: 'Sequence', pretokenizers: [expression('.*')] } },
      'x/tokenizer.json (pre_tokenizer) (pretokenizers 0): pattern is ".*"',
    ],
    [{}, { pre_tokenizer: { type: 'Digits' } }, 'x/tokenizer.json (pre_tokenizer): type must be one of "Sequence"'],
    [
      {},
      { normalizer: { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: '' } },
      'x/tokenizer.json (normalizer) (pattern): Regex is "(a+)+$"; only the expressions of published',
    ],
    [{}, { normalizer: { type: 'Nmt' } }, 'x/tokenizer.json (normalizer): type must be one of "NFC"'],
    [
      {},
      { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } },
      'precompiled_charsmap is not a table of sentencepiece',
    ],
  ])('%j %j', async (config, changes, sentence) => {
    const file = { ...(await pocket()), ...changes };
    expect(() => new TextTokenizer(Tokenizer, 'x', file, { ...settings, ...config })).toThrow(sentence);
  });

  it('a BERT that tokenizer.json and the settings lower differently', () => {
    expect(() => tiny({ pad_token: '[PAD]', do_lower_case: false })).toThrow(
      'tiny/tokenizer_config.json: do_lower_case is false, but lowercase in the normalizer of tiny/tokenizer.json is true',
    );
  });

  it('the hostile files', async () => {
    const folder = `${root}../shared/cases/hostile`;
    for (const [name, sentence] of [
      ['id_big', /: token ".*" has id 99999999; ids are whole numbers from 0 to 652/],
      ['redos', /pattern is "\(a\+\)\+\$"/],
    ] as const) {
      const path = `${folder}/${name}.tokenizer.json`;
      if (existsSync(path)) {
        const file: unknown = JSON.parse(await readFile(path, 'utf8'));
        expect(() => new TextTokenizer(Tokenizer, name, file, settings), name).toThrow(sentence);
      }
    }
  });
});

describe('a prompt that is too long', () => {
  it('is reported with the words that are left out', async () => {
    const tokenizer = await openTokenizer(nodeFiles(`${root}weights/pocket/clip`));
    const cuts: PromptCut[] = [];
    tokenizer.encode('a red cat and a dog', 10, 'text_encoder', (cut) => cuts.push(cut));
    tokenizer.encode('a red cat and a dog', 6, 'text_encoder', (cut) => cuts.push(cut));
    expect(cuts).toEqual([{ reader: 'text_encoder', tokens: 10, limit: 6, left: 'a dog' }]);
  });

  it('is reported by WordPiece too', () => {
    const cuts: PromptCut[] = [];
    tiny().encode('a red cat and a dog', 5, 'ImageReward', (cut) => cuts.push(cut));
    expect(cuts).toEqual([{ reader: 'ImageReward', tokens: 8, limit: 5, left: 'and a dog' }]);
  });
});

/** SDXL's second tokenizer; ids by transformers 5.24, `CLIPTokenizer.from_pretrained(folder, pad_token="!")`. */
describe('a padding token that is ordinary text', () => {
  const settings = { pad_token: '!', model_max_length: 8, tokenizer_class: 'CLIPTokenizer' };
  const opened = async (changes: Readonly<Record<string, string | null>>) =>
    (await openTokenizer(await older(changes))).encode('a red! cat!!', 12);

  it('is a special token wherever it stands', async () => {
    const { ids, length } = await opened({ 'tokenizer_config.json': JSON.stringify(settings) });
    expect([...ids]).toEqual([651, 320, 591, 0, 633, 0, 0, 652, 0, 0, 0, 0]);
    expect(length).toBe(8);
  });

  it('may stand in special_tokens_map.json, which counts for settings of before added_tokens_decoder', async () => {
    const map = JSON.stringify({ pad_token: { content: '!', normalized: false } });
    const end = { ...settings, pad_token: '<|endoftext|>' };
    const config = (more: object): string => JSON.stringify({ ...end, ...more });
    const older = await opened({ 'special_tokens_map.json': map, 'tokenizer_config.json': config({}) });
    expect(older.ids[11]).toBe(0);
    const newer = config({ added_tokens_decoder: {} });
    const { ids } = await opened({ 'special_tokens_map.json': map, 'tokenizer_config.json': newer });
    expect([...ids]).toEqual([651, 320, 591, 256, 633, 0, 256, 652, 652, 652, 652, 652]);
  });
});

describe('where CLIP pools', () => {
  it('takes the first end-of-text token, since padding may be the same token', () => {
    expect(eosPosition([8, 1, 2, 9, 9, 9], 9)).toBe(3);
    expect([...eosMaskOf([8, 1, 9, 9], 9)]).toEqual([0, 0, 1, 0]);
  });

  it('takes the highest id where the configuration says 2, as transformers does for old checkpoints', () => {
    expect(eosPosition([8, 2, 9, 0, 0], 2)).toBe(2);
  });

  it('refuses ids without it', () => {
    expect(() => eosPosition([8, 1, 0, 0], 9)).toThrow('no end-of-text token 9');
  });
});
