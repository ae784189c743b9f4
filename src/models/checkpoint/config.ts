/** Reads values of a checkpoint's config.json and checks them. Each error is one sentence that names the file and the key. */
import { printable, shown } from './messages.ts';

/** The least and the greatest value that a number may have. */
export type Range = readonly [least: number, most: number];

const ANY: Range = [-Number.MAX_VALUE, Number.MAX_VALUE];

/** The greatest count by default. No size of a public model is larger. */
const MOST = 2 ** 20;

/** The greatest number of layers, blocks or steps of a schedule's kind: each becomes work, so a count out of a broken file must not. */
export const MOST_LAYERS = 1000;

/** The most entries that a list has by default. */
const MOST_ENTRIES = 64;

/** The range of a norm's eps. */
export const EPS_RANGE: Range = [0, 1];

/**
 * Keys that a reader does not ask for. Each is inert: it changes nothing that is computed here, for the reason that stands beside
 * the list.
 */
export type InertKeys = ReadonlySet<string>;

/** Returns the union of lists of keys. */
export function inertKeys(...lists: readonly (readonly string[])[]): InertKeys {
  return new Set(lists.flat());
}

/**
 * A JSON object of a model folder, such as config.json. Each error is one sentence that names the file and the key.
 * The object remembers the keys that it was asked for, and `assertAllKnown` refuses the others: nothing is ignored in silence.
 */
export class Config {
  /** The file's path, for messages. */
  readonly file: string;
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #asked = new Set<string>();
  readonly #warn: ((sentence: string) => void) | undefined;

  /**
   * @param file the config's path, for messages
   * @param warn receives a sentence about a harmless difference. Default: nobody is told
   * @throws Error when `values` is not a JSON object
   */
  constructor(file: string, values: unknown, warn?: (sentence: string) => void) {
    if (typeof values !== 'object' || values === null || Array.isArray(values)) {
      throw new Error(`${file}: must be a JSON object`);
    }
    this.file = file;
    this.#values = values as Record<string, unknown>;
    this.#warn = warn;
  }

  /** Returns the keys of the file that nobody has asked for yet, with their values. */
  unasked(): readonly (readonly [key: string, value: unknown])[] {
    return Object.entries(this.#values).filter(([key]) => !this.#asked.has(key));
  }

  /** Returns whether the key has a value. Null counts as absent: diffusers writes null for "not set". */
  has(key: string): boolean {
    return this.value(key) !== undefined;
  }

  /** Returns the keys of the file. */
  keys(): string[] {
    return Object.keys(this.#values);
  }

  /** Returns whether the file says null, which for a few keys means "none" rather than the default. */
  isNull(key: string): boolean {
    return this.#at(key) === null;
  }

  /** Returns the unchecked value; undefined where it is absent or null. */
  value(key: string): unknown {
    return this.#at(key) ?? undefined;
  }

  /**
   * Returns a number in `range`. In this and the next methods, `absent` is the value for an absent key; without it the key is
   * required. Null is an error where the key has a default other than null (see `has`).
   */
  number(key: string, absent?: number, range: Range = ANY): number {
    const kind = range === ANY ? 'a finite number' : `a number from ${range[0]} to ${range[1]}`;
    return this.#read(key, kind, absent, (v) => (typeof v === 'number' && within(v, range) ? v : null));
  }

  /** Returns a whole number in `range`. */
  whole(key: string, absent: number | undefined, range: Range): number {
    const kind = `a whole number from ${range[0]} to ${range[1]}`;
    return this.#read(key, kind, absent, (v) =>
      Number.isSafeInteger(v) && within(v as number, range) ? (v as number) : null,
    );
  }

  /** Returns a positive integer of at most `most`. */
  count(key: string, absent?: number, most = MOST): number {
    return this.#read(key, `a positive integer of at most ${most}`, absent, (v) => (isCount(v, most) ? v : null));
  }

  /** Returns true or false. */
  boolean(key: string, absent?: boolean): boolean {
    return this.#read(key, 'true or false', absent, (v) => (typeof v === 'boolean' ? v : null));
  }

  /** Returns a string. */
  string(key: string, absent?: string): string {
    return this.#read(key, 'a string', absent, (v) => (typeof v === 'string' ? v : null));
  }

  /** Returns one of `choices`: the values that this engine supports. */
  oneOf<const T extends string>(key: string, choices: readonly T[], absent?: T): T {
    const known = (v: unknown): T | null => choices.find((c) => c === v) ?? null;
    return this.#read(key, `one of ${choices.map((c) => `"${c}"`).join(', ')}`, absent, known);
  }

  /** Returns a non-empty list of positive integers of at most `most`. */
  counts(key: string, absent?: readonly number[], most = MOST): readonly number[] {
    const list = (v: unknown): number[] | null => (isList(v) && v.every((n) => isCount(n, most)) ? v : null);
    return this.#read(key, `a list of positive integers of at most ${most}`, absent, list);
  }

  /** Returns one positive integer for each of `n` blocks. The file may have a single number for all of them. */
  countsEach(key: string, n: number, absent?: number, most = MOST): readonly number[] {
    const value = this.#at(key) === undefined ? absent : this.#at(key);
    if (isCount(value, most)) {
      return new Array<number>(n).fill(value);
    }
    const list = this.counts(key, undefined, most);
    if (list.length !== n) {
      this.fail(key, `must have ${n} entries, one for each block, but has ${list.length}`);
    }
    return list;
  }

  /** Returns two positive integers. The file may have a single number for both. */
  countPair(key: string, absent?: number, most = MOST): readonly [number, number] {
    return this.#read<readonly [number, number]>(
      key,
      `a positive integer of at most ${most}, or two`,
      absent === undefined ? undefined : [absent, absent],
      (v) => {
        const [first, second, ...rest]: unknown[] = Array.isArray(v) ? v : [v, v];
        return isCount(first, most) && isCount(second, most) && rest.length === 0 ? [first, second] : null;
      },
    );
  }

  /** Returns a non-empty list of strings. */
  strings(key: string, absent?: readonly string[]): readonly string[] {
    const list = (v: unknown): string[] | null => (isList(v) && v.every((s) => typeof s === 'string') ? v : null);
    return this.#read(key, 'a list of strings', absent, list);
  }

  /** Refuses settings that nothing here implements. @param allowed for each key the values that it may have besides absence */
  allowOnly(allowed: Readonly<Record<string, readonly unknown[]>>): void {
    for (const [key, values] of Object.entries(allowed)) {
      const value = this.value(key);
      if (value !== undefined && !values.includes(value)) {
        const supported = values.map((v) => JSON.stringify(v)).join(' or ') || 'null';
        this.fail(key, `is ${shown(value)}, which is not supported yet (only ${supported} is)`);
      }
    }
  }

  /**
   * Refuses every key that nobody asked for and that is not inert: it may change the result, and a run must not leave it out in
   * silence. An unknown key that says "nothing" (null, false, "", [] or {}) is inert, and one that begins with "_" is only
   * warned about: libraries keep notes there.
   */
  assertAllKnown(inert: InertKeys): void {
    for (const [key, value] of this.unasked()) {
      if (inert.has(key) || saysNothing(value)) {
        continue;
      }
      if (!key.startsWith('_')) {
        this.fail(
          printable(key),
          `is ${shown(value)}: this key is not known here, and it may change the result; remove it if it does not`,
        );
      }
      this.warn(`${printable(key)} is ${shown(value)}: this key is not known here, and it is left out`);
    }
  }

  /** Tells of a harmless difference. @param sentence begins with the key */
  warn(sentence: string): void {
    this.#warn?.(`${this.file}: ${sentence}`);
  }

  /** Returns a nested object, such as `vision_config`. */
  section(key: string): Config {
    return new Config(`${this.file} (${key})`, this.value(key), this.#warn);
  }

  /** @throws Error `<file>: <key> <what>` */
  fail(key: string, what: string): never {
    throw new Error(`${this.file}: ${key} ${what}`);
  }

  #at(key: string): unknown {
    this.#asked.add(key);
    return Object.hasOwn(this.#values, key) ? this.#values[key] : undefined;
  }

  #read<T>(key: string, kind: string, absent: T | undefined, parse: (value: unknown) => T | null): T {
    const value = this.#at(key);
    if (value === undefined || (value === null && absent === undefined)) {
      return absent ?? this.fail(key, `is missing (it must be ${kind})`);
    }
    return parse(value) ?? this.fail(key, `must be ${kind}, but is ${shown(value)}`);
  }
}

function isCount(value: unknown, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= most;
}

function within(value: number, [least, most]: Range): boolean {
  return value >= least && value <= most;
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length > 0 && value.length <= MOST_ENTRIES;
}

function saysNothing(value: unknown): boolean {
  const empty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  return value === null || value === false || value === '' || empty;
}
