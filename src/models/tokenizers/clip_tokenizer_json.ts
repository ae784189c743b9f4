/**
 * Makes tokenizer.json from CLIP's older files, vocab.json and merges.txt.
 * Source: transformers/convert_slow_tokenizer.py: CLIPConverter.
 */
import { SPECIAL } from './special_tokens.ts';

/** CLIP's pattern of a word: contractions, letters, single digits, everything else. */
export const CLIP_WORDS = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

interface CLIPTokens {
  readonly bos_token: string;
  readonly eos_token: string;
  readonly unk_token: string;
}

/**
 * @param vocab token → id; @param merges the text of merges.txt, whose first line is its version; @param added further tokens
 * @throws Error naming the token that is not in the vocabulary
 */
export function clipTokenizerJson(
  vocab: Readonly<Record<string, number>>,
  merges: string,
  tokens: CLIPTokens,
  added: readonly object[],
): object {
  const special = (content: string): { id: number; content: string } => {
    const id = vocab[content];
    if (id === undefined) {
      throw new Error(`has no token ${content}`);
    }
    return { id, content };
  };
  const [bos, eos] = [special(tokens.bos_token), special(tokens.eos_token)];
  const escaped = [bos, eos].map(({ content }) => content.replace(/[|\\{}()[\]^$+*?.]/g, '\\$&'));
  return {
    version: '1.0',
    added_tokens: [...[bos, eos].map((token) => ({ ...token, ...SPECIAL })), ...added],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: [...escaped, CLIP_WORDS].join('|') }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [eos.content, eos.id],
      cls: [bos.content, bos.id],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: tokens.unk_token,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges: merges
        .split('\n')
        .slice(1)
        .map((line) => line.trim()) // A line may end in CR.
        .filter((line) => line !== ''),
    },
  };
}
