/** Files, URLs and buffers that are read by range. */

/** Bytes that can be read by range: a file, a URL, a buffer. Implemented in src/cli and src/web. */
export interface ByteSource {
  /** Path or URL, for messages. */
  readonly name: string;
  readonly size: number;
  /** Returns exactly `length` bytes from `offset`. @throws Error when they cannot be read */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** Returns a source over bytes that are already in memory. */
export function bytesSource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    read: async (offset, length) => {
      if (offset + length > bytes.byteLength) {
        throw new Error(`${name}: bytes ${offset} to ${offset + length} were asked for, it has ${bytes.byteLength}`);
      }
      return new Uint8Array(bytes.subarray(offset, offset + length));
    },
  };
}
