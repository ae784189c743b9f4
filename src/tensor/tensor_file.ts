/** A file of named tensors, whatever its format: headers are read when it is opened, values tensor by tensor. */
import type { SafetensorsDType } from './safetensors.ts';
import type { Shape } from './types.ts';

export interface TensorEntry {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: Shape;
}

export interface TensorFile {
  /** `name` is for messages: path or URL. */
  readonly source: { readonly name: string };
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** The stored values, row-major, little-endian. @throws Error naming the tensor when the file has none of that name. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
}
