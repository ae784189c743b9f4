/** The one way out for words: what the command line prints passes through here, whoever wrote it. */
import { reasonOf, systemCode } from '../platform/node/errors.ts';
import { EXIT } from './exit_codes.ts';
import { UsageError } from './usage_error.ts';

/** Where a bug is reported. */
const REPORT = 'please report it, with this command line and what DEBUG=reno prints beside it';

/** The most characters of a line; longer ones come from hostile files. */
const LINE = 4000;
/** The most characters of an error's sentence. */
const SENTENCE = 1000;

/** Controls, and characters that change the order or the place of others. Line feeds and tabs stay. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a terminal must not get.
const UNSEEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Cs}/gu;

/** Returns the text with unseen characters as JSON writes them, such as \u001b, so that a line of JSON stays one. */
function escaped(text: string): string {
  return text.replaceAll(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Cuts out the middle of a long text: the reason often stands at its end. */
function bounded(text: string, most: number): string {
  const half = most / 2;
  return text.length <= most
    ? text
    : `${text.slice(0, half)} … ${text.length - most} characters … ${text.slice(-half)}`;
}

/** Returns text for people: unseen characters as escapes, lines of bounded length. */
function shown(text: string): string {
  return text
    .split('\n')
    .map((line) => escaped(bounded(line, LINE)))
    .join('\n');
}

type Print = (...words: unknown[]) => void;

/** The console's own function while it is guarded. */
let plainLog: Print | null = null;

/** Until it is disposed, everything that is printed through `console` is text for people. */
export function guardConsole(): Disposable {
  const { log, error, warn } = console;
  const before = plainLog;
  const guarded =
    (print: Print): Print =>
    (...words) =>
      print(...words.map((word) => (typeof word === 'string' ? shown(word) : word)));
  plainLog = log;
  Object.assign(console, { log: guarded(log), error: guarded(error), warn: guarded(warn) });
  return {
    [Symbol.dispose]() {
      plainLog = before;
      Object.assign(console, { log, error, warn });
    },
  };
}

/** Prints text of this program as it is, with a terminal's colours. */
export function printUsage(text: string): void {
  (plainLog ?? console.log)(text);
}

/** Prints one line of JSON, whole. */
export function printJsonLine(value: unknown): void {
  (plainLog ?? console.log)(escaped(JSON.stringify(value)));
}

/** The sentence and the exit code of a failure. */
export interface Problem {
  /** One sentence, on one line. */
  readonly sentence: string;
  /** One of EXIT. */
  readonly code: number;
}

/** Errors that the language throws where a program is wrong. This project's own are of class Error, or of a class derived from it here. */
const BUGS: ReadonlySet<string> = new Set([
  'TypeError',
  'RangeError',
  'ReferenceError',
  'SyntaxError',
  'EvalError',
  'URIError',
  'AssertionError',
]);

/** Returns the problem that something thrown stands for. */
export function problemOf(thrown: unknown): Problem {
  if (isBug(thrown)) {
    const { name, message } = thrown instanceof Error ? thrown : { name: 'a value', message: String(thrown) };
    return { sentence: `this is a bug of reno (${oneLine(`${name}: ${message}`)}); ${REPORT}`, code: EXIT.internal };
  }
  const code = thrown instanceof UsageError ? EXIT.usage : EXIT.failed;
  return { sentence: oneLine(systemSentence(thrown) ?? (thrown instanceof Error ? thrown.message : '')), code };
}

function isBug(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) {
    return true;
  }
  const isSystems = systemCode(thrown) !== undefined && 'syscall' in thrown;
  return (
    !isSystems &&
    (thrown.message === '' || BUGS.has(thrown.name) || (thrown.cause !== undefined && isBug(thrown.cause)))
  );
}

/** The sentence of an error of the operating system that names a path or an address; undefined for others. */
function systemSentence(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || systemCode(thrown) === undefined || !('syscall' in thrown)) {
    return undefined;
  }
  const path = 'path' in thrown && typeof thrown.path === 'string' ? thrown.path : undefined;
  return path === undefined ? reasonOf(thrown) : `${path}: ${reasonOf(thrown)}`;
}

function oneLine(text: string): string {
  return bounded(escaped(text.trim()).replaceAll(/\s*\n\s*/g, ' '), SENTENCE);
}
