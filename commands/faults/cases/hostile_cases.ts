/** Files of shared/cases/hostile: one sentence within 2 s and 200 MiB, and nothing is loaded. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../../src/models/checkpoint/config.ts';
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { openPickle } from '../../../src/models/checkpoint/pickle/open_pickle.ts';
import { readConfig } from '../../../src/models/checkpoint/read_config.ts';
import { openSafetensors } from '../../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { oneStepOf } from '../../../src/models/schedulers/index.ts';
import { openTokenizer } from '../../../src/models/tokenizers/tokenizers.ts';
import { fileSource } from '../../../src/platform/node/node_files.ts';
import { readSettings } from '../../../src/reno/settings/settings.ts';
import { memoryFiles } from '../../parity/fixtures.ts';
import { equal, refusal, type SharedCase } from './shared_case.ts';

const safetensors = async (path: string) => [...(await openSafetensors(await fileSource(path))).entries.keys()];
const pickle = async (path: string) => [...(await openPickle(await fileSource(path))).entries.keys()];

/** A model folder that holds the file under another name, and further texts. */
async function folder(path: string, name: string, more: Readonly<Record<string, string>> = {}): Promise<ModelFiles> {
  return memoryFiles('model', { [name]: await readFile(path), ...more });
}

const tokenizer = async (path: string): Promise<unknown> => {
  const settings = JSON.stringify({ pad_token: '<|endoftext|>', model_max_length: 77 });
  const opened = await openTokenizer(await folder(path, 'tokenizer.json', { 'tokenizer_config.json': settings }));
  return opened.tokenize(`${'a'.repeat(41)}!`);
};
const scheduler = async (path: string): Promise<unknown> => {
  const config: Config = await readConfig(await folder(path, 'scheduler_config.json'), 'scheduler_config.json');
  return oneStepOf(config);
};

function refused(name: string, right: string, read: (path: string) => Promise<unknown>, words: RegExp): SharedCase {
  const path = join('hostile', name);
  return { path, right, bounded: true, check: (file) => refusal(() => read(file), words) };
}

export const HOSTILE_CASES: readonly SharedCase[] = [
  refused(
    'laughs_global30.pt',
    'refused: only strings are names',
    pickle,
    /asks for a Python object by what is no name/,
  ),
  refused('shape_rank100k_x5000.pt', 'refused: at most 64 dimensions', pickle, /has a tensor of 100000 dimensions/),
  refused('dup_member.pt', 'refused: names are unique', pickle, /has two members named a\/data\/0/),
  refused('root_pkl.pt', 'refused: one folder at the root', pickle, /outside the one folder/),
  {
    path: 'hostile/wrong_crc.pt',
    right: 'taken, as by PyTorch: tensors are read in parts, so their sum is never at hand',
    bounded: true,
    check: async (path) => {
      const values = [...(await readFloats(await openPickle(await fileSource(path)), 'w'))];
      equal(values, [666]);
      return `w is ${values}`;
    },
  },
  refused(
    'hole.safetensors',
    'refused, as by safetensors',
    safetensors,
    /has 100 bytes before tensor b that belong to no/,
  ),
  refused('trailing.safetensors', 'refused, as by safetensors', safetensors, /has 110 bytes after its last tensor/),
  refused('metadata_list.safetensors', 'refused, as by safetensors', safetensors, /__metadata__ that is not an object/),
  refused('float_shape.safetensors', 'refused, as by safetensors', safetensors, /tensor a has the invalid shape/),
  refused('deep_shape.safetensors', 'refused: at most 64 levels', safetensors, /is nested deeper than 64 levels/),
  refused('esc.safetensors', 'refused, without its control characters', safetensors, /has the unknown dtype "F99"/),
  refused(
    'id_big.tokenizer.json',
    'refused: ids below the number of tokens',
    tokenizer,
    /has id 99999999; ids are whole/,
  ),
  refused('redos.tokenizer.json', 'refused: known expressions only', tokenizer, /pattern is "\(a\+\)\+\$"/),
  refused(
    'euler_timesteps.scheduler_config.json',
    'refused: at most 100,000 training steps',
    scheduler,
    /num_train_timesteps must be a positive integer of at most 100000, but is 2147483648/,
  ),
  refused(
    'reno_deep.reno.json',
    'refused, with the file named',
    async (path) => readSettings(await folder(path, 'reno.json')),
    /^model\/reno\.json: is nested deeper than 64 levels/,
  ),
];
