/** A file of named tensors, whatever its format: headers are read when it is opened, values tensor by tensor. */
import type { Shape } from '../../tensor/types.ts';
import { type StoredDType, toFloats } from './stored_dtype.ts';

export interface TensorEntry {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: Shape;
}

/** Consecutive entries of a tensor's first dimension. */
export interface RowRange {
  readonly from: number;
  readonly count: number;
}

export interface TensorFile {
  /** `name` is for messages: path or URL. */
  readonly source: { readonly name: string };
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** The stored values (of some rows), row-major, little-endian. @throws Error naming a tensor that the file has not. */
  read(name: string, rows?: RowRange): Promise<Uint8Array<ArrayBuffer>>;
}

/** One tensor as f32, row-major; integers are exact up to 2^24. @throws Error naming a tensor that the file has not. */
export async function readFloats(file: TensorFile, name: string): Promise<Float32Array<ArrayBuffer>> {
  const bytes = await file.read(name);
  return toFloats(bytes, file.entries.get(name)?.dtype ?? 'F32');
}
