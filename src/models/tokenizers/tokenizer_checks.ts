/** Checks a tokenizer's files before they are used: each key is followed, known to be inert, or refused by name. */
import { type Config, inertKeys } from '../checkpoint/config.ts';
import { shown } from '../checkpoint/messages.ts';
import { SPECIAL_TOKENS, tokenText } from './special_tokens.ts';
import { checkModel, checkPieces, checkPostProcessor, checkPreTokenizer } from './tokenizer_parts.ts';

/**
 * Keys of tokenizer_config.json without an effect on the ids: names and places of files, how ids become text, what transformers' caller
 * says anew for each text (length, stride, strategy), and T5's number of extra tokens, which stand among the added ones.
 */
const SETTINGS_NOTES = inertKeys(
  ['_commit_hash', '_from_auto', '_name_or_path', '__type', 'name_or_path', 'tokenizer_file', 'full_tokenizer_file'],
  ['special_tokens_map_file', 'vocab_file', 'merges_file', 'spm_file', 'tokenizer_class', 'processor_class', 'backend'],
  ['is_local', 'local_files_only', 'use_fast', 'from_slow', 'legacy', 'verbose', 'device_map', 'transformers_version'],
  ['clean_up_tokenization_spaces', 'spaces_between_special_tokens', 'errors', 'chat_template', 'model_input_names'],
  ['max_length', 'stride', 'truncation_strategy', 'pad_to_multiple_of', 'pad_token_type_id', 'return_attention_mask'],
  ['extra_ids', 'never_split', 'do_lower_case', 'strip_accents', 'tokenize_chinese_chars'],
);

/** Keys of `truncation` and `padding` in tokenizer.json: transformers' caller says anew what is cut and padded. */
const CUTTING = inertKeys(
  ['max_length', 'stride', 'strategy'],
  ['pad_to_multiple_of', 'pad_id', 'pad_type_id', 'pad_token'],
);

/** @param added `added_tokens`, completed. @throws Error, one sentence: file, key, and what is not supported */
export function checkTokenizer(tokenizer: Config, settings: Config, added: readonly unknown[]): void {
  const model = tokenizer.section('model');
  checkIds(model, tokenizer, added);
  checkPieces(model, added);
  checkModel(model);
  if (tokenizer.has('pre_tokenizer')) {
    checkPreTokenizer(tokenizer.section('pre_tokenizer'));
  }
  if (tokenizer.has('post_processor')) {
    checkPostProcessor(tokenizer.section('post_processor'), idsOf(model, added));
  }
  checkSides(tokenizer, settings);
  checkBert(tokenizer, settings);
  checkPrefixSpace(tokenizer, settings);
  checkSpecialTokens(settings, idsOf(model, added));
  // The normaliser has its own reader, and the decoder only writes the words that were cut.
  tokenizer.assertAllKnown(inertKeys(['version', 'normalizer', 'decoder', 'added_tokens']));
  settings.assertAllKnown(SETTINGS_NOTES);
}

/** Returns a function from a token's text to its id. */
function idsOf(model: Config, added: readonly unknown[]): (token: unknown) => unknown {
  const vocab = model.value('vocab');
  const own: readonly (readonly [unknown, unknown])[] = Array.isArray(vocab)
    ? vocab.map((pair, id) => [pair[0], id] as const)
    : Object.entries(Object(vocab));
  const ids = new Map([...own, ...added.map((token) => [tokenText(token), Object(token).id] as const)]);
  return (token) => ids.get(token);
}

/** transformers reads the sides from the settings, and otherwise from tokenizer.json. */
function checkSides(tokenizer: Config, settings: Config): void {
  settings.allowOnly({ padding_side: ['right'], truncation_side: ['right'] });
  for (const key of ['padding', 'truncation'] as const) {
    if (tokenizer.has(key)) {
      const section = tokenizer.section(key);
      if (settings.has(`${key}_side`)) {
        section.value('direction');
      } else {
        section.allowOnly({ direction: ['Right'] });
      }
      section.assertAllKnown(CUTTING);
    }
  }
}

/** BertTokenizer follows its settings; the normaliser of tokenizer.json has to do the same. */
function checkBert(tokenizer: Config, settings: Config): void {
  const normalizer = tokenizer.has('normalizer') ? tokenizer.section('normalizer') : null;
  settings.allowOnly({ do_basic_tokenize: [true] });
  if (normalizer?.value('type') !== 'BertNormalizer') {
    return;
  }
  for (const [key, own] of [
    ['do_lower_case', 'lowercase'],
    ['strip_accents', 'strip_accents'],
    ['tokenize_chinese_chars', 'handle_chinese_chars'],
  ] as const) {
    const absent = own !== 'strip_accents' || normalizer.boolean('lowercase', true);
    const value = normalizer.has(own) ? normalizer.boolean(own) : absent;
    if (settings.has(key) && settings.boolean(key) !== value) {
      settings.fail(key, `is ${!value}, but ${own} in the normalizer of ${tokenizer.file} is ${value}`);
    }
  }
}

/** `add_prefix_space` changes a pre-tokenizer that is ByteLevel itself; sentencepiece's begins each text with a space. */
function checkPrefixSpace(tokenizer: Config, settings: Config): void {
  const { type, add_prefix_space: own = true } = Object(tokenizer.value('pre_tokenizer'));
  const fixed = type === 'ByteLevel' ? own : type === 'Metaspace' ? true : undefined;
  const value = settings.has('add_prefix_space') ? settings.boolean('add_prefix_space') : undefined;
  if (fixed !== undefined && value !== undefined && fixed !== value) {
    settings.fail('add_prefix_space', `is ${value}, but the pre_tokenizer of ${tokenizer.file} has ${fixed}`);
  }
}

/** transformers would give a new id to a special token without one, and no text encoder has a row for it. */
function checkSpecialTokens(settings: Config, idOf: (token: unknown) => unknown): void {
  for (const key of SPECIAL_TOKENS) {
    const token = settings.value(key);
    const text = tokenText(token);
    if (token !== undefined && text === undefined) {
      settings.fail(key, `must be a token, but is ${shown(token)}`);
    }
    if (text !== undefined && idOf(text) === undefined && key !== 'pad_token') {
      settings.warn(`${key} is ${shown(text)}, which is not in the vocabulary; in a prompt it is ordinary text`);
    }
  }
  for (const key of ['additional_special_tokens', 'extra_special_tokens']) {
    const more = settings.value(key) ?? [];
    const missing = (Array.isArray(more) ? more : Object.values(Object(more))).find(
      (token) => idOf(tokenText(token)) === undefined,
    );
    if (missing !== undefined) {
      settings.fail(key, `has ${shown(tokenText(missing) ?? missing)}, which is not in the vocabulary`);
    }
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
