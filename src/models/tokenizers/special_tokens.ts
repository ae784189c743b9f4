/** Special tokens of a tokenizer: how the files write them, and the list that the tokenizer needs. */
import type { Config } from '../checkpoint/config.ts';

/** Properties of a special token besides its id and text. */
export const SPECIAL = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true } as const;

/** Returns the text of a special token, which files write as a string or as an object with `content`. */
export function tokenText(token: unknown): string | undefined {
  if (typeof token === 'object' && token !== null && 'content' in token) {
    return tokenText(token.content);
  }
  return typeof token === 'string' ? token : undefined;
}

const SPECIAL_TOKENS = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

/**
 * Returns `added_tokens` of tokenizer.json, completed by the special tokens of the settings, as in transformers. This changes
 * the ids where a special token is ordinary text: SDXL's second tokenizer pads with "!", so each "!" of a prompt has that id.
 */
export function addedTokens(tokenizer: Config, settings: Config): readonly unknown[] {
  const given = tokenizer.value('added_tokens');
  const added: unknown[] = Array.isArray(given) ? given : [];
  const vocab: Readonly<Record<string, unknown>> = Object(tokenizer.section('model').value('vocab'));
  const missing = new Map<string, object>();
  for (const content of SPECIAL_TOKENS.map((key) => tokenText(settings.value(key)))) {
    // A vocabulary that is a list (Unigram) has no such keys; its special tokens are always in added_tokens.
    if (content !== undefined && Object.hasOwn(vocab, content) && !added.some((t) => tokenText(t) === content)) {
      missing.set(content, { id: vocab[content], content, ...SPECIAL });
    }
  }
  return [...added, ...missing.values()];
}
