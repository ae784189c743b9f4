/**
 * The public repositories' folders as data: weights/published/NAME/layout.json lists a generator's or reward's small JSON
 * files, the network in each weight file, and the tokenizers.
 */
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { PACKAGE_ROOT } from '../../platform/node/package_root.ts';
import { readManifest } from '../weights/manifest.ts';

export interface PublishedWeights {
  /** The file; for `shards` the name of their index without `.index.json`. */
  readonly path: string;
  /** Names and shapes of its tensors: weights/published/networks/NETWORK.json.gz. */
  readonly network: string;
  readonly dtype: 'F16' | 'F32';
  /** `shards`: several safetensors files with an index; `torch`: a file as torch.save writes it. */
  readonly format: 'safetensors' | 'shards' | 'torch';
  /** For `torch`: the key of the state dict. */
  readonly under?: string;
  /** For `torch`: the safetensors file that a plan reads instead. */
  readonly plannedAs?: string;
}

/** `clip0`: CLIP's, padding with "!" (id 0), as SD 2.1, SD-Turbo and SDXL's second encoder do. */
export type TokenizerKind = 'clip' | 'clip0' | 'bert' | 't5';

/** The contents of a folder; all paths are relative to it. */
export interface PublishedLayout {
  readonly weights: readonly PublishedWeights[];
  /** The kind of the tokenizer in each folder; `.` is the layout's own folder. */
  readonly tokenizers: Readonly<Record<string, TokenizerKind>>;
  /** The JSON files by path. */
  readonly files: Readonly<Record<string, unknown>>;
}

/** The published models by their names in weights/manifest.json. */
export const PUBLISHED_NAMES: readonly string[] = readManifest().models.map(({ name }) => name);

const SHORT_NAMES: Readonly<Record<string, string>> = { pixart: 'pixart-dmd' };

/** The name of a published model; `pixart` is short for pixart-dmd. */
export function findPublished(model: string): string | undefined {
  return PUBLISHED_NAMES.find((name) => name === model || name === SHORT_NAMES[model]);
}

/**
 * The layout of a published generator or reward.
 * @param at its folder in a model folder, which all paths of the result begin with
 */
export function publishedLayout(name: string, at: string): PublishedLayout {
  const path = join(PACKAGE_ROOT, 'weights/published', name, 'layout.json');
  const { weights, tokenizers, files } = JSON.parse(readFileSync(path, 'utf8')) as PublishedLayout;
  const inside = <T>([folder, value]: readonly [string, T]): [string, T] => [posix.join(at, folder), value];
  return {
    weights: weights.map(({ plannedAs, ...entry }) => ({
      ...entry,
      path: posix.join(at, entry.path),
      ...(plannedAs === undefined ? {} : { plannedAs: posix.join(at, plannedAs) }),
    })),
    tokenizers: Object.fromEntries(Object.entries(tokenizers).map(inside)),
    files: Object.fromEntries(Object.entries(files).map(inside)),
  };
}

/** One layout for several folders of a model folder. */
export function joined(layouts: readonly PublishedLayout[]): PublishedLayout {
  return {
    weights: layouts.flatMap(({ weights }) => weights),
    tokenizers: Object.assign({}, ...layouts.map(({ tokenizers }) => tokenizers)),
    files: Object.assign({}, ...layouts.map(({ files }) => files)),
  };
}
