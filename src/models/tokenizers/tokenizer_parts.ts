/**
 * Checks the parts of tokenizer.json: each key is followed, known to be inert, or refused by name, and no part can make a text or a
 * list of tokens that is much longer than the prompt. No expression from a file is run that is not known.
 * Source of the keys: the serialisation of the Rust library `tokenizers` 0.23.
 */
import { Config, inertKeys } from '../checkpoint/config.ts';
import { shown } from '../checkpoint/messages.ts';
import { CLIP_WORDS } from './clip_tokenizer_json.ts';
import { tokenText } from './special_tokens.ts';

/** The most parts of a sequence of normalisers, pre-tokenizers or post-processors; published ones have 3. */
const MOST_PARTS = 16;

/** The most characters of a text that a part puts into each prompt. */
const MOST_TEXT = 100;

/** The most characters of a word that WordPiece looks at; published ones say 100. */
const MOST_WORD = 1000;

/**
 * The most characters of a piece of a Unigram vocabulary, and of all pieces and added tokens together: each becomes a node of a tree.
 * T5's longest piece has 16 characters, and all have 219,822.
 */
const MOST_PIECE = 64;
const MOST_CHARACTERS = 500_000;

/** Special tokens as an expression writes them, each with a bar behind it: letters, and signs with a backslash before them. */
const LITERALS = /^(?:(?:[^|\\{}()[\]^$+*?.]|\\[|\\{}()[\]^$+*?.])+\|)*$/;

const NONE = inertKeys();

type Check = (config: Config) => void;

/** Returns the string of a key. @throws Error when it is longer than a part may put into a prompt */
export function shortText(config: Config, key: string, absent?: string): string {
  // `tokenizers` writes null for a text that is not set.
  const text = config.isNull(key) && absent !== undefined ? absent : config.string(key, absent);
  return text.length > MOST_TEXT
    ? config.fail(key, `has ${text.length} characters, and at most ${MOST_TEXT} are read`)
    : text;
}

/** Returns the objects of a list. @throws Error when it is no list or too long */
export function partList(config: Config, key: string): readonly Config[] {
  const parts = config.value(key);
  if (!Array.isArray(parts) || parts.length > MOST_PARTS) {
    config.fail(key, `must be a list of at most ${MOST_PARTS} parts`);
  }
  return parts.map((part, i) => new Config(`${config.file} (${key} ${i})`, part));
}

/** Checks a part by its type. A sequence holds parts of the other types. */
function checkPart(config: Config, checks: Readonly<Record<string, Check>>, list: string): void {
  const type = config.oneOf('type', ['Sequence', ...Object.keys(checks)]);
  const check = checks[type];
  if (check) {
    check(config);
  } else {
    for (const part of partList(config, list)) {
      const inner = part.oneOf('type', Object.keys(checks));
      checks[inner]?.(part);
      part.assertAllKnown(NONE);
    }
  }
  config.assertAllKnown(NONE);
}

const byteLevel: Check = (config) => {
  config.boolean('add_prefix_space', true);
  config.boolean('trim_offsets', true);
  config.boolean('use_regex', true);
};

const PRE_TOKENIZERS: Readonly<Record<string, Check>> = {
  BertPreTokenizer: () => {},
  WhitespaceSplit: () => {},
  ByteLevel: byteLevel,
  Metaspace: (config) => {
    const replacement = config.string('replacement', '\u2581');
    if (Array.from(replacement).length !== 1) {
      config.fail('replacement', `is ${shown(replacement)}, but must be one character`);
    }
    config.oneOf('prepend_scheme', ['always', 'first', 'never'], 'always');
    config.allowOnly({ str_rep: [replacement], add_prefix_space: [true], split: [true] });
  },
  Split: (config) => {
    const pattern = config.section('pattern');
    const inverted = config.boolean('invert', false);
    config.allowOnly({ behavior: inverted ? ['Removed'] : ['Removed', 'Isolated'] });
    if (typeof pattern.value('String') === 'string') {
      shortText(pattern, 'String');
    } else {
      const source = pattern.string('Regex');
      if (!source.endsWith(CLIP_WORDS) || !LITERALS.test(source.slice(0, -CLIP_WORDS.length))) {
        config.fail('pattern', `is ${JSON.stringify(source)}; of the expressions, only CLIP's can be used`);
      }
    }
    pattern.assertAllKnown(NONE);
  },
};

/** Checks `pre_tokenizer`. */
export const checkPreTokenizer: Check = (config) => checkPart(config, PRE_TOKENIZERS, 'pretokenizers');

/** Returns checks of post-processors. @param idOf the id of a token; undefined where the vocabulary has none */
function postProcessors(idOf: (token: unknown) => unknown): Readonly<Record<string, Check>> {
  const checkToken = (config: Config, key: string, token: unknown, id: unknown): void => {
    if (idOf(token) !== id || id === undefined) {
      config.fail(
        key,
        `is ${shown(token)} with id ${shown(id)}, but the vocabulary has id ${shown(idOf(token))} for it`,
      );
    }
  };
  const pair = (config: Config, key: string): void => {
    const [token, id] = [config.value(key)].flat();
    checkToken(config, key, token, id);
  };
  const ends: Check = (config) => {
    pair(config, 'sep');
    pair(config, 'cls');
  };
  return {
    ByteLevel: byteLevel,
    BertProcessing: ends,
    RobertaProcessing: (config) => {
      ends(config);
      config.boolean('trim_offsets', true);
      config.boolean('add_prefix_space', true);
    },
    TemplateProcessing: (config) => {
      const special = config.section('special_tokens');
      const parts = partList(config, 'single');
      for (const part of parts.filter((one) => !one.has('Sequence'))) {
        const name = part.section('SpecialToken').string('id');
        const { ids, tokens } = Object(special.value(name));
        if (!Array.isArray(ids) || !Array.isArray(tokens) || ids.length !== 1 || tokens[0] !== name) {
          special.fail(shown(name), 'must stand for one token of its own name');
        }
        checkToken(config, 'special_tokens', name, ids[0]);
      }
      if (parts.filter((part) => part.has('Sequence') && part.section('Sequence').string('id') === 'A').length !== 1) {
        config.fail('single', 'must hold the text, "A", once');
      }
      config.value('pair'); // Two texts at once are never tokenized.
    },
  };
}

/** Checks `post_processor`. @param idOf the id of a token @throws Error also where an id differs from the vocabulary's */
export function checkPostProcessor(config: Config, idOf: (token: unknown) => unknown): void {
  checkPart(config, postProcessors(idOf), 'processors');
  const inner = config.value('type') === 'Sequence' ? partList(config, 'processors') : [];
  if (inner.filter((part) => part.value('type') !== 'ByteLevel').length > 1) {
    config.fail('processors', 'must hold one processor besides ByteLevel');
  }
}

/** Checks `model` apart from its vocabulary. */
export function checkModel(model: Config): void {
  if (model.has('type')) {
    model.oneOf('type', ['BPE', 'WordPiece', 'Unigram']);
  }
  const unigram = Array.isArray(model.value('vocab'));
  const bpe = model.value('merges') !== undefined;
  model.allowOnly({ dropout: [0], fuse_unk: [false], byte_fallback: [false], ignore_merges: [false] });
  if (unigram) {
    model.whole('unk_id', undefined, [0, Number.MAX_SAFE_INTEGER]);
  } else if (model.has('unk_token')) {
    shortText(model, 'unk_token');
  }
  if (bpe) {
    checkMerges(model);
    model.allowOnly({ continuing_subword_prefix: [''] });
    shortText(model, 'end_of_word_suffix', '');
  } else if (!unigram) {
    shortText(model, 'continuing_subword_prefix', '##');
    model.count('max_input_chars_per_word', 100, MOST_WORD);
  }
  model.assertAllKnown(NONE);
}

function checkMerges(model: Config): void {
  const merges = model.value('merges');
  const isMerge = (merge: unknown): boolean =>
    Array.isArray(merge)
      ? merge.length === 2 && merge.every((part) => typeof part === 'string')
      : typeof merge === 'string' && merge.split(' ').length === 2;
  if (!Array.isArray(merges)) {
    model.fail('merges', 'must be a list');
  }
  // The first one says to the library how all are written.
  const broken = merges.findIndex((merge) => !isMerge(merge) || Array.isArray(merge) !== Array.isArray(merges[0]));
  if (broken >= 0) {
    model.fail('merges', `has ${shown(merges[broken])} at place ${broken}, which is no pair of tokens`);
  }
}

/** @param added `added_tokens`, completed @throws Error where the pieces are too long for the tree that is made of them */
export function checkPieces(model: Config, added: readonly unknown[]): void {
  const vocab = model.value('vocab');
  const pairs: readonly unknown[] = Array.isArray(vocab) ? vocab : [];
  const isPair = (pair: unknown): boolean =>
    Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string' && Number.isFinite(pair[1]);
  const broken = pairs.findIndex((pair) => !isPair(pair));
  if (broken >= 0) {
    model.fail('vocab', `has ${shown(pairs[broken])} at place ${broken}, which is no piece with its score`);
  }
  const pieces = [...pairs.map((pair) => [pair].flat(2)[0]), ...added.map(tokenText)];
  const lengths = pieces.map((piece) => (typeof piece === 'string' ? piece.length : 0));
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
  if (longest > MOST_PIECE) {
    model.fail('vocab', `has a piece of ${longest} characters, and at most ${MOST_PIECE} are read`);
  }
  const all = lengths.reduce((sum, length) => sum + length, 0);
  if (all > MOST_CHARACTERS) {
    model.fail('vocab', `has pieces of ${all} characters together, and at most ${MOST_CHARACTERS} are read`);
  }
}
