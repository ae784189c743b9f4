/** Tokens of a tokenizer that stand for no text: where they are written, and that all of them are known. */
import type { Config } from '../checkpoint/config.ts';

/** What a special token is besides its id and text. */
export const SPECIAL = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true } as const;

/** Special tokens are written as text or as an object with `content`. */
export function tokenText(token: unknown): string | undefined {
  if (typeof token === 'object' && token !== null && 'content' in token) {
    return tokenText(token.content);
  }
  return typeof token === 'string' ? token : undefined;
}

const SPECIAL_TOKENS = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

/**
 * `added_tokens` of tokenizer.json, with every special token of the settings as transformers has it. It matters where a special token is ordinary text: SDXL's second tokenizer pads with "!", so that each "!" of a prompt has its id.
 */
export function addedTokens(tokenizer: Config, settings: Config): readonly unknown[] {
  const given = tokenizer.value('added_tokens');
  const added: unknown[] = Array.isArray(given) ? given : [];
  const vocab: Readonly<Record<string, unknown>> = Object(tokenizer.section('model').value('vocab'));
  const missing = new Map<string, object>();
  for (const content of SPECIAL_TOKENS.map((key) => tokenText(settings.value(key)))) {
    // A vocabulary that is a list (Unigram) has no such keys; its special tokens are always among the added ones.
    if (content !== undefined && Object.hasOwn(vocab, content) && !added.some((t) => tokenText(t) === content)) {
      missing.set(content, { id: vocab[content], content, ...SPECIAL });
    }
  }
  return [...added, ...missing.values()];
}
