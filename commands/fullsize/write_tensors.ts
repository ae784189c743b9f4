/** Checkpoint files written tensor by tensor, so that a file of gigabytes needs a few megabytes: safetensors and torch.save's. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { crc32 } from '../../src/models/checkpoint/pickle/zip.ts';
import { BYTES, fillValues, keyOf, lookup, type StoredFloat } from './seeded_values.ts';
import { spreadOf } from './spread.ts';

export interface SeededTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: StoredFloat;
  /** The seed of its values: the network and the tensor's name. */
  readonly seed: string;
}

const CHUNK = 1 << 21;

const sizeOf = ({ shape }: SeededTensor): number => shape.reduce((n, d) => n * d, 1);
export const bytesOf = (tensor: SeededTensor): number => sizeOf(tensor) * BYTES[tensor.dtype];

/** The bytes of a tensor in chunks; a chunk is overwritten by the next. */
export function* chunksOf(tensor: SeededTensor): Generator<Uint8Array> {
  const { dtype, name, shape } = tensor;
  const { mean, std } = spreadOf(name, shape);
  const [table, key, size] = [lookup(mean, std, dtype), keyOf(tensor.seed), sizeOf(tensor)];
  const room = dtype === 'F16' ? new Uint16Array(CHUNK) : new Float32Array(CHUNK);
  for (let start = 0; start < size; start += CHUNK) {
    const values = room.subarray(0, Math.min(CHUNK, size - start));
    fillValues(values, table, key, start);
    yield new Uint8Array(values.buffer, 0, values.byteLength);
  }
}

/** Appends to a file, and counts. */
class Output {
  readonly #fd: number;
  position = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'w');
  }

  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#fd, bytes, done, bytes.length - done, this.position + done);
    }
    this.position += bytes.length;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

export function writeSafetensorsFile(path: string, tensors: readonly SeededTensor[]): void {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const tensor of tensors) {
    const start = end;
    end += bytesOf(tensor);
    header[tensor.name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [start, end] };
  }
  const text = JSON.stringify(header);
  const json = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  using file = new Output(path);
  file.write(length);
  file.write(json);
  for (const tensor of tensors) {
    for (const chunk of chunksOf(tensor)) {
      file.write(chunk);
    }
  }
}

/** A member of a zip archive: its bytes in chunks, and how many they are. */
interface Member {
  readonly name: string;
  readonly size: number;
  readonly chunks: () => Iterable<Uint8Array>;
}

/**
 * A state dict as `torch.save` archives it (since 1.6): data.pkl describes the tensors, data/N holds the N-th storage, aligned to
 * 64 bytes. Less than 4 GiB: no zip64. @param under the key of the pickled dictionary that holds the state dict, if not itself
 */
export function writeTorchFile(path: string, tensors: readonly SeededTensor[], under?: string): void {
  const folder = 'archive';
  const pickle = pickleOf(tensors, under);
  const text = (name: string, value: string): Member =>
    bytesMember(`${folder}/${name}`, new TextEncoder().encode(value));
  const members: Member[] = [
    bytesMember(`${folder}/data.pkl`, pickle),
    text('byteorder', 'little'),
    ...tensors.map((tensor, i) => ({
      name: `${folder}/data/${i}`,
      size: bytesOf(tensor),
      chunks: () => chunksOf(tensor),
    })),
    text('version', '3\n'),
  ];
  writeZip(path, members);
}

const bytesMember = (name: string, bytes: Uint8Array): Member => ({ name, size: bytes.length, chunks: () => [bytes] });

function writeZip(path: string, members: readonly Member[]): void {
  using file = new Output(path);
  const directory: Uint8Array[] = [];
  for (const member of members) {
    const name = new TextEncoder().encode(member.name);
    const offset = file.position;
    // The checksum stands before the data: the values are made twice rather than kept.
    let crc = 0;
    for (const chunk of member.chunks()) {
      crc = crc32(chunk, crc);
    }
    const bare = 30 + name.length + 4;
    const padding = (64 - ((offset + bare) % 64)) % 64;
    const sizes = [u32(crc), u32(member.size), u32(member.size)];
    const extra = joined([text('FB'), u16(padding), new Uint8Array(padding)]);
    file.write(
      joined([
        text('PK\x03\x04'),
        u16(20),
        u16(0),
        u16(0),
        u32(0),
        ...sizes,
        u16(name.length),
        u16(extra.length),
        name,
        extra,
      ]),
    );
    for (const chunk of member.chunks()) {
      file.write(chunk);
    }
    const rest = [u16(name.length), u16(0), u16(0), u16(0), u16(0), u32(0), u32(offset), name];
    directory.push(joined([text('PK\x01\x02'), u16(20), u16(20), u16(0), u16(0), u32(0), ...sizes, ...rest]));
  }
  const start = file.position;
  if (start > 0xffffffff) {
    throw new Error(`${path}: ${start} bytes need zip64, which this writer does not make`);
  }
  file.write(joined(directory));
  const count = u16(directory.length);
  file.write(
    joined([text('PK\x05\x06'), u16(0), u16(0), count, count, u32(file.position - start), u32(start), u16(0)]),
  );
}

/** `OrderedDict` of `torch._utils._rebuild_tensor_v2` calls, protocol 2. */
function pickleOf(tensors: readonly SeededTensor[], under: string | undefined): Uint8Array {
  const int = (n: number): Uint8Array[] => [text('J'), u32(n)];
  const string = (s: string): Uint8Array[] => [text('X'), u32(s.length), text(s)];
  const tuple = (values: readonly number[]): Uint8Array[] => [text('('), ...values.flatMap(int), text('t')];
  const parts: Uint8Array[] = [Uint8Array.of(0x80, 2)];
  if (under !== undefined) {
    parts.push(text('}'), ...string(under));
  }
  parts.push(text('}('));
  tensors.forEach((tensor, i) => {
    const { shape } = tensor;
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((n, d) => n * d, 1));
    const storage = tensor.dtype === 'F16' ? 'HalfStorage' : 'FloatStorage';
    parts.push(
      ...string(tensor.name),
      text('ctorch._utils\n_rebuild_tensor_v2\n(('),
      ...string('storage'),
      text(`ctorch\n${storage}\n`),
      ...string(String(i)),
      ...string('cpu'),
      ...int(sizeOf(tensor)),
      text('tQ'),
      ...int(0),
      ...tuple(shape),
      ...tuple(strides),
      Uint8Array.of(0x89),
      text('ccollections\nOrderedDict\n)RtR'),
    );
  });
  parts.push(text(under === undefined ? 'u.' : 'us.'));
  return joined(parts);
}

const text = (value: string): Uint8Array => Uint8Array.from(value, (c) => c.charCodeAt(0));
const u16 = (value: number): Uint8Array => Uint8Array.of(value & 255, value >>> 8);
const u32 = (value: number): Uint8Array =>
  Uint8Array.of(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
