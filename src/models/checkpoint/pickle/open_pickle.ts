/**
 * Reads PyTorch checkpoints (`.bin`, `.pt`, `.pth`) that `torch.save` made of a state dict: a zip archive since PyTorch 1.6,
 * pickles and raw storages one after another before. Opening a file reads only the descriptions of its tensors; the tensors
 * are read in place, one by one. Sources of the layout: torch/serialization.py, caffe2/serialize/inline_container.h.
 */
import type { ByteSource } from '../byte_source.ts';
import { listed, printable } from '../messages.ts';
import { withoutModulePrefix } from '../module_prefix.ts';
import { CHECKPOINT_BUDGET, ReadMeter } from '../read_budget.ts';
import { STORED_BYTES } from '../stored_dtype.ts';
import type { RowRange, TensorEntry, TensorFile, UnreadableTensor } from '../tensor_file.ts';
import { readArchive } from './archive.ts';
import { readTensor } from './gather_elements.ts';
import { readLegacy } from './legacy.ts';
import { tensorsOf } from './state_dict.ts';
import { type PickledCheckpoint, PickleTensor } from './values.ts';

/**
 * Reads and checks the descriptions of a checkpoint's tensors. No code of the file is run.
 * @throws Error, one sentence with the file and what is wrong with it: it is truncated, is no state dict, or names a Python
 * object that no state dict needs
 */
export async function openPickle(source: ByteSource): Promise<TensorFile> {
  const { tensors, locate } = await named(source, async () => {
    const { root, locate } = await readCheckpoint(source);
    return { tensors: tensorsOf(root, new ReadMeter(CHECKPOINT_BUDGET)), locate };
  });
  const entries = new Map<string, TensorEntry>();
  const unreadable = new Map<string, UnreadableTensor>();
  for (const [name, tensor] of tensors) {
    if (tensor instanceof PickleTensor) {
      entries.set(name, { name, dtype: tensor.dtype, shape: tensor.shape });
    } else {
      unreadable.set(name, tensor);
    }
  }
  return withoutModulePrefix({
    source,
    entries,
    unreadable,
    read: async (name, rows) => {
      const tensor = tensors.get(name);
      if (!tensor) {
        throw new Error(`${source.name}: there is no tensor ${name}; the file has ${listed([...tensors.keys()])}`);
      }
      if (!(tensor instanceof PickleTensor)) {
        throw new Error(`${source.name}: ${tensor.reason} (${printable(name)})`);
      }
      const start = await named(source, () => locate(tensor.storage));
      const read = (offset: number, length: number) => source.read(start + offset, length);
      return readTensor(rows ? rowsOf(tensor, rows) : tensor, STORED_BYTES[tensor.dtype], read);
    },
  });
}

/** Returns the view of some rows, so that nothing else is read. */
function rowsOf({ storage, dtype, offset, shape, strides }: PickleTensor, { from, count }: RowRange): PickleTensor {
  return new PickleTensor(storage, dtype, offset + from * (strides[0] ?? 0), [count, ...shape.slice(1)], strides);
}

async function readCheckpoint(source: ByteSource): Promise<PickledCheckpoint> {
  const start = await source.read(0, Math.min(source.size, 4));
  const [a, b, c, d] = start;
  if (a === 0x50 && b === 0x4b && c === 3 && d === 4) {
    return readArchive(source);
  }
  // A pickle begins with PROTO since protocol 2; before, this one begins with the magic number in decimal digits.
  if (a === 0x80 || (a === 0x4c && b === 0x31 && c === 0x31 && d === 0x39)) {
    return readLegacy(source);
  }
  throw new Error('is no PyTorch checkpoint (neither a zip archive nor a pickle); download or save it again');
}

/** Puts the file's name in front of error messages, unless they have it already. */
async function named<T>(source: ByteSource, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new Error(what.startsWith(source.name) ? what : `${source.name}: ${what}`);
  }
}
