/** Names of files from prompts, which every common file system takes. */

/** Most bytes of a name on Linux and macOS; Windows counts 255 UTF-16 units, which are never more. */
const LONGEST = 255;

/** Names of devices, which Windows takes for no file, with any ending. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])[ ]*(?=\.|$)/i;

/** Characters that Windows or another system forbids in a name, control characters included. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are among those that are forbidden.
const FORBIDDEN = /[/\\:*?<>|\x00-\x1f\x7f]/g;

/**
 * Returns `before`, the prompt and `after` as one file name: at most 255 bytes of UTF-8 (the prompt is cut), valid on Windows
 * too. Forbidden characters become "-" and not "_", because T2I-CompBench's tools take the prompt from the name up to the first "_".
 */
export function fileName(before: string, prompt: string, after: string): string {
  const valid = wellFormed(prompt).replaceAll('"', "'").replaceAll(FORBIDDEN, '-');
  let room = LONGEST - size(before) - size(after);
  let kept = '';
  for (const character of valid) {
    room -= size(character);
    if (room < 0) {
      break;
    }
    kept += character;
  }
  const name = `${before}${kept}${after}`.replace(/[. ]+$/, (end) => '-'.repeat(end.length));
  return name.replace(DEVICE, (device) => `${device.slice(0, -1)}-`);
}

/** Returns the bytes of a text in UTF-8. */
function size(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

/** Half a surrogate pair has no bytes in UTF-8, so it becomes U+FFFD. */
function wellFormed(text: string): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text));
}
