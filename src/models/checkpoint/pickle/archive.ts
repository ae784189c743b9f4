/** Reads checkpoints since PyTorch 1.6: a zip archive of data.pkl and one member for each storage. */
import type { ByteSource } from '../byte_source.ts';
import { printable } from '../messages.ts';
import { PickleEnds } from './reader.ts';
import { unpickle } from './unpickler.ts';
import { MAX_PICKLE_BYTES, type PickledCheckpoint, type PickleStorage, type PickleValue } from './values.ts';
import { readZip, startOf } from './zip.ts';

export async function readArchive(source: ByteSource): Promise<PickledCheckpoint> {
  const members = await readZip(source);
  const pickle = [...members.values()].find(({ name }) => /^([^/]*\/)?data\.pkl$/.test(name));
  if (!pickle) {
    throw new Error('is a zip archive without data.pkl, so no PyTorch checkpoint');
  }
  if (pickle.size > MAX_PICKLE_BYTES) {
    throw new Error(`describes its tensors in ${pickle.size} bytes, which no state dict needs`);
  }
  const folder = pickle.name.slice(0, -'data.pkl'.length);
  const order = members.get(`${folder}byteorder`);
  if (order && order.size < 16) {
    const text = new TextDecoder().decode(await source.read(await startOf(source, order), order.size));
    if (text !== 'little') {
      throw new Error(`has its bytes in the order "${printable(text)}"; save it again on a little-endian machine`);
    }
  }
  const root = unpickleWhole(await source.read(await startOf(source, pickle), pickle.size));
  const locate = async (storage: PickleStorage): Promise<number> => {
    const member = members.get(`${folder}data/${storage.key}`);
    const bytes = storage.count * storage.itemBytes;
    if (!member || member.size < bytes) {
      throw new Error(
        `has ${member?.size ?? 'no'} bytes in storage ${printable(storage.key)} where ${bytes} should be`,
      );
    }
    return startOf(source, member);
  };
  return { root, locate };
}

function unpickleWhole(bytes: Uint8Array): PickleValue {
  try {
    return unpickle(bytes).value;
  } catch (error) {
    throw error instanceof PickleEnds ? new Error('is truncated: data.pkl ends inside') : error;
  }
}
