/** Parses the command line and checks all of it before anything runs: citty describes the commands, and an unknown flag is an error. */
import { type ArgsDef, type CommandDef, parseArgs } from 'citty';
import { countKind, type Kind, numberKind } from '../../reno/settings/setting_kinds.ts';
import { UsageError } from '../usage_error.ts';

export type Args = Readonly<Record<string, string | boolean | undefined>>;

/** A command of this tool, with arguments and sub-commands as citty describes them. */
export interface Command {
  readonly meta: { readonly name: string; readonly description: string };
  readonly args?: ArgsDef;
  /** Name and description of the positional arguments, for the help; absent: the command takes none. */
  readonly positionals?: { readonly name: string; readonly description: string };
  readonly subCommands?: Readonly<Record<string, Command>>;
  /** The words that ask for help, where the root command is not started by a plain name; otherwise `--help`. */
  readonly helpFlag?: string;
  /** Flags that change nothing beside others; who gives them is told. */
  readonly useless?: readonly UselessFlag[];
  /** @returns the exit code */
  readonly run?: (args: Args, positionals: readonly string[]) => Promise<number>;
}

/** Flags that have no effect under a condition. */
export interface UselessFlag {
  readonly flags: readonly string[];
  /** The condition in words, the end of "--prompts has no effect …". */
  readonly why: string;
  readonly when: (args: Args) => boolean;
}

interface Parsed {
  readonly command: Command;
  /** The names from the root to the command, such as `reno evaluate pocket`. */
  readonly name: string;
  readonly help: boolean;
  readonly args: Args;
  readonly positionals: readonly string[];
  /** A sentence for each flag that has no effect. */
  readonly useless: readonly string[];
}

/** Finds the command and its arguments. @throws UsageError, one sentence, for an unknown command or flag, or a missing or wrong value */
export function parseCommandLine(root: Command, tokens: readonly string[]): Parsed {
  let command = root;
  let name = root.meta.name;
  let rest = [...tokens];
  for (let word = rest[0]; command.subCommands && word !== undefined && !word.startsWith('-'); word = rest[0]) {
    const next = Object.hasOwn(command.subCommands, word) ? command.subCommands[word] : undefined;
    if (!next) {
      throw new UsageError(`there is no command "${name} ${word}"; ${listCommands(command)}`);
    }
    command = next;
    name = `${name} ${word}`;
    rest = rest.slice(1);
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    return { command, name, help: true, args: {}, positionals: [], useless: [] };
  }
  const definitions = command.args ?? {};
  const { flags, positionals, given } = checkFlags(name, command, rest, root.helpFlag);
  let args: Args;
  try {
    args = parseArgs(flags, definitions) as unknown as Args;
  } catch (error) {
    const text = plain(error instanceof Error ? error.message : String(error));
    throw new UsageError(`${name}: ${text.charAt(0).toLowerCase()}${text.slice(1).replace(/\.$/, '')}`);
  }
  if (!command.run) {
    throw new UsageError(`${name} needs a command; ${listCommands(command)}`);
  }
  return { command, name, help: false, args, positionals, useless: uselessFlags(command, args, given) };
}

function uselessFlags({ useless = [] }: Command, args: Args, given: ReadonlySet<string>): string[] {
  return useless.flatMap(({ flags, why, when }) =>
    flags.filter((flag) => given.has(flag) && when(args)).map((flag) => `--${flag} has no effect ${why}`),
  );
}

const COLOUR = new RegExp(`${String.fromCharCode(27)}\\[\\d*[mK]`, 'g');

/** `text` without a terminal's colours and erasures. */
export function plain(text: string): string {
  return text.replaceAll(COLOUR, '');
}

function listCommands(command: Command): string {
  return `the commands are ${Object.keys(command.subCommands ?? {}).join(', ')}`;
}

/** Flags whose empty value means something: the reference runs the empty prompt. */
const MAY_BE_EMPTY: ReadonlySet<string> = new Set(['prompt']);

/** Separates flags from positional arguments; accepts the reference's spelling (`--n_iters`), and refuses what citty would ignore. */
function checkFlags(
  name: string,
  { args: definitions = {}, positionals: wanted }: Command,
  tokens: readonly string[],
  helpFlag = '--help',
): { flags: string[]; positionals: string[]; given: ReadonlySet<string> } {
  const known = new Map<string, string>();
  for (const [flag, definition] of Object.entries(definitions)) {
    const aliases = 'alias' in definition ? [definition.alias ?? []].flat() : [];
    for (const spelling of [flag, ...aliases]) {
      known.set(spelling, flag);
    }
  }
  const flags: string[] = [];
  const positionals: string[] = [];
  const given = new Set<string>();
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] ?? '';
    const match = /^--?([A-Za-z][^=]*)(=(?:[\s\S]*))?$/.exec(token);
    if (!match && wanted && !token.startsWith('-')) {
      positionals.push(token);
      continue;
    }
    if (!match) {
      throw new UsageError(`${name} takes no argument "${token}"; see ${name} ${helpFlag}`);
    }
    const spelled = match[1]?.replaceAll('_', '-') ?? '';
    const flag = known.get(spelled);
    if (flag === undefined) {
      throw new UsageError(
        `${name} has no flag ${token.split('=')[0]}${suggestion(spelled, [...known.keys()])}; see ${name} ${helpFlag}`,
      );
    }
    if (given.has(flag)) {
      throw new UsageError(`${name}: --${flag} is given twice`);
    }
    given.add(flag);
    const takesValue = definitions[flag]?.type !== 'boolean';
    if (!takesValue) {
      if (match[2] !== undefined) {
        throw new UsageError(`${name}: --${flag} takes no value`);
      }
      flags.push(citty(flag));
      continue;
    }
    const value = match[2]?.slice(1) ?? tokens[++i];
    if (
      value === undefined ||
      (value === '' && !MAY_BE_EMPTY.has(flag)) ||
      (match[2] === undefined && value.startsWith('--'))
    ) {
      throw new UsageError(`${name}: --${flag} needs a value`);
    }
    flags.push(`${citty(flag)}=${value}`);
  }
  return { flags, positionals, given };
}

/** The flag as citty reads it: citty takes `--no-x` for "x is false", so a flag of such a name is passed in camel case. */
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

/** Reads a flag of this kind. @throws UsageError, one sentence that begins with the flag */
export function valueFlag<T>(args: Args, flag: string, kind: Pick<Kind<T>, 'parse'>): T | undefined {
  const text = textFlag(args, flag);
  try {
    return text === undefined ? undefined : kind.parse(text);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(`--${flag} ${error.message}`) : error;
  }
}

/** Reads a flag as a number of at least `low`. @throws UsageError */
export function numberFlag(args: Args, flag: string, low: number): number | undefined {
  return valueFlag(args, flag, numberKind(low));
}

/** Reads a flag as a whole number of at least `low`. @throws UsageError */
export function countFlag(args: Args, flag: string, low: number): number | undefined {
  return valueFlag(args, flag, countKind(low));
}

export function textFlag(args: Args, flag: string): string | undefined {
  const text = args[flag];
  return typeof text === 'string' ? text : undefined;
}

export function isSet(args: Args, flag: string): boolean {
  return args[flag] === true || args[camel(flag)] === true;
}

/** The command as citty describes it, for the usage text. */
export function asCitty(command: Command, name: string): CommandDef {
  return {
    meta: { name, description: command.meta.description },
    args: {
      ...(command.positionals
        ? {
            [command.positionals.name]: {
              type: 'positional',
              description: command.positionals.description,
              required: true,
            },
          }
        : {}),
      ...withShortAliases(command.args ?? {}),
    },
    subCommands: Object.fromEntries(
      Object.entries(command.subCommands ?? {}).map(([key, sub]) => [key, asCitty(sub, key)]),
    ),
  };
}

/** Leaves out aliases of several letters: citty would print them with a single dash. */
function withShortAliases(definitions: ArgsDef): ArgsDef {
  const short = ([flag, { ...definition }]: [string, ArgsDef[string]]): [string, ArgsDef[string]] => {
    if ('alias' in definition) {
      definition.alias = [definition.alias ?? []].flat().filter((alias) => alias.length === 1);
    }
    return [flag, definition];
  };
  return Object.fromEntries(Object.entries(definitions).map(short));
}
