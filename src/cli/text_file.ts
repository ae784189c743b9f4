/** Reads text files that people write with other programs: UTF-8 or UTF-16, with or without a byte order mark. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { reasonOf } from './usage_error.ts';

/** The largest text file that is read; the largest published list of prompts has 0.5 MiB. */
const LARGEST_BYTES = 8 * 2 ** 20;

/**
 * Returns the text of a file without its byte order mark. @param what the file's role in messages, such as "the list of prompts"
 * @throws Error, one sentence: no regular file, too large, empty, or in another encoding than UTF-8 or marked UTF-16
 */
export function readTextFile(what: string, path: string): string {
  const text = decodeText(`${what} ${path}`, readBytes(what, path));
  if (text.trim() === '') {
    throw new Error(`${what} ${path} is empty`);
  }
  return text;
}

function readBytes(what: string, path: string): Uint8Array {
  let file: number;
  try {
    // Without O_NONBLOCK, opening a FIFO waits for its writer.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    throw new Error(`cannot read ${what} ${path}: ${reasonOf(error)}`);
  }
  try {
    const found = fstatSync(file);
    if (!found.isFile()) {
      const kind = found.isDirectory() ? 'a folder' : 'a pipe or a device';
      throw new Error(`cannot read ${what} ${path}: it is ${kind}, not a file`);
    }
    if (found.size > LARGEST_BYTES) {
      throw new Error(`cannot read ${what} ${path}: it has ${found.size} bytes, and at most ${LARGEST_BYTES} are read`);
    }
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Returns bytes as text: UTF-16 where they begin with its byte order mark, otherwise UTF-8. The mark itself is left out.
 * @param name the file, for messages. @throws Error naming the file, and the line of the first byte that is not UTF-8
 */
function decodeText(name: string, bytes: Uint8Array): string {
  const [first, second] = bytes;
  const utf16 = first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : null;
  if (utf16) {
    try {
      return new TextDecoder(utf16, { fatal: true }).decode(bytes);
    } catch {
      throw new Error(`${name} begins as UTF-16 but is not valid UTF-16; save it as UTF-8`);
    }
  }
  const zero = bytes.indexOf(0);
  if (zero >= 0) {
    throw new Error(
      `${name} is not text in UTF-8 (byte ${zero} is 0, as in UTF-16 without its mark); save it as UTF-8`,
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Error(`${name} is not UTF-8 (line ${brokenLine(bytes)} is not); save it as UTF-8`);
  }
}

/** Returns the number of the first line that is not UTF-8, from 1. */
function brokenLine(bytes: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start);
    const next = end < 0 ? bytes.length : end + 1;
    try {
      decoder.decode(bytes.subarray(start, next));
    } catch {
      return line;
    }
    start = next;
  }
  return line;
}
