/** Streams weights to the GPU: reads one piece ahead, and limits the bytes that the queue holds. */

import type { Device } from '../device/device.ts';
import type { TensorType } from '../types.ts';
import { byteSize, showType } from '../types.ts';
import { drained } from './drained.ts';

/** Reads a graph input from its first byte to its last, in pieces. Each piece but the last has a length that is a multiple of 4. */
export type Pieces = () => AsyncIterable<Uint8Array<ArrayBuffer>>;

/** Bytes of one window; at most two windows are in the queue. */
const WINDOW = 64 * 2 ** 20;

/** Waits until the GPU has taken the window before the last. The queue keeps a copy of each byte until then. */
export class Throttle {
  readonly #device: Device;
  #bytes = 0;
  #before: Promise<unknown> = Promise.resolve();

  constructor(device: Device) {
    this.#device = device;
  }

  async sent(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes >= WINDOW) {
      const written = drained(this.#device);
      written.catch(() => {}); // The window after the next throws it.
      await this.#before;
      this.#before = written;
      this.#bytes = 0;
    }
  }
}

interface StreamedInput {
  readonly input: string;
  readonly type: TensorType;
}

/** A piece of an upload. */
export interface UploadPiece<T> {
  readonly upload: T;
  /** First byte of the piece in the input. */
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Yields the pieces of one upload after another, and reads the next piece while the caller uses one.
 * @throws Error naming the input that has fewer bytes than it needs
 */
export async function* prefetched<T extends StreamedInput>(
  uploads: readonly T[],
  sourceOf: (input: string) => Pieces,
): AsyncGenerator<UploadPiece<T>> {
  const all = inOrder(uploads, sourceOf);
  let next = all.next();
  for (;;) {
    const { done, value } = await next;
    if (done) {
      return;
    }
    next = all.next();
    next.catch(() => {}); // The next iteration throws it.
    yield value;
  }
}

async function* inOrder<T extends StreamedInput>(
  uploads: readonly T[],
  sourceOf: (input: string) => Pieces,
): AsyncGenerator<UploadPiece<T>> {
  for (const upload of uploads) {
    const { input, type } = upload;
    let offset = 0;
    for await (const bytes of sourceOf(input)()) {
      yield { upload, offset, bytes };
      offset += bytes.length;
    }
    if (Math.ceil(offset / 4) * 4 !== byteSize(type)) {
      throw new Error(`${input} is ${showType(type)} (${byteSize(type)} bytes) but was given ${offset} bytes`);
    }
  }
}
