/** Reads checkpoints since PyTorch 1.6: a zip archive of data.pkl and one member for each storage. */
import type { ByteSource } from '../byte_source.ts';
import { printable } from '../messages.ts';
import { CHECKPOINT_BUDGET, ReadMeter } from '../read_budget.ts';
import { PickleEnds } from './reader.ts';
import { unpickle } from './unpickler.ts';
import type { PickledCheckpoint, PickleStorage, PickleValue } from './values.ts';
import { readMember, readZip, startOf, type ZipEntry } from './zip.ts';

/** Versions of the archive's layout that PyTorch reads (caffe2/serialize/versions.h). */
const [OLDEST, NEWEST] = [1, 10];
/** Members that PyTorch reads beside the tensors, and the form that torch.save gives them. */
const NOTES: readonly (readonly [name: string, form: RegExp])[] = [
  ['.format_version', /^\d+$/],
  ['.storage_alignment', /^\d+$/],
  ['.data/serialization_id', /^\d+$/],
];
/** Longer than any of those members, in bytes. */
const SHORT = 100;

export async function readArchive(source: ByteSource): Promise<PickledCheckpoint> {
  const members = await readZip(source, new ReadMeter(CHECKPOINT_BUDGET));
  const [pickle, second] = [...members.values()].filter(({ name }) => /^([^/]*\/)?data\.pkl$/.test(name));
  if (!pickle) {
    throw new Error('is a zip archive without data.pkl, so no PyTorch checkpoint');
  }
  const folder = pickle.name.slice(0, -'data.pkl'.length);
  const outside = second ?? [...members.values()].find(({ name }) => !name.startsWith(folder));
  if (folder === '' || outside) {
    throw new Error(`has ${printable((outside ?? pickle).name)} outside the one folder that torch.save writes`);
  }
  if (members.has(`${folder}constants.pkl`)) {
    throw new Error('is a TorchScript archive, which holds a program; save model.state_dict() instead');
  }
  const version = await shortText(source, members.get(`${folder}.data/version`) ?? members.get(`${folder}version`));
  if (!/^\d+\n?$/.test(version) || Number(version) < OLDEST || Number(version) > NEWEST) {
    throw new Error(`has the version "${printable(version)}" where one of ${OLDEST} to ${NEWEST} should be`);
  }
  const order = members.get(`${folder}byteorder`);
  const text = order ? await shortText(source, order) : 'little';
  if (text !== 'little') {
    throw new Error(`has its bytes in the order "${printable(text)}"; save it again on a little-endian machine`);
  }
  for (const [name, form] of NOTES) {
    const member = members.get(folder + name);
    if (member && !form.test(await shortText(source, member))) {
      throw new Error(`has something other than a number in ${printable(folder + name)}; download or save it again`);
    }
  }
  new ReadMeter(CHECKPOINT_BUDGET).bytes(pickle.size, 'its data.pkl');
  const root = unpickleWhole(await readMember(source, pickle));
  const locate = async (storage: PickleStorage): Promise<number> => {
    const member = members.get(`${folder}data/${storage.key}`);
    const bytes = storage.count * storage.itemBytes;
    if (member?.size !== bytes) {
      throw new Error(
        `has ${member?.size ?? 'no'} bytes in storage ${printable(storage.key)} where ${bytes} should be`,
      );
    }
    return startOf(source, member);
  };
  return { root, locate };
}

async function shortText(source: ByteSource, member: ZipEntry | undefined): Promise<string> {
  return member && member.size < SHORT ? new TextDecoder().decode(await readMember(source, member)) : '';
}

function unpickleWhole(bytes: Uint8Array): PickleValue {
  try {
    return unpickle(bytes, new ReadMeter(CHECKPOINT_BUDGET), false).value;
  } catch (error) {
    throw error instanceof PickleEnds ? new Error('is truncated: data.pkl ends inside') : error;
  }
}
