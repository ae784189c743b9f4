/** Bytes of streamed weights on their way to the GPU: read one piece ahead of the queue, and never many at once. */

import type { TensorType } from '../types.ts';
import { byteSize, showType } from '../types.ts';

/** A graph input's bytes, as it stores them, from the first to the last; each piece but the last a multiple of 4 long. */
export type Pieces = () => AsyncIterable<Uint8Array<ArrayBuffer>>;

/** Bytes after which the queue is looked at: at most two such windows are on their way. */
const WINDOW = 64 * 2 ** 20;

/** Waits while the GPU has not taken what was written two windows ago; the queue keeps a copy of each byte until then. */
export class Throttle {
  readonly #queue: GPUQueue;
  #bytes = 0;
  #before: Promise<unknown> = Promise.resolve();

  constructor(queue: GPUQueue) {
    this.#queue = queue;
  }

  async sent(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes >= WINDOW) {
      this.#queue.submit([]); // Writes wait for a submission.
      const written = this.#queue.onSubmittedWorkDone();
      await this.#before;
      this.#before = written;
      this.#bytes = 0;
    }
  }
}

/** A streamed input, and what it must be filled with. */
interface Awaited {
  readonly input: string;
  readonly type: TensorType;
}

export interface Arrival<T> {
  readonly upload: T;
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * The pieces of one upload after another, each with its place; the next is being read while one is used.
 * @throws Error naming the input that has fewer bytes than it needs
 */
export async function* arrivals<T extends Awaited>(
  uploads: readonly T[],
  sourceOf: (input: string) => Pieces,
): AsyncGenerator<Arrival<T>> {
  const all = inOrder(uploads, sourceOf);
  let next = all.next();
  for (;;) {
    const { done, value } = await next;
    if (done) {
      return;
    }
    next = all.next();
    next.catch(() => {}); // Thrown when its turn comes.
    yield value;
  }
}

async function* inOrder<T extends Awaited>(
  uploads: readonly T[],
  sourceOf: (input: string) => Pieces,
): AsyncGenerator<Arrival<T>> {
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
