/** Special tokens of a tokenizer: how the files write them, and the list that the tokenizer needs. */
import { Config, inertKeys } from '../checkpoint/config.ts';
import { shown } from '../checkpoint/messages.ts';

/** Properties of a special token besides its id and text. */
export const SPECIAL = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true } as const;

/** Returns the text of a special token, which files write as a string or as an object with `content`. */
export function tokenText(token: unknown): string | undefined {
  const text = typeof token === 'object' && token !== null && 'content' in token ? token.content : token;
  return typeof text === 'string' ? text : undefined;
}

/** Keys of tokenizer_config.json that name one special token each. */
export const SPECIAL_TOKENS = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
];

/**
 * Returns `added_tokens` of tokenizer.json, completed as in transformers by `added_tokens_decoder` and the special tokens of the
 * settings. This changes the ids where a special token is ordinary text: SDXL's second tokenizer pads with "!", so each "!" of a
 * prompt has that id. @throws Error naming the key that is no token
 */
export function addedTokens(tokenizer: Config, settings: Config): readonly unknown[] {
  const given = tokenizer.value('added_tokens') ?? [];
  if (!Array.isArray(given)) {
    tokenizer.fail('added_tokens', `must be a list, but is ${shown(given)}`);
  }
  const added: readonly unknown[] = given;
  added.forEach((token, i) => {
    checkToken(new Config(`${tokenizer.file} (added_tokens ${i})`, token));
  });
  const known = new Set(added.map(tokenText));
  const missing: object[] = [];
  const add = (token: object, content: string): void => {
    if (!known.has(content)) {
      known.add(content);
      missing.push(token);
    }
  };
  const decoder = settings.has('added_tokens_decoder') ? settings.section('added_tokens_decoder') : null;
  for (const id of decoder?.keys() ?? []) {
    const content = decoder ? checkToken(decoder.section(id)) : '';
    add({ ...SPECIAL, special: false, ...Object(decoder?.value(id)), id: Number(id), content }, content);
  }
  const vocab: Readonly<Record<string, unknown>> = Object(tokenizer.section('model').value('vocab'));
  for (const content of SPECIAL_TOKENS.map((key) => tokenText(settings.value(key)))) {
    // A vocabulary that is a list (Unigram) has no such keys; its special tokens are always in added_tokens.
    if (content !== undefined && Object.hasOwn(vocab, content)) {
      add({ id: vocab[content], content, ...SPECIAL }, content);
    }
  }
  return [...added, ...missing];
}

/** Returns the text of an added token. @throws Error naming the key that is missing, unknown or not followed */
function checkToken(token: Config): string {
  const content = token.string('content');
  if (content === '') {
    token.fail('content', 'is empty');
  }
  for (const key of ['lstrip', 'rstrip', 'normalized', 'special']) {
    token.boolean(key, false);
  }
  token.allowOnly({ single_word: [false] });
  token.assertAllKnown(inertKeys(['id', '__type']));
  return content;
}

/** Returns the tokens of added_tokens.json, text → id, which older folders have. */
export function olderAddedTokens(tokens: Config): readonly object[] {
  return tokens.keys().map((content) => ({ ...SPECIAL, special: false, id: tokens.value(content), content }));
}
