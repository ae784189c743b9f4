/** HTML's character references as Python reads them. Source: Python 3: html/__init__.py: unescape. */
import { ENTITIES, OLD_ENTITIES } from './tables.ts';

/** Reads a table of pairs, `name text name text …`. */
export function pairs(table: string): ReadonlyMap<string, string> {
  const parts = table.split(' ');
  return new Map(Array.from({ length: parts.length / 2 }, (_, i) => [parts[2 * i] ?? '', parts[2 * i + 1] ?? '']));
}

const entities = pairs(ENTITIES);

/** Text by name, such as `amp;`. A few old names, such as `amp`, need no semicolon. */
export const HTML5: ReadonlyMap<string, string> = new Map([
  ...[...entities].map(([name, text]): [string, string] => [`${name};`, text]),
  ...OLD_ENTITIES.split(' ').map((name): [string, string] => [name, entities.get(name) ?? '']),
]);

/** Windows-1252's characters, which the numbers 0x80 to 0x9f stand for. */
const WINDOWS =
  '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f' +
  '\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178';

/** Replaces every reference, also those without a semicolon where the name needs none. */
export function unescapeHtml(text: string): string {
  return text.replaceAll(/&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu, (_, name: string) => {
    if (name.startsWith('#')) {
      const digits = name.slice(1).replace(/;$/, '');
      return numbered(/^[xX]/.test(digits) ? Number.parseInt(digits.slice(1), 16) : Number.parseInt(digits, 10));
    }
    return HTML5.get(name) ?? longestName(name) ?? `&${name}`;
  });
}

/** The name's longest beginning that is a name itself, as text, with the rest of the name. */
function longestName(name: string): string | undefined {
  for (let end = name.length - 1; end > 1; end--) {
    const text = HTML5.get(name.slice(0, end));
    if (text !== undefined) {
      return text + name.slice(end);
    }
  }
  return undefined;
}

function numbered(code: number): string {
  if (code >= 0x80 && code <= 0x9f) {
    return WINDOWS.charAt(code - 0x80);
  }
  if (code === 0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) {
    return '\ufffd';
  }
  const control = code < 0x20 && ![0x09, 0x0a, 0x0c, 0x0d].includes(code);
  const noncharacter = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
  return control || code === 0x7f || noncharacter ? '' : String.fromCodePoint(code);
}
