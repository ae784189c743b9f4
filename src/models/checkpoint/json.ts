/**
 * Reads JSON (RFC 8259) of files that may be hostile. It refuses what readers understand differently: a key twice in one object,
 * half of a surrogate pair, a byte order mark. Depth, size and time are bounded, so no text overflows the stack.
 */
import { DEFAULT_BUDGET, type ReadBudget, ReadMeter } from './read_budget.ts';

/**
 * Returns the value that `text` holds. Objects have the keys of the text and no others, also where a key is `__proto__`.
 * @param file the file's path, for messages
 * @param number returns the value of a number's literal; the default is the nearest f64
 * @throws Error, one sentence with the file, what is wrong and at which line and column
 */
export function parseJson(
  text: string,
  file: string,
  budget: ReadBudget = DEFAULT_BUDGET,
  number: (literal: string) => unknown = Number,
): unknown {
  const reader = new JsonReader(text, new ReadMeter(budget), number);
  try {
    return reader.document();
  } catch (error) {
    if (error instanceof NotJson) {
      throw new Error(`${file}: is not valid JSON: ${error.message} at ${reader.place()}`);
    }
    throw new Error(`${file}: ${error instanceof Error ? error.message : error}`);
  }
}

class NotJson extends Error {}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
/** Characters of a string that stand for themselves. */
const PLAIN = /[ !#-[\]-\uffff]*/y;
const HALF_PAIR = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
const WORDS: readonly (readonly [string, unknown])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

class JsonReader {
  readonly #text: string;
  readonly #meter: ReadMeter;
  readonly #number: (literal: string) => unknown;
  #at = 0;

  constructor(text: string, meter: ReadMeter, number: (literal: string) => unknown) {
    this.#text = text;
    this.#meter = meter;
    this.#number = number;
  }

  document(): unknown {
    this.#meter.bytes(this.#text.length, 'its JSON');
    if (this.#text.startsWith('\ufeff')) {
      throw new NotJson('a byte order mark (save the file as UTF-8 without one)');
    }
    const value = this.#value(0);
    this.#match(SPACE);
    return this.#at < this.#text.length ? this.#fail('there is more text after the value') : value;
  }

  /** Returns line and column of what was read last. */
  place(): string {
    const before = this.#text.slice(0, this.#at).split('\n');
    return `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
  }

  #value(depth: number): unknown {
    this.#meter.objects(1);
    this.#meter.depth(depth);
    this.#match(SPACE);
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth + 1);
      case '[':
        return this.#array(depth + 1);
      case '"':
        return this.#string();
    }
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    const literal = this.#match(NUMBER);
    return literal === '' ? this.#fail('a value is missing') : this.#number(literal);
  }

  #object(depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    this.#list('}', () => {
      this.#match(SPACE);
      const key = this.#text[this.#at] === '"' ? this.#string() : this.#fail('a key in quotes is missing');
      if (Object.hasOwn(object, key)) {
        this.#fail(`the key ${JSON.stringify(key.slice(0, 100))} stands twice in one object`);
      }
      this.#match(SPACE);
      this.#take(':');
      const value = this.#value(depth);
      if (key === '__proto__') {
        Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true });
      } else {
        object[key] = value;
      }
    });
    return object;
  }

  #array(depth: number): unknown[] {
    const array: unknown[] = [];
    this.#list(']', () => array.push(this.#value(depth)));
    return array;
  }

  /** Reads items between the bracket here and `end`, with commas between them. */
  #list(end: string, item: () => void): void {
    this.#at++;
    this.#match(SPACE);
    if (this.#text[this.#at] === end) {
      this.#at++;
      return;
    }
    for (;;) {
      item();
      this.#match(SPACE);
      if (this.#text[this.#at] === end) {
        this.#at++;
        return;
      }
      this.#take(',');
    }
  }

  #string(): string {
    this.#at++;
    const parts: string[] = [];
    for (;;) {
      parts.push(this.#match(PLAIN));
      const next = this.#text[this.#at];
      if (next === '"') {
        this.#at++;
        const text = parts.length === 1 ? (parts[0] ?? '') : parts.join('');
        return HALF_PAIR.test(text) ? this.#fail('a string has half of a surrogate pair') : text;
      }
      this.#meter.objects(1);
      parts.push(next === '\\' ? this.#escape() : this.#fail('a string has no end'));
    }
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? '';
    const plain = ESCAPES[letter];
    if (plain !== undefined) {
      this.#at += 2;
      return plain;
    }
    const code = /^u[0-9a-fA-F]{4}$/.test(this.#text.slice(this.#at + 1, this.#at + 6))
      ? Number.parseInt(this.#text.slice(this.#at + 2, this.#at + 6), 16)
      : this.#fail('a string has an unknown escape');
    this.#at += 6;
    return String.fromCharCode(code);
  }

  #take(character: string): void {
    if (this.#text[this.#at] !== character) {
      this.#fail(`"${character}" is missing`);
    }
    this.#at++;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #fail(what: string): never {
    throw new NotJson(what);
  }
}
