/**
 * A graph input may be held in another layout than it is written in (layouts.ts): axis i of what lies in memory is axis
 * held[i] of what is written. It is rearranged on its way in, some rows at a time, so that it is never in memory twice.
 */
import type { Node } from '../graph.ts';
import type { TensorType } from '../types.ts';
import { at, bytesPerElement, sizeOf, stridesOf } from '../types.ts';

type Held = readonly number[] | undefined;
type Bytes = Uint8Array<ArrayBuffer>;

/** The type that is written into an input, whatever it is held as. */
export function writtenType({ held, outputs }: Node): TensorType {
  const type = at(outputs, 0);
  return held ? { ...type, shape: held.map((_, axis) => at(type.shape, held.indexOf(axis))) } : type;
}

/**
 * Whole rows of `type` from byte `offset` on, as the pieces that are written of an input held so, each with its byte offset.
 * @param item bytes of an element, where it is not stored as its type says
 * @throws Error when rows are cut
 */
export function heldPieces(
  type: TensorType,
  held: Held,
  bytes: Bytes,
  offset: number,
  item = bytesPerElement(type.dtype),
): { bytes: Bytes; offset: number }[] {
  if (!held) {
    return [{ bytes, offset }];
  }
  const rows = at(type.shape, 0);
  const rowBytes = (sizeOf(type.shape) / rows) * item;
  const [from, count] = [offset / rowBytes, bytes.length / rowBytes];
  if (!Number.isInteger(from) || !Number.isInteger(count)) {
    throw new Error(
      `a weight of [${type.shape.join(',')}] that is held as [${held.join(',')}] is written in whole rows`,
    );
  }
  const shape = [count, ...type.shape.slice(1)];
  const moved = permuted(bytes, shape, held, item);
  const rowAxis = held.indexOf(0);
  const outer = sizeOf(held.slice(0, rowAxis).map((axis) => at(shape, axis)));
  const inner = moved.length / outer;
  return Array.from({ length: outer }, (_, i) => {
    return { bytes: moved.subarray(i * inner, (i + 1) * inner), offset: (i * rows + from) * (inner / count) };
  });
}

/** What was written, of what lies in memory. */
export function asWritten(type: TensorType, held: Held, bytes: Bytes, item = bytesPerElement(type.dtype)): Bytes {
  const back = type.shape.map((_, axis) => (held ? held.indexOf(axis) : axis));
  const shape = (held ?? back).map((axis) => at(type.shape, axis));
  return held ? permuted(bytes, shape, back, item) : bytes;
}

/** Elements of `item` bytes, transposed as the op of that name does. */
function permuted(bytes: Bytes, shape: readonly number[], permutation: readonly number[], item: number): Bytes {
  const strides = stridesOf(shape);
  const dims = permutation.map((axis) => at(shape, axis));
  const steps = permutation.map((axis) => at(strides, axis));
  const Words = item === 1 ? Uint8Array : item === 2 ? Uint16Array : Uint32Array;
  const aligned = bytes.byteOffset % item === 0 ? bytes : bytes.slice();
  const x = new Words(aligned.buffer, aligned.byteOffset, aligned.length / item);
  const y = new Words(x.length);
  const inner = at(dims, dims.length - 1);
  const step = at(steps, steps.length - 1);
  const place = dims.map(() => 0);
  for (let to = 0, from = 0; to < y.length; ) {
    for (let i = 0; i < inner; i++) {
      y[to + i] = x[from + i * step] ?? 0;
    }
    to += inner;
    for (let axis = dims.length - 2; axis >= 0; axis--) {
      from += at(steps, axis);
      place[axis] = at(place, axis) + 1;
      if (at(place, axis) < at(dims, axis)) {
        break;
      }
      from -= at(place, axis) * at(steps, axis);
      place[axis] = 0;
    }
  }
  return new Uint8Array(y.buffer);
}
