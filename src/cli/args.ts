/** The command line, checked before anything runs: citty describes the commands, and nothing unknown passes. */
import { type ArgsDef, type CommandDef, parseArgs } from 'citty';
import { UsageError } from './errors.ts';

export type Args = Readonly<Record<string, string | boolean | undefined>>;

/** A command of this tool: citty's description, with arguments and sub-commands given outright. */
export interface Command {
  readonly meta: { readonly name: string; readonly description: string };
  readonly args?: ArgsDef;
  /** What stands without a flag, where the command takes such words: their name and description, for its help. */
  readonly words?: { readonly name: string; readonly description: string };
  readonly subCommands?: Readonly<Record<string, Command>>;
  /** @returns the exit code */
  readonly run?: (args: Args, words: readonly string[]) => Promise<number>;
}

export interface Parsed {
  readonly command: Command;
  /** Names from the root to the command, such as `reno evaluate pocket`. */
  readonly name: string;
  readonly help: boolean;
  readonly args: Args;
  readonly words: readonly string[];
}

/** @throws UsageError, one sentence, for an unknown command or flag, a missing value or a value that is not offered */
export function parseCommandLine(root: Command, tokens: readonly string[]): Parsed {
  let command = root;
  let name = root.meta.name;
  let rest = [...tokens];
  for (let word = rest[0]; command.subCommands && word !== undefined && !word.startsWith('-'); word = rest[0]) {
    const next = command.subCommands[word];
    if (!next) {
      throw new UsageError(`there is no command "${name} ${word}"; ${listCommands(command)}`);
    }
    command = next;
    name = `${name} ${word}`;
    rest = rest.slice(1);
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    return { command, name, help: true, args: {}, words: [] };
  }
  const definitions = command.args ?? {};
  const { flags: checked, words } = checkFlags(name, command, rest);
  let args: Args;
  try {
    args = parseArgs(checked, definitions) as unknown as Args;
  } catch (error) {
    const text = plain(error instanceof Error ? error.message : String(error));
    throw new UsageError(`${name}: ${text.charAt(0).toLowerCase()}${text.slice(1).replace(/\.$/, '')}`);
  }
  if (!command.run) {
    throw new UsageError(`${name} needs a command; ${listCommands(command)}`);
  }
  return { command, name, help: false, args, words };
}

const COLOUR = new RegExp(`${String.fromCharCode(27)}\\[\\d*[mK]`, 'g');

/** `text` without a terminal's colours and erasures. */
export function plain(text: string): string {
  return text.replaceAll(COLOUR, '');
}

function listCommands(command: Command): string {
  return `the commands are ${Object.keys(command.subCommands ?? {}).join(', ')}`;
}

/** Accepts the reference's spelling (`--n_iters`) beside ours, and refuses what citty would swallow silently. */
function checkFlags(
  name: string,
  { args: definitions = {}, words: wanted }: Command,
  tokens: readonly string[],
): { flags: string[]; words: string[] } {
  const known = new Map<string, string>();
  for (const [flag, definition] of Object.entries(definitions)) {
    const aliases = 'alias' in definition ? [definition.alias ?? []].flat() : [];
    for (const spelling of [flag, ...aliases]) {
      known.set(spelling, flag);
    }
  }
  const out: string[] = [];
  const words: string[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] ?? '';
    const match = /^--?([A-Za-z][^=]*)(=(?:[\s\S]*))?$/.exec(token);
    if (!match && wanted && !token.startsWith('-')) {
      words.push(token);
      continue;
    }
    if (!match) {
      throw new UsageError(`${name} takes no argument "${token}"; see ${name} --help`);
    }
    const spelled = match[1]?.replaceAll('_', '-') ?? '';
    const flag = known.get(spelled);
    if (flag === undefined) {
      throw new UsageError(
        `${name} has no flag ${token.split('=')[0]}${suggestion(spelled, [...known.keys()])}; see ${name} --help`,
      );
    }
    const takesValue = definitions[flag]?.type !== 'boolean';
    if (!takesValue) {
      if (match[2] !== undefined) {
        throw new UsageError(`${name}: --${flag} takes no value`);
      }
      out.push(citty(flag));
      continue;
    }
    const value = match[2]?.slice(1) ?? tokens[++i];
    if (value === undefined || value === '' || (match[2] === undefined && value.startsWith('--'))) {
      throw new UsageError(`${name}: --${flag} needs a value`);
    }
    out.push(`${citty(flag)}=${value}`);
  }
  return { flags: out, words };
}

/** citty takes `--no-x` for "x is false", so a flag of that name travels in camel case. */
function citty(flag: string): string {
  return `--${flag.startsWith('no-') ? camel(flag) : flag}`;
}

function camel(flag: string): string {
  return flag.replaceAll(/-([a-z])/g, (_, c: string) => c.toUpperCase());
}

function suggestion(flag: string, known: readonly string[]): string {
  const near = known.filter(
    (k) => k.length > 1 && (k.startsWith(flag) || flag.startsWith(k) || distance(k, flag) <= 2),
  );
  return near.length > 0 ? ` (did you mean --${near[0]}?)` : '';
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** Reads a flag as a number in [low, high]. @throws UsageError */
export function numberFlag(args: Args, flag: string, low: number, high = Infinity): number | undefined {
  const text = args[flag];
  if (typeof text !== 'string') {
    return undefined;
  }
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < low || value > high) {
    const range = high === Infinity ? `of at least ${low}` : `from ${low} to ${high}`;
    throw new UsageError(`--${flag} must be a number ${range}, not "${text}"`);
  }
  return value;
}

/** Reads a flag as a whole number of at least `low`. @throws UsageError */
export function countFlag(args: Args, flag: string, low: number): number | undefined {
  const value = numberFlag(args, flag, low);
  if (value !== undefined && !Number.isSafeInteger(value)) {
    throw new UsageError(`--${flag} must be a whole number, not "${args[flag]}"`);
  }
  return value;
}

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** Reads a flag as a number of bytes, such as `8GiB` or `900MB`. @throws UsageError */
export function bytesFlag(args: Args, flag: string): number | undefined {
  const text = args[flag];
  if (typeof text !== 'string') {
    return undefined;
  }
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmg]?i?b)$/i.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(number) * (UNITS[unit.toLowerCase()] ?? 0));
  if (bytes === 0) {
    throw new UsageError(`--${flag} must be a size with its unit, such as 8GiB or 900MB, not "${text}"`);
  }
  return bytes;
}

export function textFlag(args: Args, flag: string): string | undefined {
  const text = args[flag];
  return typeof text === 'string' ? text : undefined;
}

export function isSet(args: Args, flag: string): boolean {
  return args[flag] === true || args[camel(flag)] === true;
}

/** The command as citty knows it, for its usage text. */
export function asCitty(command: Command, name: string): CommandDef {
  return {
    meta: { name, description: command.meta.description },
    args: {
      ...(command.words
        ? { [command.words.name]: { type: 'positional', description: command.words.description, required: true } }
        : {}),
      ...shown(command.args ?? {}),
    },
    subCommands: Object.fromEntries(
      Object.entries(command.subCommands ?? {}).map(([key, sub]) => [key, asCitty(sub, key)]),
    ),
  };
}

/** Only one-letter aliases: citty would print longer ones with a single dash. */
function shown(definitions: ArgsDef): ArgsDef {
  const short = ([flag, { ...definition }]: [string, ArgsDef[string]]): [string, ArgsDef[string]] => {
    if ('alias' in definition) {
      definition.alias = [definition.alias ?? []].flat().filter((alias) => alias.length === 1);
    }
    return [flag, definition];
  };
  return Object.fromEntries(Object.entries(definitions).map(short));
}
