/** Writes published model folders (weights/published) with seeded weights. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { networkTable } from '../../src/cli/plan/networks.ts';
import {
  findPublished,
  PUBLISHED_NAMES,
  type PublishedLayout,
  type PublishedWeights,
  publishedLayout,
  type TokenizerKind,
} from '../../src/cli/plan/published_layout.ts';
import { REWARDS } from '../../src/reno/rewards/index.ts';
import { bytesOf, type SeededTensor, writeSafetensorsFile, writeTorchFile } from './write_tensors.ts';

/** Bytes of a shard at most, as transformers saves what is large. */
const SHARD = 5e9;

/** `tokenizers` has the public `clip`, `bert` and `t5` tokenizers. */
export class Folder {
  readonly #root: string;
  readonly #tokenizers: string;
  readonly #say: (line: string) => void;

  constructor(root: string, tokenizers: string, say: (line: string) => void) {
    this.#root = root;
    this.#tokenizers = tokenizers;
    this.#say = say;
  }

  write({ files, tokenizers, weights }: PublishedLayout): void {
    for (const [path, value] of Object.entries(files)) {
      this.#json(path, value);
    }
    for (const [folder, kind] of Object.entries(tokenizers)) {
      this.#tokenizer(kind, folder);
    }
    for (const entry of weights) {
      this.#weights(entry);
    }
  }

  #path(path: string): string {
    const full = join(this.#root, path);
    mkdirSync(dirname(full), { recursive: true });
    return full;
  }

  #json(path: string, value: unknown): void {
    writeFileSync(this.#path(path), `${JSON.stringify(value, null, 2)}\n`);
  }

  #tokenizer(kind: TokenizerKind, folder: string): void {
    const clip = ['tokenizer.json', 'vocab.json', 'merges.txt', 'tokenizer_config.json', 'special_tokens_map.json'];
    const files = {
      clip,
      clip0: clip,
      bert: ['tokenizer.json'],
      t5: ['tokenizer.json', 'tokenizer_config.json', 'spiece.model'],
    };
    for (const file of files[kind]) {
      copyFileSync(join(this.#tokenizers, kind === 'clip0' ? 'clip' : kind, file), this.#path(join(folder, file)));
      chmodSync(this.#path(join(folder, file)), 0o644);
    }
    if (kind === 'clip0') {
      const path = join(folder, 'tokenizer_config.json');
      const config = JSON.parse(readFileSync(this.#path(path), 'utf8'));
      const pad = { content: '!', lstrip: false, normalized: false, rstrip: false, single_word: false, special: true };
      const added_tokens_decoder = { 0: pad, ...config.added_tokens_decoder };
      this.#json(path, { ...config, added_tokens_decoder, pad_token: '!' });
    }
  }

  #weights({ path, network, dtype, format, under }: PublishedWeights): void {
    const tensors = networkTable(network).tensors.map(([name, shape]): SeededTensor => {
      return { name, shape, dtype, seed: `${network}/${name}` };
    });
    if (format === 'shards') {
      this.#shards(path, tensors);
      return;
    }
    const start = performance.now();
    if (format === 'torch') {
      writeTorchFile(this.#path(path), tensors, under);
    } else {
      writeSafetensorsFile(this.#path(path), tensors);
    }
    this.#say(`${path}: ${gigabytes(tensors)} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }

  /** Shards with their index.json. */
  #shards(path: string, all: readonly SeededTensor[]): void {
    const shards: SeededTensor[][] = [[]];
    let size = 0;
    for (const tensor of all) {
      if (size > 0 && size + bytesOf(tensor) > SHARD) {
        shards.push([]);
        size = 0;
      }
      shards.at(-1)?.push(tensor);
      size += bytesOf(tensor);
    }
    const weight_map: Record<string, string> = {};
    const base = path.replace(/\.safetensors$/, '');
    const five = (n: number): string => String(n).padStart(5, '0');
    for (const [i, tensors] of shards.entries()) {
      const file = `${base}-${five(i + 1)}-of-${five(shards.length)}.safetensors`;
      writeSafetensorsFile(this.#path(file), tensors);
      this.#say(`${file}: ${gigabytes(tensors)}`);
      for (const { name } of tensors) {
        weight_map[name] = file.slice(dirname(path).length + 1);
      }
    }
    const total_size = all.reduce((n, t) => n + bytesOf(t), 0);
    this.#json(`${path}.index.json`, { metadata: { total_size }, weight_map });
  }
}

const gigabytes = (tensors: readonly SeededTensor[]): string =>
  `${(tensors.reduce((n, t) => n + bytesOf(t), 0) / 1e9).toFixed(2)} GB`;

const PAPER_REWARDS = REWARDS.filter(({ defaultWeight }) => defaultWeight > 0).map(({ name }) => name);
export const PARTS: readonly string[] = ['generator', ...PAPER_REWARDS];

/** @throws Error when there is no such model or part. */
export function partOf(model: string, part: string): PublishedLayout {
  const generator = findPublished(model);
  const reward = PAPER_REWARDS.find((name) => name === part);
  if (!generator || (part !== 'generator' && !reward)) {
    const models = PUBLISHED_NAMES.join(', ');
    throw new Error(`there is no ${part} of ${model}; models: ${models}; parts: ${PARTS.join(', ')}`);
  }
  return publishedLayout(reward ?? generator, part);
}
