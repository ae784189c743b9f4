/**
 * Repairs text that was UTF-8 and was read in a single-byte encoding.
 * Source: ftfy 6.3: ftfy/__init__.py: fix_encoding; ftfy/fixes.py; ftfy/bad_codecs.
 */
import { BADNESS, CHARMAPS, UTF8_DETECTOR } from './tables.ts';

const BAD = new RegExp(BADNESS, 'u');
const DETECTOR = new RegExp(UTF8_DETECTOR, 'gu');
const C1 = /[\x80-\x9f]/g;

/** A single-byte encoding: its bytes by character. Byte 0x1a of a sloppy one stands for U+FFFD, a byte that was lost. */
interface Charmap {
  readonly name: string;
  readonly sloppy: boolean;
  readonly bytes: ReadonlyMap<string, number>;
}

const charmaps: readonly Charmap[] = CHARMAPS.map(([name, upper]) => {
  const sloppy = name.startsWith('sloppy');
  const ascii = Array.from({ length: 0x80 }, (_, byte): [string, number] => [
    sloppy && byte === 0x1a ? '\ufffd' : String.fromCharCode(byte),
    byte,
  ]);
  return { name, sloppy, bytes: new Map([...ascii, ...[...upper].map((c, i): [string, number] => [c, 0x80 + i])]) };
});

const windows1252 = CHARMAPS.find(([name]) => name === 'sloppy-windows-1252')?.[1] ?? '';

/** Repairs until nothing changes any more. */
export function fixEncoding(text: string): string {
  for (let before = text; ; before = text) {
    text = fixOnce(text);
    if (text === before) {
      return text;
    }
  }
}

function fixOnce(text: string): string {
  if (!BAD.test(text)) {
    return text;
  }
  // 1. All of it is UTF-8 that was read in one encoding.
  for (const charmap of charmaps) {
    const bytes = encoded(text, charmap);
    const decoded = bytes === null ? null : decodeUtf8(restored(bytes, charmap));
    if (decoded !== null) {
      return decoded;
    }
  }
  // 2. A part of it is.
  const inner = text.replaceAll(DETECTOR, (part) =>
    part.length < text.length && BAD.test(part) ? fixEncoding(part) : part,
  );
  // 3. Latin-1 was meant to be Windows-1252.
  return inner === text ? fixC1Controls(text) : inner;
}

/** Reads C1 controls as Windows-1252, as browsers do. */
export function fixC1Controls(text: string): string {
  return text.replaceAll(C1, (c) => windows1252.charAt(c.charCodeAt(0) - 0x80));
}

/** Returns the bytes as a string of characters up to U+00FF, or null where a character has no byte. */
function encoded(text: string, { bytes }: Charmap): string | null {
  let out = '';
  for (const c of text) {
    const byte = bytes.get(c);
    if (byte === undefined) {
      return null;
    }
    out += String.fromCharCode(byte);
  }
  return out;
}

/** The word `à` keeps its space; `às`, `àquele`, `àquela` and `àquilo` are Portuguese. */
const A_GRAVE_WORD = /\xc3 (?! |quele|quela|quilo|s )/g;

/** UTF-8 in which a space stands for byte 0xa0. */
const ALTERED =
  /[\xc2\xc3\xc5\xce\xd0\xd9][ ]|[\xe2\xe3][ ][\x80-\x84\x86-\x9f\xa1-\xbf]|[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf][ ]|[\xf0][ ][\x80-\xbf][\x80-\xbf]|[\xf0][\x80-\xbf][ ][\x80-\xbf]|[\xf0][\x80-\xbf][\x80-\xbf][ ]/g;

/** UTF-8 and CESU-8 in which bytes were lost. */
const LOSSY =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: byte 0x1a stands for a lost byte.
  /[\xc2-\xdf][\x1a]|[\xc2-\xc3][?]|\xed[\xa0-\xaf][\x1a?]\xed[\xb0-\xbf][\x1a?\x80-\xbf]|\xed[\xa0-\xaf][\x1a?\x80-\xbf]\xed[\xb0-\xbf][\x1a?]|[\xe0-\xef][\x1a?][\x1a\x80-\xbf]|[\xe0-\xef][\x1a\x80-\xbf][\x1a?]|[\xf0-\xf4][\x1a?][\x1a\x80-\xbf][\x1a\x80-\xbf]|[\xf0-\xf4][\x1a\x80-\xbf][\x1a?][\x1a\x80-\xbf]|[\xf0-\xf4][\x1a\x80-\xbf][\x1a\x80-\xbf][\x1a?]|\x1a/g;

/** Puts back bytes that became spaces, and U+FFFD for characters of which a byte was lost. */
function restored(bytes: string, { name, sloppy }: Charmap): string {
  let out = bytes;
  // In MacRoman this would match an en dash before a space.
  if (name !== 'macroman' && out.search(ALTERED) >= 0) {
    out = out.replaceAll(A_GRAVE_WORD, '\xc3\xa0 ').replaceAll(ALTERED, (part) => part.replaceAll(' ', '\xa0'));
  }
  return sloppy ? out.replaceAll(LOSSY, '\xef\xbf\xbd') : out;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes UTF-8, with Java's two bytes for U+0000 and pairs of surrogates (CESU-8). Null where it is none. */
function decodeUtf8(bytes: string): string | null {
  const plain = bytes
    .replaceAll('\xc0\x80', '\0')
    .replaceAll(/\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]/g, (six) => {
      const bits = (i: number, mask: number): number => six.charCodeAt(i) & mask;
      const code = (bits(1, 0x0f) << 16) + (bits(2, 0x3f) << 10) + (bits(4, 0x0f) << 6) + bits(5, 0x3f) + 0x10000;
      return String.fromCharCode(...new TextEncoder().encode(String.fromCodePoint(code)));
    });
  try {
    return utf8.decode(Uint8Array.from(plain, (c) => c.charCodeAt(0)));
  } catch {
    return null;
  }
}
