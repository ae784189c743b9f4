/** Files of shared/cases that are read as the reference reads them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readTextFile } from '../../../src/cli/text_file.ts';
import { Config } from '../../../src/models/checkpoint/config.ts';
import { mounted } from '../../../src/models/checkpoint/files.ts';
import { openPickle } from '../../../src/models/checkpoint/pickle/open_pickle.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { openPipeline } from '../../../src/models/pipelines/index.ts';
import { stepsOf } from '../../../src/models/schedulers/index.ts';
import { openTokenizer } from '../../../src/models/tokenizers/tokenizers.ts';
import { fileSource, nodeFiles } from '../../../src/platform/node/node_files.ts';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import { type TaskName, taskItems } from '../../../src/reno/tasks/tasks.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { memoryFiles } from '../../parity/fixtures.ts';
import { CASES_FOLDER, equal, type SharedCase } from './shared_case.ts';

const SIX = [0, 1, 2, 3, 4, 5];

/** A checkpoint that holds these values. */
function tensors(path: string, right: string, expected: Readonly<Record<string, readonly number[]>>): SharedCase {
  return {
    path,
    right,
    bounded: true,
    check: async (file) => {
      const opened = await openPickle(await fileSource(file));
      for (const [name, values] of Object.entries(expected)) {
        equal([...(await readFloats(opened, name))], values);
      }
      return `${Object.keys(expected).join(' and ')} have these values`;
    },
  };
}

function list(path: string, task: Exclude<TaskName, 'single'>, prompts: readonly string[]): SharedCase {
  return {
    path,
    right: 'read as without its byte order mark',
    check: async (file) => {
      const read = taskItems(task, readTextFile('the list of prompts', file), 0).map(({ prompt }) => prompt);
      equal(read, prompts);
      return read.join('; ');
    },
  };
}

export const READING_CASES: readonly SharedCase[] = [
  tensors('pt-stride0/expand.pt', 'ones = 1 1 1 1', { ones: [1, 1, 1, 1] }),
  tensors('pt-stride0/expand2d.pt', 'pos = three rows of 0 to 6', {
    pos: Array.from({ length: 21 }, (_, i) => i % 7),
  }),
  ...[3, 4, 5].map((protocol) => tensors(`pt-legacy-protocols/legacy_proto${protocol}.pth`, 'w = 0 to 5', { w: SIX })),
  tensors('module-prefix/module_prefix.pt', 'w = 0 to 5, without "module."', { w: SIX }),
  list('list-bom/geneval_bom.jsonl', 'geneval', ['a picture of a cup', 'a picture of two cups']),
  list('list-bom/parti_bom.tsv', 'parti-prompts', ['a picture of a cup']),
  {
    path: 'merges-crlf',
    right: 'the ids of the same folder with LF',
    bounded: true,
    check: async (folder) => {
      const text = (name: string) => readFile(join(folder, name), 'utf8');
      const plain = memoryFiles('plain', {
        'vocab.json': await text('vocab.json'),
        'tokenizer_config.json': await text('tokenizer_config.json'),
        'merges.txt': (await text('merges.txt')).replaceAll('\r\n', '\n'),
      });
      const prompt = 'three purple mushrooms and a red car';
      const ids = (await openTokenizer(nodeFiles(folder))).tokenize(prompt);
      equal(ids, (await openTokenizer(plain)).tokenize(prompt));
      equal(ids.length, 9);
      return `7 words are ${ids.length} tokens`;
    },
  },
  {
    path: 't5-half-decomposed',
    right: 'the ids of sentencepiece',
    check: async (folder) => {
      const tokenizer = await openTokenizer(nodeFiles(join(CASES_FOLDER, '../data/tokenizers/t5')), 'T5Tokenizer');
      const texts: Record<string, number[]> = JSON.parse(await readFile(join(folder, 'texts.json'), 'utf8'));
      for (const [text, ids] of Object.entries(texts)) {
        equal(tokenizer.tokenize(text), ids);
      }
      return `${Object.keys(texts).length} texts have these ids`;
    },
  },
  {
    path: 'trailing-48',
    right: "NumPy's timesteps",
    check: async (folder) => {
      const values = { _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'trailing' };
      const counts: Record<string, number[]> = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8'));
      for (const [count, timesteps] of Object.entries(counts)) {
        equal(
          stepsOf(new Config('scheduler', values), Number(count)).steps.map(({ timestep }) => timestep),
          timesteps,
        );
      }
      return `runs of ${Object.keys(counts).join(', ')} steps have them`;
    },
  },
  {
    path: 'sample-size-pair',
    right: 'a picture 64 pixels high and 96 wide',
    check: async (folder) => {
      const files = nodeFiles(join(PACKAGE_ROOT, 'weights/pocket/generator'));
      const config = 'unet/config.json';
      const values = {
        ...JSON.parse(await files.readText(config)),
        ...JSON.parse(await readFile(join(folder, 'patch.json'), 'utf8')),
      };
      const changed = mounted('model', [
        { at: '', files, from: '' },
        { at: config, files: memoryFiles('model', { config: JSON.stringify(values) }), from: 'config' },
      ]);
      const pipeline = await openPipeline(new Graph(), changed);
      equal(pipeline.latentShape(), pipeline.latentShape(64, 96));
      return 'it is';
    },
  },
];
