/**
 * Cleans a prompt as the reference's tokenizers do: `ftfy.fix_text` and white space, for open_clip also HTML's references.
 * Sources: ftfy 6.3: ftfy/__init__.py: fix_text; transformers 4: models/clip/tokenization_clip.py; open_clip: tokenizer.py.
 *
 * Not here: ftfy's limit of a million characters for a line, and the cleaning of transformers where ftfy is not installed (the
 * reference's packages install it). Normal forms, widths and lower case are those of the engine's Unicode version, not of Python's.
 * NOTICE.md names ftfy's licence.
 */
import { HTML5, pairs, unescapeHtml } from './html_unescape.ts';
import { fixC1Controls, fixEncoding } from './mojibake.ts';
import { LIGATURES } from './tables.ts';

const ligatures = pairs(LIGATURES);
const LIGATURE = new RegExp(`[${[...ligatures.keys()].join('')}]`, 'g');

/** White space of Python's `\s` and `str.split`. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python counts four controls as white space.
const SPACES = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: ESC begins a terminal's sequence.
const TERMINAL = /\x1b\[[\p{Nd};]*[a-zA-Z]/gu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these controls are removed.
const CONTROLS = /[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g;

/** The clean-up of transformers' slow CLIPTokenizer, which the reference's generators use: in lower case, single spaces. */
export function cleanClipText(text: string): string {
  return spaced(fixText(text)).toLowerCase();
}

/** The clean-up of open_clip's tokenizer, which HPSv2 uses: references are read twice. */
export function cleanOpenClipText(text: string): string {
  return spaced(unescapeHtml(unescapeHtml(fixText(text)))).toLowerCase();
}

function spaced(text: string): string {
  return text.replaceAll(SPACES, ' ').replace(/^ | $/g, '');
}

/** ftfy.fix_text: line by line. From the first line with "<" on, which may be HTML, references stay. */
function fixText(text: string): string {
  let references = true;
  return text
    .split(/(?<=\n)/)
    .map((line) => {
      references &&= !line.includes('<');
      return fixLine(line, references);
    })
    .join('');
}

function fixLine(line: string, references: boolean): string {
  for (let text = line; ; ) {
    const before = text;
    text = fixC1Controls(fixEncoding(references ? unescapeWhole(text) : text))
      .replaceAll(LIGATURE, (c) => ligatures.get(c) ?? c)
      .replaceAll(/[\uff01-\uffef]/g, (c) => c.normalize('NFKC'))
      .replaceAll('\u3000', ' ')
      .replaceAll(/[\u201c-\u201f]/g, '"')
      .replaceAll(/[\u02bc\u2018-\u201b]/g, "'")
      .replaceAll(/\r\n|[\r\u2028\u2029\x85]/g, '\n')
      .replaceAll(/\p{Cs}/gu, '\ufffd')
      .replaceAll(TERMINAL, '')
      .replaceAll(CONTROLS, '')
      .normalize('NFC');
    if (text === before) {
      return text;
    }
  }
}

/** ftfy/fixes.py: unescape_html: only references with their semicolon, but also names in capitals, such as `&EACUTE;`. */
function unescapeWhole(text: string): string {
  return text.replaceAll(/&#?[0-9A-Za-z]{1,24};/g, (reference) => {
    const name = reference.slice(1);
    if (!name.startsWith('#')) {
      return HTML5.get(name) ?? upperEntity(name) ?? reference;
    }
    const read = unescapeHtml(reference);
    return read.includes(';') ? reference : read;
  });
}

/** ftfy/chardata.py: _build_html_entities: the letter in capitals, where HTML does not know the name in capitals. */
function upperEntity(name: string): string | undefined {
  const lower = name === name.toUpperCase() ? HTML5.get(name.toLowerCase()) : undefined;
  return unescapeHtml(`&${name}`) === `&${name}` ? lower?.toUpperCase() : undefined;
}
