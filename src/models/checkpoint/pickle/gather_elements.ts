/** Reads a tensor's values in row-major order from a storage, which the tensor may view with any strides. */
import { at, sizeOf } from '../../../tensor/types.ts';
import type { PickleTensor } from './values.ts';

/** Reads bytes `offset` to `offset + length` of the storage. */
type ReadStorage = (offset: number, length: number) => Promise<Uint8Array<ArrayBuffer>>;

/** Gaps between the values of a view are read too, up to this number of bytes. */
const SLACK = 2 ** 20;

interface Axis {
  readonly size: number;
  /** Stride in the storage, in elements. */
  readonly from: number;
  /** Stride in the result, in elements. */
  readonly to: number;
}

/**
 * Reads a tensor's bytes. A dense tensor is read in one piece, a view with gaps in several, so that memory holds the result and
 * at most as much again (or SLACK). A stride of 0 repeats what was read.
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
  const strided = axes.filter(({ size }) => size > 1);
  if (strided.every(({ from, to: dense }) => from === dense)) {
    return read(tensor.offset * itemBytes, count * itemBytes);
  }
  // Widest stride first: the pieces that are farthest apart are split first.
  strided.sort((a, b) => b.from - a.from);
  const result = new Uint8Array(count * itemBytes);
  const out = wordsOf(result, itemBytes);
  const width = itemBytes / out.BYTES_PER_ELEMENT;
  await gather(strided, tensor.offset, 0);
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

/** Returns the bytes as the widest unsigned integers that fit an item: copying moves bits and converts nothing. */
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
