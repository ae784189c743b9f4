/** A tensor's values in row-major order out of a storage, which it may view with any strides. */
import { at, sizeOf } from '../../../tensor/types.ts';
import type { PickleTensor } from './values.ts';

/** Bytes `offset` to `offset + length` of the storage. */
export type ReadStorage = (offset: number, length: number) => Promise<Uint8Array<ArrayBuffer>>;

/** What lies between the values of a view is read along with them up to this much. */
const SLACK = 2 ** 20;

interface Axis {
  readonly size: number;
  /** In elements of the storage. */
  readonly from: number;
  /** In elements of the result. */
  readonly to: number;
}

/**
 * Reads a dense tensor in one piece; a view with gaps in pieces, so that never more than the result, and as much again
 * (or SLACK), is in memory.
 */
export async function readTensor(
  tensor: PickleTensor,
  itemBytes: number,
  read: ReadStorage,
): Promise<Uint8Array<ArrayBuffer>> {
  const { shape, strides } = tensor;
  const count = sizeOf(shape);
  if (count === 0) {
    return new Uint8Array(0);
  }
  let to = count;
  const axes: Axis[] = shape.map((size, i) => {
    to /= size;
    return { size, from: at(strides, i), to };
  });
  const kept = axes.filter(({ size }) => size > 1);
  if (kept.every(({ from, to: dense }) => from === dense)) {
    return read(tensor.offset * itemBytes, count * itemBytes);
  }
  // From the widest stride to the narrowest: what is split off first lies farthest apart.
  kept.sort((a, b) => b.from - a.from);
  const result = new Uint8Array(count * itemBytes);
  const out = wordsOf(result, itemBytes);
  const width = itemBytes / out.BYTES_PER_ELEMENT;
  await gather(kept, tensor.offset, 0);
  return result;

  async function gather(axes: readonly Axis[], from: number, target: number): Promise<void> {
    const [first, ...rest] = axes;
    const span = axes.reduce((n, axis) => n + (axis.size - 1) * axis.from, 1);
    const values = axes.reduce((n, axis) => n * axis.size, 1);
    if (first && span > values && span * itemBytes > SLACK) {
      for (let i = 0; i < first.size; i++) {
        await gather(rest, from + i * first.from, target + i * first.to);
      }
      return;
    }
    copy(wordsOf(await read(from * itemBytes, span * itemBytes), itemBytes), axes, 0, target);
  }

  function copy(words: Words, axes: readonly Axis[], from: number, target: number): void {
    const [first = ONE, ...rest] = axes;
    for (let i = 0; i < first.size; i++) {
      if (rest.length > 0) {
        copy(words, rest, from + i * first.from, target + i * first.to);
      } else {
        for (let w = 0; w < width; w++) {
          out[(target + i * first.to) * width + w] = words[(from + i * first.from) * width + w] ?? 0;
        }
      }
    }
  }
}

const ONE: Axis = { size: 1, from: 0, to: 0 };

type Words = Uint8Array | Uint16Array | Uint32Array;

/** The widest unsigned integers that an item is made of: bits are moved, never numbers. */
function wordsOf(bytes: Uint8Array<ArrayBuffer>, itemBytes: number): Words {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  switch (itemBytes) {
    case 1:
      return new Uint8Array(buffer, byteOffset, byteLength);
    case 2:
      return new Uint16Array(buffer, byteOffset, byteLength / 2);
    default:
      return new Uint32Array(buffer, byteOffset, byteLength / 4);
  }
}
