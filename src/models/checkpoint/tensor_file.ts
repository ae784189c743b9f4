/** A file of named tensors of any format. Opening it reads the header; values are read tensor by tensor. */
import type { Shape } from '../../tensor/types.ts';
import { type StoredDType, toFloats } from './stored_dtype.ts';

/** A tensor as a file lists it. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: Shape;
}

/** Consecutive rows of a tensor, along its first dimension. */
export interface RowRange {
  readonly from: number;
  readonly count: number;
}

/** A tensor of a kind that nothing here reads. */
export interface UnreadableTensor {
  readonly shape: Shape;
  /** The reason, as the end of a sentence about the file. */
  readonly reason: string;
}

/** A file of tensors, of any format. */
export interface TensorFile {
  /** `name` is the path or URL, for messages. */
  readonly source: { readonly name: string };
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** Further tensors of the file, which `read` refuses. They are an error only where a model needs them. */
  readonly unreadable?: ReadonlyMap<string, UnreadableTensor>;
  /** Returns the stored values, or those of some rows, row-major and little-endian. @throws Error naming a tensor that the file lacks */
  read(name: string, rows?: RowRange): Promise<Uint8Array<ArrayBuffer>>;
}

/** Reads one tensor as f32, row-major. Integers are exact up to 2^24. @throws Error naming a tensor that the file lacks */
export async function readFloats(file: TensorFile, name: string): Promise<Float32Array<ArrayBuffer>> {
  const bytes = await file.read(name);
  return toFloats(bytes, file.entries.get(name)?.dtype ?? 'F32');
}
