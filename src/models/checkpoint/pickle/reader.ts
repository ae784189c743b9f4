/** Reads the arguments of pickle opcodes, one after another. */

/** Thrown where the bytes end inside the pickle. */
export class PickleEnds extends Error {}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class PickleReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position: number;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = start;
  }

  get position(): number {
    return this.#position;
  }

  /** Advances by `length` bytes and returns the position before them. @throws PickleEnds when the bytes end before */
  skip(length: number): number {
    const start = this.#position;
    if (length > this.#bytes.length - start) {
      throw new PickleEnds('ends inside its pickle');
    }
    this.#position = start + length;
    return start;
  }

  u8(): number {
    return this.#view.getUint8(this.skip(1));
  }

  u16(): number {
    return this.#view.getUint16(this.skip(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.skip(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.skip(4), true);
  }

  u64(): number {
    return Number(this.#view.getBigUint64(this.skip(8), true));
  }

  /** Reads a big-endian number; all others are little-endian. */
  f64(): number {
    return this.#view.getFloat64(this.skip(8));
  }

  /** Reads an integer in two's complement of `length` bytes. Beyond 2^53 it is a bigint. */
  integer(length: number): number | bigint {
    const value = this.bytes(length).reduceRight((n, byte) => (n << 8n) | BigInt(byte), 0n);
    const signed = BigInt.asIntN(length * 8, value);
    const small = Number(signed);
    return Number.isSafeInteger(small) ? small : signed;
  }

  bytes(length: number): Uint8Array {
    const start = this.skip(length);
    return this.#bytes.slice(start, start + length);
  }

  /** @throws Error when the bytes are no UTF-8: replaced, two names could become one */
  utf8(length: number): string {
    const start = this.skip(length);
    try {
      return UTF8.decode(this.#bytes.subarray(start, start + length));
    } catch {
      throw new Error('has text in its pickle that is not UTF-8');
    }
  }

  /** Reads a string of Python 2. */
  latin1(length: number): string {
    return Array.from(this.bytes(length), (byte) => String.fromCharCode(byte)).join('');
  }

  /** Reads up to the next newline, and skips that. */
  line(): string {
    const text = this.utf8(this.#lineLength());
    this.skip(1);
    return text;
  }

  /** Reads a decimal integer of protocol 0, which may end in L. Beyond 2^53 it is a bigint. */
  decimal(): number | bigint {
    const text = this.line();
    if (!/^-?\d{1,4300}L?$/.test(text)) {
      throw new Error('has a number in its pickle that is no decimal integer');
    }
    const value = BigInt(text.replace('L', ''));
    const small = Number(value);
    return Number.isSafeInteger(small) ? small : value;
  }

  /** Reads INT of protocol 0, where 00 and 01 are false and true. */
  int(): number | bigint | boolean {
    const start = this.#position;
    const text = this.line();
    if (text === '00' || text === '01') {
      return text === '01';
    }
    this.#position = start;
    return this.decimal();
  }

  /** Reads FLOAT of protocol 0. */
  float(): number {
    const text = this.line();
    const infinite = { inf: Infinity, '-inf': -Infinity, nan: Number.NaN }[text];
    if (infinite === undefined && !/^-?[\d.]+(e[+-]?\d+)?$/i.test(text)) {
      throw new Error('has a number in its pickle that is no decimal fraction');
    }
    return infinite ?? Number(text);
  }

  /** Reads UNICODE of protocol 0: Latin-1 with the escapes \\uXXXX and \\UXXXXXXXX. */
  unicodeLine(): string {
    const text = this.latin1(this.#lineLength());
    this.skip(1);
    return text.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (all, short?: string, long?: string) => {
      const point = Number.parseInt(short ?? long ?? '', 16);
      return point <= 0x10ffff ? String.fromCodePoint(point) : all;
    });
  }

  /** Reads STRING of protocol 0: a string of Python 2 between quotes. @throws Error when it has escapes, which no state dict needs */
  quotedLine(): string {
    const text = this.line();
    const inner = /^(['"])([^\\]*)\1$/.exec(text)?.[2];
    if (inner === undefined) {
      throw new Error('has a string in its pickle that is not quoted, or has escapes');
    }
    return inner;
  }

  #lineLength(): number {
    const end = this.#bytes.indexOf(0x0a, this.#position);
    return end < 0 ? Infinity : end - this.#position;
  }
}
