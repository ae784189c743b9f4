/** Special tokens of a tokenizer: how the files write them, and the list that the tokenizer needs. */
import type { Config } from '../checkpoint/config.ts';

/** Properties of a special token besides its id and text. */
export const SPECIAL = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true } as const;

/** Returns the text of a special token, which files write as a string or as an object with `content`. */
export function tokenText(token: unknown): string | undefined {
  const text = typeof token === 'object' && token !== null && 'content' in token ? token.content : token;
  return typeof text === 'string' ? text : undefined;
}

const SPECIAL_TOKENS = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

/**
 * Returns `added_tokens` of tokenizer.json, completed as in transformers by `added_tokens_decoder` and the special tokens of the
 * settings. This changes the ids where a special token is ordinary text: SDXL's second tokenizer pads with "!", so each "!" of a
 * prompt has that id. @throws Error naming the key that is no token
 */
export function addedTokens(tokenizer: Config, settings: Config): readonly unknown[] {
  const given = tokenizer.value('added_tokens');
  const added: unknown[] = Array.isArray(given) ? given : [];
  const known = new Set(added.map(tokenText));
  const missing: object[] = [];
  const add = (token: object, content: string): void => {
    if (!known.has(content)) {
      known.add(content);
      missing.push(token);
    }
  };
  const decoder = settings.has('added_tokens_decoder') ? settings.section('added_tokens_decoder') : null;
  for (const [id, token] of Object.entries(Object(settings.value('added_tokens_decoder')))) {
    const content = tokenText(token);
    if (content === undefined) {
      return decoder?.fail(id, 'is not a token: it has no content') ?? [];
    }
    add({ ...SPECIAL, special: false, ...Object(token), id: Number(id), content }, content);
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

/** Returns the tokens of added_tokens.json, text → id, which older folders have. */
export function olderAddedTokens(tokens: Config): readonly object[] {
  return tokens.keys().map((content) => ({ ...SPECIAL, special: false, id: tokens.value(content), content }));
}
