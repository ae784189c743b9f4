/** Checks a tokenizer's files before they are used: nothing is left out silently, and no expression from a file is run that is not known. */
import { Config } from '../checkpoint/config.ts';
import { CLIP_WORDS } from './clip_tokenizer_json.ts';
import { tokenText } from './special_tokens.ts';

const MODELS = ['BPE', 'WordPiece', 'Unigram'] as const;
const SINGLE = ['BertPreTokenizer', 'ByteLevel', 'Metaspace', 'Split', 'WhitespaceSplit'];
const PRE_TOKENIZERS = ['Sequence', ...SINGLE];

/** Special tokens as an expression writes them, each with a bar behind it: letters, and signs with a backslash before them. */
const LITERALS = /^(?:(?:[^|\\{}()[\]^$+*?.]|\\[|\\{}()[\]^$+*?.])+\|)*$/;

/** @param added `added_tokens`, completed. @throws Error, one sentence: file, key, and what is not supported */
export function checkTokenizer(tokenizer: Config, settings: Config, added: readonly unknown[]): void {
  const model = tokenizer.section('model');
  if (model.has('type')) {
    model.oneOf('type', MODELS);
  }
  model.allowOnly({ dropout: [0] });
  if (tokenizer.has('pre_tokenizer')) {
    checkPreTokenizer(tokenizer.section('pre_tokenizer'), PRE_TOKENIZERS);
  }
  checkSides(tokenizer, settings);
  checkLowerCase(tokenizer, settings);
  checkIds(model, tokenizer, added);
}

function checkPreTokenizer(config: Config, types: readonly string[]): void {
  const type = config.oneOf('type', types);
  if (type === 'Sequence') {
    const parts = config.value('pretokenizers');
    for (const part of Array.isArray(parts) ? parts : []) {
      checkPreTokenizer(new Config(config.file, part), SINGLE);
    }
  }
  if (type === 'Split' && typeof config.section('pattern').value('String') !== 'string') {
    const source = config.section('pattern').string('Regex');
    if (!source.endsWith(CLIP_WORDS) || !LITERALS.test(source.slice(0, -CLIP_WORDS.length))) {
      config.fail('pattern', `is ${JSON.stringify(source)}; of the expressions, only CLIP's can be used`);
    }
  }
}

/** transformers reads the sides from the settings, and otherwise from tokenizer.json. */
function checkSides(tokenizer: Config, settings: Config): void {
  settings.allowOnly({ padding_side: ['right'], truncation_side: ['right'] });
  for (const key of ['padding', 'truncation'] as const) {
    if (tokenizer.has(key) && !settings.has(`${key}_side`)) {
      tokenizer.section(key).allowOnly({ direction: ['Right'] });
    }
  }
}

/** BertTokenizer follows `do_lower_case`; the normaliser of tokenizer.json has to do the same. */
function checkLowerCase(tokenizer: Config, settings: Config): void {
  const normalizer = tokenizer.has('normalizer') ? tokenizer.section('normalizer') : null;
  if (normalizer?.value('type') !== 'BertNormalizer' || !settings.has('do_lower_case')) {
    return;
  }
  const lower = normalizer.boolean('lowercase', true);
  if (settings.boolean('do_lower_case') !== lower) {
    settings.fail('do_lower_case', `is ${!lower}, but lowercase in the normalizer of ${tokenizer.file} is ${lower}`);
  }
}

function checkIds(model: Config, tokenizer: Config, added: readonly unknown[]): void {
  const vocab = model.value('vocab');
  if (typeof vocab !== 'object' || vocab === null) {
    model.fail('vocab', 'is missing (it must be a list or an object of tokens)');
  }
  // In a list (Unigram), a token's place is its id.
  const own: readonly [string, unknown][] = Array.isArray(vocab) ? [] : Object.entries(vocab);
  const names: ReadonlySet<unknown> = new Set(
    Array.isArray(vocab) ? vocab.map((pair) => (Array.isArray(pair) ? pair[0] : undefined)) : Object.keys(vocab),
  );
  const size = names.size + new Set(added.map(tokenText).filter((text) => !names.has(text))).size;
  const check = (token: string, id: unknown, where: Config): void => {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= size) {
      where.fail(
        `token ${JSON.stringify(token)}`,
        `has id ${JSON.stringify(id)}; ids are whole numbers from 0 to ${size - 1}, one for each token`,
      );
    }
  };
  for (const [token, id] of own) {
    check(token, id, model);
  }
  for (const token of added) {
    check(tokenText(token) ?? '', Object(token).id, tokenizer);
  }
}
