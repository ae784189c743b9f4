/**
 * The normaliser of sentencepiece: a table from short texts to others, made ahead ("precompiled charsmap").
 * Sources: sentencepiece/src/normalizer.cc (the table, a Darts double array, and the longest match); the Rust crate
 * spm_precompiled and tokenizers/src/normalizers/precompiled.rs (matching by grapheme).
 */
import { at } from '../../tensor/types.ts';

/** How the table is used: sentencepiece replaces the longest beginning that the table has, `tokenizers` looks at graphemes. */
export type CharsmapMatching = 'longest' | 'grapheme';

/** The most bytes of a text of the table; the longest of T5's has 33. */
const MOST_BYTES = 255;

/** Graphemes of fewer bytes than this are looked up whole. Source: precompiled.rs. */
const WHOLE_BYTES = 6;

interface Match {
  /** Bytes of the text that the table's entry has. */
  readonly length: number;
  /** Place of the text that stands for it. */
  readonly start: number;
}

/** Returns the number of bytes of a character in UTF-8: 1, 2, 3 or 4. */
function byteLength(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

export class Charsmap {
  readonly #units: Uint32Array;
  readonly #texts: Uint8Array;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();
  readonly #segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

  /** @param base64 `precompiled_charsmap` of tokenizer.json: the size of the double array, the array, the texts, each ending in a zero byte. @throws Error when it is none */
  constructor(base64: string) {
    const bytes = decodeBase64(base64);
    const size = bytes.length >= 4 ? new DataView(bytes.buffer).getUint32(0, true) : 0;
    if (size === 0 || size % 4 !== 0 || 4 + size > bytes.length) {
      throw new Error('precompiled_charsmap is not a table of sentencepiece');
    }
    this.#units = new Uint32Array(bytes.slice(4, 4 + size).buffer);
    this.#texts = bytes.subarray(4 + size);
    for (let start = 0; start < this.#texts.length; ) {
      const end = this.#texts.indexOf(0, start);
      const next = end < 0 ? this.#texts.length : end;
      if (next - start > MOST_BYTES) {
        throw new Error(`precompiled_charsmap has a text of ${next - start} bytes, and at most ${MOST_BYTES} are read`);
      }
      start = next + 1;
    }
  }

  normalize(text: string, matching: CharsmapMatching): string {
    return matching === 'longest' ? this.#longest(text) : this.#byGrapheme(text);
  }

  #longest(text: string): string {
    const bytes = this.#encoder.encode(text);
    let out = '';
    for (let i = 0, byte = 0; i < text.length; ) {
      const found = this.#matches(bytes, byte).at(-1);
      // Without an entry, the character stays as it is.
      const end = byte + (found?.length ?? byteLength(text.slice(i, i + 2)));
      const start = i;
      while (byte < end) {
        const character = String.fromCodePoint(text.codePointAt(i) ?? 0);
        byte += byteLength(character);
        i += character.length;
      }
      out += found ? this.#text(found.start) : text.slice(start, i);
    }
    return out;
  }

  /** As `tokenizers` does it: the entry for the shortest beginning of a short grapheme stands for all of it. */
  #byGrapheme(text: string): string {
    const lookUp = (part: string): string | undefined => {
      const found = this.#matches(this.#encoder.encode(part), 0)[0];
      return found && this.#text(found.start);
    };
    let out = '';
    for (const { segment } of this.#segmenter.segment(text)) {
      const whole = this.#encoder.encode(segment).length < WHOLE_BYTES ? lookUp(segment) : undefined;
      out += whole ?? Array.from(segment, (character) => lookUp(character) ?? character).join('');
    }
    return out;
  }

  /** All beginnings of bytes[start…] that the table has, the shortest first. */
  #matches(bytes: Uint8Array, start: number): Match[] {
    const matches: Match[] = [];
    const unit = (node: number): number => this.#units[node] ?? 0;
    const offset = (value: number): number => (value >>> 10) << ((value & 0x200) >>> 6);
    let node = offset(unit(0));
    for (let i = start; i < bytes.length; i++) {
      const byte = at(bytes, i);
      node ^= byte;
      const value = unit(node);
      // A unit's label is its low byte; the highest bit marks a leaf, which has no label.
      if (byte === 0 || (value & 0x800000ff) >>> 0 !== byte) {
        break;
      }
      node ^= offset(value);
      if ((value & 0x100) !== 0) {
        matches.push({ length: i + 1 - start, start: unit(node) & 0x7fffffff });
      }
    }
    return matches;
  }

  #text(start: number): string {
    const end = this.#texts.indexOf(0, start);
    return this.#decoder.decode(this.#texts.subarray(start, end < 0 ? this.#texts.length : end));
  }
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  } catch {
    throw new Error('precompiled_charsmap is not base64');
  }
}
