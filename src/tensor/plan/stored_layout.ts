/**
 * Rearranges the bytes of a weight between the layout that the caller writes and the stored layout: axis i in memory is axis
 * storedLayout[i] of what is written. It works on some rows at a time, so the weight is never in memory twice.
 */
import type { TensorType } from '../types.ts';
import { at, bytesPerElement, sizeOf, stridesOf } from '../types.ts';

/** Absent: the stored layout is the written one. */
export type StoredLayout = readonly number[] | undefined;
type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes to be written at byte `offset`. */
export interface Piece {
  readonly bytes: Bytes;
  readonly offset: number;
}

/**
 * Returns the pieces to write for whole rows of an input of `type`, which begin at its byte `offset`.
 * @param itemBytes bytes of an element, where it is not stored as its type says
 * @throws Error when the bytes are no whole rows
 */
export function toStoredLayout(
  type: TensorType,
  layout: StoredLayout,
  bytes: Bytes,
  offset: number,
  itemBytes = bytesPerElement(type.dtype),
): Piece[] {
  if (!layout) {
    return [{ bytes, offset }];
  }
  const rows = at(type.shape, 0);
  const rowBytes = (sizeOf(type.shape) / rows) * itemBytes;
  const [from, count] = [offset / rowBytes, bytes.length / rowBytes];
  if (!Number.isInteger(from) || !Number.isInteger(count)) {
    throw new Error(
      `a weight of [${type.shape.join(',')}] that is stored as [${layout.join(',')}] must be written in whole rows`,
    );
  }
  const shape = [count, ...type.shape.slice(1)];
  const moved = transposed(bytes, shape, layout, itemBytes);
  const rowAxis = layout.indexOf(0);
  const outer = sizeOf(layout.slice(0, rowAxis).map((axis) => at(shape, axis)));
  const inner = moved.length / outer;
  return Array.from({ length: outer }, (_, i) => {
    return { bytes: moved.subarray(i * inner, (i + 1) * inner), offset: (i * rows + from) * (inner / count) };
  });
}

/** Returns the bytes of a whole input in the order in which the caller writes them. */
export function fromStoredLayout(
  type: TensorType,
  layout: StoredLayout,
  bytes: Bytes,
  itemBytes = bytesPerElement(type.dtype),
): Bytes {
  if (!layout) {
    return bytes;
  }
  const storedShape = layout.map((axis) => at(type.shape, axis));
  const inverse = layout.map((_, axis) => layout.indexOf(axis));
  return transposed(bytes, storedShape, inverse, itemBytes);
}

/** Transposes elements of `itemBytes` each, as the op of that name does. */
function transposed(bytes: Bytes, shape: readonly number[], permutation: readonly number[], itemBytes: number): Bytes {
  const strides = stridesOf(shape);
  const dims = permutation.map((axis) => at(shape, axis));
  const steps = permutation.map((axis) => at(strides, axis));
  const Words = itemBytes === 1 ? Uint8Array : itemBytes === 2 ? Uint16Array : Uint32Array;
  const aligned = bytes.byteOffset % itemBytes === 0 ? bytes : bytes.slice();
  const x = new Words(aligned.buffer, aligned.byteOffset, aligned.length / itemBytes);
  const y = new Words(x.length);
  const inner = at(dims, dims.length - 1);
  const step = at(steps, steps.length - 1);
  const index = dims.map(() => 0);
  for (let to = 0, from = 0; to < y.length; ) {
    for (let i = 0; i < inner; i++) {
      y[to + i] = x[from + i * step] ?? 0;
    }
    to += inner;
    for (let axis = dims.length - 2; axis >= 0; axis--) {
      from += at(steps, axis);
      index[axis] = at(index, axis) + 1;
      if (at(index, axis) < at(dims, axis)) {
        break;
      }
      from -= at(index, axis) * at(steps, axis);
      index[axis] = 0;
    }
  }
  return new Uint8Array(y.buffer);
}
