/** Stored tensors on their way to the GPU: in pieces where they are large, so that memory holds little of them at once. */
import { encodeF16 } from '../../tensor/half.ts';
import type { Pieces } from '../../tensor/plan/stream.ts';
import type { DType, TensorType } from '../../tensor/types.ts';
import { byteSize } from '../../tensor/types.ts';
import { readView, type View } from '../checkpoint/aliases.ts';
import { toFloats } from '../checkpoint/stored_dtype.ts';
import type { RowRange, TensorEntry, TensorFile } from '../checkpoint/tensor_file.ts';

/** Where weights go: a compiled plan. */
export interface WeightSink {
  write(name: string, data: Float32Array | Uint8Array): void;
  /** Some of an input's bytes, as it stores them, from byte `offset` (a multiple of 4) on. Where absent, tensors come whole. */
  writePart?(name: string, bytes: Uint8Array<ArrayBuffer>, offset: number): void;
  /** Takes the source of an input that is brought in again and again; false: its bytes are wanted now. */
  stream?(name: string, pieces: Pieces): boolean;
  /** Whether an input is read at all; what is not need not be fetched. Default: all are. */
  reads?(name: string): boolean;
  /** Resolves when what was written has arrived, and its copy on the way is gone. */
  finished?(): Promise<void>;
}

/** A larger tensor goes in pieces of about this many bytes. */
const PIECE = 16 * 2 ** 20;
/** Bytes that may be on their way to the GPU at once. */
const IN_FLIGHT = 256 * 2 ** 20;

/** A graph input and what is written into it. */
export interface Upload {
  readonly name: string;
  readonly type: TensorType;
  readonly file: TensorFile;
  readonly view: View;
  /** Of the view's first axis; absent: all. */
  readonly rows?: RowRange;
}

/** Reads one after another, and waits for the GPU now and then: it keeps a copy of what has not arrived. */
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
    if (sink.stream?.(name, () => pieces(upload))) {
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

/** What is written into the input, from the first byte to the last. */
async function* pieces({ type, file, view, rows }: Upload): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const parts = piecesOf(type, view, rows);
  for (const part of parts.length > 1 ? parts : [rows]) {
    const values = inDType(await readView(file, view, part), view.entry, type.dtype);
    yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }
}

/** Rows that make about PIECE bytes each; an even number of them, for their f16 values must fill whole words. */
function piecesOf(type: TensorType, view: View, rows: RowRange | undefined): RowRange[] {
  const { from, count } = rows ?? { from: 0, count: view.entry.shape[0] ?? 1 };
  const step = Math.max(2, 2 * Math.floor(PIECE / (byteSize(type) / count) / 2));
  return view.transposed || step >= count
    ? []
    : Array.from({ length: Math.ceil(count / step) }, (_, i) => {
        return { from: from + i * step, count: Math.min(step, count - i * step) };
      });
}

/** f16 stays raw bytes, so that no value passes through another format; the rest goes through f32. */
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
