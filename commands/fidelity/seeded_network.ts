/**
 * The public networks at their real depth and reduced width: names and layers of the published tables
 * (weights/published/networks), narrower, with seeded f16 weights whose spread keeps activations and gradients of order one.
 */
import { networkTable } from '../../src/cli/plan/networks.ts';
import { Config } from '../../src/models/checkpoint/config.ts';
import type { TensorEntry, TensorFile } from '../../src/models/checkpoint/tensor_file.ts';
import { sizeOf } from '../../src/tensor/types.ts';
import { BYTES, fillValues, keyOf, lookup } from '../fullsize/seeded_values.ts';
import { chunksOf } from '../fullsize/write_tensors.ts';

export interface SeededNetwork {
  readonly config: Config;
  readonly file: TensorFile;
}

/** Returns the reduced size of a dimension of tensor `name`. */
export type Narrow = (size: number, name: string) => number;

/** Widths of `least` and more are divided; what is less is a kernel, a number of channels of a picture, or an axis of its own. */
export const dividedBy =
  (divisor: number, least: number): Narrow =>
  (size) =>
    size >= least && size % (divisor * 4) === 0 ? size / divisor : size;

/** `changes`: what config.json says of the narrower network. */
export function seededNetwork(
  network: string,
  narrow: Narrow,
  changes: Readonly<Record<string, unknown>>,
): SeededNetwork {
  const table = networkTable(network);
  const { _class_name, ...published } = table.config;
  const entries = new Map(
    table.tensors.map(([name, shape]): [string, TensorEntry] => {
      return [name, { name, dtype: 'F16', shape: shape.map((size) => narrow(size, name)) }];
    }),
  );
  const source = { name: `${network}, narrow` };
  return {
    config: new Config(source.name, { ...published, ...changes }),
    file: {
      source,
      entries,
      read: async (name, rows) => {
        const entry = entries.get(name);
        if (!entry) {
          throw new Error(`${source.name}: there is no tensor ${name}`);
        }
        const bytes = valuesOf(network, entry);
        const [count = 1] = entry.shape;
        const row = bytes.length / count;
        return rows ? bytes.slice(rows.from * row, (rows.from + rows.count) * row) : bytes;
      },
    },
  };
}

function valuesOf(network: string, { name, shape }: TensorEntry): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeOf(shape) * BYTES.F16);
  let offset = 0;
  for (const chunk of chunksOf({ name, shape, dtype: 'F16', seed: `${network}/${name}` })) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

/** N(0, std²), the same everywhere. */
export function seededValues(seed: string, size: number, std = 1): Float32Array<ArrayBuffer> {
  const values = new Float32Array(size);
  fillValues(values, lookup(0, std, 'F32'), keyOf(seed), 0);
  return values;
}
