/** A file of named tensors, whatever its format: headers are read when it is opened, values tensor by tensor. */
import type { SafetensorsDType } from './safetensors.ts';
import type { Shape } from './types.ts';

export interface TensorEntry {
  readonly name: string;
  readonly dtype: SafetensorsDType;
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
