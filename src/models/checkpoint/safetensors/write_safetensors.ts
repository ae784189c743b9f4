/** Writes safetensors files. Format: https://github.com/huggingface/safetensors (README, "Format"). */
import type { Shape } from '../../../tensor/types.ts';
import { sizeOf } from '../../../tensor/types.ts';

/** A tensor to write. The array's type is the stored dtype. */
export interface SafetensorsValue {
  readonly shape: Shape;
  readonly data: Float32Array | Int32Array;
}

/** Returns a whole file in memory, for small tensors (latents, fixtures). @throws Error when a shape does not fit its data */
export function writeSafetensors(
  tensors: Readonly<Record<string, SafetensorsValue>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let end = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    if (sizeOf(shape) !== data.length) {
      throw new Error(`tensor ${name} of shape [${shape.join(', ')}] got ${data.length} values`);
    }
    header[name] = {
      dtype: data instanceof Int32Array ? 'I32' : 'F32',
      shape,
      data_offsets: [end, end + data.byteLength],
    };
    end += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  // Data begins at a multiple of 8; the format pads the header with spaces.
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + end).fill(0x20, 8, 8 + headerBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(json, 8);
  let offset = 8 + headerBytes;
  for (const { data } of Object.values(tensors)) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return file;
}
