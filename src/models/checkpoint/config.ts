/** Reads values of a checkpoint's config.json and checks them. Each error is one sentence that names the file and the key. */
import type { ModelFiles } from './files.ts';
import { parseJson } from './json.ts';

/** A JSON object of a model folder, such as config.json. Each error is one sentence that names the file and the key. */
export class Config {
  /** The file's path, for messages. */
  readonly file: string;
  readonly #values: Readonly<Record<string, unknown>>;

  /** @param file the config's path, for messages @throws Error when `values` is not a JSON object */
  constructor(file: string, values: unknown) {
    if (typeof values !== 'object' || values === null || Array.isArray(values)) {
      throw new Error(`${file}: must be a JSON object`);
    }
    this.file = file;
    this.#values = values as Record<string, unknown>;
  }

  /** Returns whether the key has a value. Null counts as absent: diffusers writes null for "not set". */
  has(key: string): boolean {
    return this.#values[key] !== undefined && this.#values[key] !== null;
  }

  /** Returns the keys of the file. */
  keys(): string[] {
    return Object.keys(this.#values);
  }

  /** Returns whether the file says null, which for a few keys means "none" rather than the default. */
  isNull(key: string): boolean {
    return this.#values[key] === null;
  }

  /** Returns the unchecked value; undefined where it is absent or null. */
  value(key: string): unknown {
    return this.#values[key] ?? undefined;
  }

  /** Returns a number. In this and the next methods, `absent` is the value for an absent key; without it the key is required. */
  number(key: string, absent?: number): number {
    return this.#read(key, 'a finite number', absent, (v) => (typeof v === 'number' && Number.isFinite(v) ? v : null));
  }

  /** Returns a positive integer. */
  count(key: string, absent?: number): number {
    return this.#read(key, 'a positive integer', absent, (v) => (isCount(v) ? v : null));
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

  /** Returns a non-empty list of positive integers. */
  counts(key: string, absent?: readonly number[]): readonly number[] {
    const list = (v: unknown): number[] | null => (Array.isArray(v) && v.length > 0 && v.every(isCount) ? v : null);
    return this.#read(key, 'a list of positive integers', absent, list);
  }

  /** Returns one positive integer for each of `n` blocks. The file may have a single number for all of them. */
  countsEach(key: string, n: number, absent?: number): readonly number[] {
    const value = this.value(key) ?? absent;
    if (isCount(value)) {
      return new Array<number>(n).fill(value);
    }
    const list = this.counts(key);
    if (list.length !== n) {
      this.fail(key, `must have ${n} entries, one for each block, but has ${list.length}`);
    }
    return list;
  }

  /** Returns two positive integers. The file may have a single number for both. */
  countPair(key: string, absent?: number): readonly [number, number] {
    return this.#read<readonly [number, number]>(
      key,
      'a positive integer, or two',
      absent === undefined ? undefined : [absent, absent],
      (v) => {
        const [first, second, ...rest]: unknown[] = Array.isArray(v) ? v : [v, v];
        return isCount(first) && isCount(second) && rest.length === 0 ? [first, second] : null;
      },
    );
  }

  /** Returns a non-empty list of strings. */
  strings(key: string, absent?: readonly string[]): readonly string[] {
    const list = (v: unknown): string[] | null =>
      Array.isArray(v) && v.length > 0 && v.every((s) => typeof s === 'string') ? v : null;
    return this.#read(key, 'a list of strings', absent, list);
  }

  /** Refuses settings that nothing here implements. @param allowed for each key the values that it may have besides absence */
  allowOnly(allowed: Readonly<Record<string, readonly unknown[]>>): void {
    for (const [key, values] of Object.entries(allowed)) {
      const value = this.value(key);
      if (value !== undefined && !values.includes(value)) {
        const supported = values.map((v) => JSON.stringify(v)).join(' or ') || 'null';
        this.fail(key, `is ${JSON.stringify(value)}, which is not supported yet (only ${supported} is)`);
      }
    }
  }

  /** Returns a nested object, such as `vision_config`. */
  section(key: string): Config {
    return new Config(`${this.file} (${key})`, this.value(key));
  }

  /** @throws Error `<file>: <key> <what>` */
  fail(key: string, what: string): never {
    throw new Error(`${this.file}: ${key} ${what}`);
  }

  #read<T>(key: string, kind: string, absent: T | undefined, parse: (value: unknown) => T | null): T {
    const value = this.value(key);
    if (value === undefined) {
      return absent ?? this.fail(key, `is missing (it must be ${kind})`);
    }
    return parse(value) ?? this.fail(key, `must be ${kind}, but is ${JSON.stringify(value)}`);
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** Reads a JSON config from a model folder. @throws Error naming the file when it is missing or not JSON */
export async function readConfig(files: ModelFiles, path = 'config.json'): Promise<Config> {
  const text = await files.readText(path);
  const file = `${files.name}/${path}`;
  return new Config(file, parseJson(text, file));
}
