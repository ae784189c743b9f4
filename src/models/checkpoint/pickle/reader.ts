/** Reads the arguments of pickle opcodes, one after another. */

/** Thrown where the bytes end inside the pickle. */
export class PickleEnds extends Error {}

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

  utf8(length: number): string {
    return new TextDecoder().decode(this.bytes(length));
  }

  /** Reads a string of Python 2. */
  latin1(length: number): string {
    return new TextDecoder('latin1').decode(this.bytes(length));
  }

  /** Reads up to the next newline, and skips that. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#position);
    const text = this.utf8(end < 0 ? Infinity : end - this.#position);
    this.skip(1);
    return text;
  }
}
