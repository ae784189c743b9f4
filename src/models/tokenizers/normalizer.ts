/**
 * Text normalisers of tokenizer.json, character for character as the Rust library `tokenizers` applies them.
 * Source: tokenizers/src/normalizers; BertNormalizer also transformers/models/bert/tokenization_bert.py: BasicTokenizer.
 */
import { type Config, inertKeys } from '../checkpoint/config.ts';
import { Charsmap, type CharsmapMatching } from './charsmap.ts';
import { partList, shortText } from './tokenizer_parts.ts';

export type Normalize = (text: string) => string;

/** The expressions that published tokenizers replace. No other is run: an expression from a file could take forever. */
const EXPRESSIONS: Readonly<Record<string, RegExp>> = {
  '\\s+': /\p{White_Space}+/gu,
  ' {2,}': / {2,}/g,
};

/** The most characters that the steps of a normaliser may make of a prompt: each could double it. */
const MOST_CHARACTERS = 1_000_000;

type Reader = (config: Config, matching: CharsmapMatching) => Normalize;

const SINGLE: Readonly<Record<string, Reader>> = {
  NFC: () => (text) => text.normalize('NFC'),
  NFD: () => (text) => text.normalize('NFD'),
  NFKC: () => (text) => text.normalize('NFKC'),
  NFKD: () => (text) => text.normalize('NFKD'),
  // Rust looks at each character alone: a Greek sigma at a word's end is not another letter.
  Lowercase: () => (text) => Array.from(text, (c) => c.toLowerCase()).join(''),
  Prepend: (config) => {
    const start = shortText(config, 'prepend');
    return (text) => (text === '' ? '' : start + text);
  },
  Strip: (config, matching) => {
    const [left, right] = [config.boolean('strip_left'), config.boolean('strip_right')];
    // sentencepiece strips spaces; what its table leaves of other white space stays.
    const isSpace = (c: string): boolean => (matching === 'longest' ? c === ' ' : /\p{White_Space}/u.test(c));
    return (text) => {
      let [start, end] = [0, text.length];
      while (left && start < end && isSpace(text.charAt(start))) {
        start++;
      }
      while (right && end > start && isSpace(text.charAt(end - 1))) {
        end--;
      }
      return text.slice(start, end);
    };
  },
  Replace: (config) => {
    const pattern = config.section('pattern');
    const content = shortText(config, 'content');
    const literal = pattern.value('String');
    const found = typeof literal === 'string' ? literal : expression(pattern);
    return (text) => text.replaceAll(found, () => content);
  },
  Precompiled: (config, matching) => {
    const map = new Charsmap(config.string('precompiled_charsmap'));
    return (text) => map.normalize(text, matching);
  },
  BertNormalizer: bertNormalizer,
};

const READERS: Readonly<Record<string, Reader>> = {
  ...SINGLE,
  Sequence: (config, matching) => {
    const steps = partList(config, 'normalizers').map((part) => readOne(part, SINGLE, matching));
    return (text) =>
      steps.reduce((done, step) => {
        const next = step(done);
        if (next.length > MOST_CHARACTERS) {
          config.fail('normalizers', `make more than ${MOST_CHARACTERS} characters of a prompt of ${text.length}`);
        }
        return next;
      }, text);
  },
};

/** Reads `normalizer` of tokenizer.json; without it, text stays as it is. @throws Error naming the file, and the type or expression that is not supported */
export function readNormalizer(tokenizer: Config, matching: CharsmapMatching): Normalize {
  return tokenizer.has('normalizer') ? readOne(tokenizer.section('normalizer'), READERS, matching) : (text) => text;
}

function readOne(config: Config, readers: Readonly<Record<string, Reader>>, matching: CharsmapMatching): Normalize {
  const type = config.oneOf('type', Object.keys(readers));
  const normalize = readers[type]?.(config, matching);
  config.assertAllKnown(inertKeys());
  return normalize ?? ((text) => text);
}

function expression(pattern: Config): RegExp {
  const source = pattern.string('Regex');
  const known = Object.hasOwn(EXPRESSIONS, source) ? EXPRESSIONS[source] : undefined;
  return (
    known ??
    pattern.fail('Regex', `is ${JSON.stringify(source)}; only the expressions of published tokenizers can be used`)
  );
}

/** Characters that BERT writes between spaces. Source: tokenization_bert.py: BasicTokenizer._is_chinese_char. */
const CHINESE =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b820}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

function bertNormalizer(config: Config): Normalize {
  const lower = config.boolean('lowercase', true);
  const steps: Normalize[] = [];
  if (config.boolean('clean_text', true)) {
    steps.push((text) => text.replaceAll(/(?![\t\n\r])[\ufffd\p{C}]/gu, '').replaceAll(/\p{White_Space}/gu, ' '));
  }
  if (config.boolean('handle_chinese_chars', true)) {
    steps.push((text) => text.replaceAll(CHINESE, ' $& '));
  }
  if (config.has('strip_accents') ? config.boolean('strip_accents') : lower) {
    steps.push((text) => text.normalize('NFD').replaceAll(/\p{Mn}/gu, ''));
  }
  if (lower) {
    steps.push((text) => Array.from(text, (c) => c.toLowerCase()).join(''));
  }
  return (text) => steps.reduce((done, step) => step(done), text);
}
