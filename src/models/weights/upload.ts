/** Uploads stored tensors to the GPU. Large tensors go in pieces, so that host memory holds little of them at once. */
import { encodeF16 } from '../../tensor/half.ts';
import type { Pieces } from '../../tensor/plan/stream.ts';
import type { DType, Shape, TensorType } from '../../tensor/types.ts';
import { byteSize } from '../../tensor/types.ts';
import { readView, type TensorView } from '../checkpoint/aliases.ts';
import { toFloats } from '../checkpoint/stored_dtype.ts';
import type { RowRange, TensorEntry, TensorFile } from '../checkpoint/tensor_file.ts';

/** The receiver of weights: a compiled plan. */
export interface WeightSink {
  /** Fills an input: numbers, or raw bytes in its storage type. */
  write(name: string, data: Float32Array | Uint8Array): void;
  /** Writes some of an input's bytes, in its storage type, from byte `offset` (a multiple of 4) on. Without it, tensors come whole. */
  writePart?(name: string, bytes: Uint8Array<ArrayBuffer>, offset: number): void;
  /**
   * Takes the source of an input that the plan streams. Returns false where the plan needs the bytes now instead.
   * @param stored the tensor in the checkpoint that the values come from
   */
  stream?(name: string, pieces: Pieces, stored: { readonly name: string; readonly shape: Shape }): boolean;
  /** Returns whether the plan reads an input at all; the others are not fetched. Default: it reads all. */
  reads?(name: string): boolean;
  /** Resolves when all written bytes have arrived and their staging copies are freed. */
  finished?(): Promise<void>;
}

/** Approximate size of the pieces of a large tensor, in bytes. */
const PIECE = 16 * 2 ** 20;
/** Bytes that may be in flight to the GPU at once. */
const IN_FLIGHT = 256 * 2 ** 20;

/** A graph input, and the stored tensor that is written into it. */
export interface Upload {
  readonly name: string;
  readonly type: TensorType;
  readonly file: TensorFile;
  readonly view: TensorView;
  /** Rows along the view's first axis. Default: all. */
  readonly rows?: RowRange;
}

/** Reads and writes the tensors one after another. It waits for the GPU when IN_FLIGHT bytes have not arrived, since each has a staging copy. */
export async function uploadAll(uploads: Iterable<Upload>, sink: WeightSink): Promise<void> {
  let inFlight = 0;
  const sent = async (bytes: number): Promise<void> => {
    inFlight += bytes;
    if (inFlight > IN_FLIGHT) {
      await sink.finished?.();
      inFlight = 0;
    }
  };
  for (const upload of uploads) {
    const { name, type, file, view, rows } = upload;
    if (sink.stream?.(name, () => pieces(upload), view.entry)) {
      continue;
    }
    if (!sink.writePart || piecesOf(type, view, rows).length <= 1) {
      sink.write(name, inDType(await readView(file, view, rows), view.entry, type.dtype));
      await sent(byteSize(type));
      continue;
    }
    let offset = 0;
    for await (const bytes of pieces(upload)) {
      sink.writePart(name, bytes, offset);
      offset += bytes.length;
      await sent(bytes.length);
    }
  }
}

/** Yields the bytes of the input, from the first to the last. */
async function* pieces({ type, file, view, rows }: Upload): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const ranges = piecesOf(type, view, rows);
  for (const range of ranges.length > 1 ? ranges : [rows]) {
    const values = inDType(await readView(file, view, range), view.entry, type.dtype);
    yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }
}

/** Returns ranges of rows of about PIECE bytes each. Their lengths are even, so that f16 values fill whole words. */
function piecesOf(type: TensorType, view: TensorView, rows: RowRange | undefined): RowRange[] {
  const { from, count } = rows ?? { from: 0, count: view.entry.shape[0] ?? 1 };
  const step = Math.max(2, 2 * Math.floor(PIECE / (byteSize(type) / count) / 2));
  return view.transposed || step >= count
    ? []
    : Array.from({ length: Math.ceil(count / step) }, (_, i) => {
        return { from: from + i * step, count: Math.min(step, count - i * step) };
      });
}

/** Converts stored bytes to `dtype`. f16 to f16 copies the bytes; everything else goes through f32. */
export function inDType(
  bytes: Uint8Array<ArrayBuffer>,
  entry: TensorEntry,
  dtype: DType,
): Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer> {
  if (dtype !== 'f16') {
    return toFloats(bytes, entry.dtype);
  }
  return entry.dtype === 'F16' ? bytes : new Uint8Array(encodeF16(toFloats(bytes, entry.dtype)).buffer);
}
