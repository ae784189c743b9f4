/** Finds the weight files of a model folder and opens them by their format. */

import type { ModelFiles } from './files.ts';
import { parseJson } from './json.ts';
import { printable } from './messages.ts';
import { withoutModulePrefix } from './module_prefix.ts';
import { openSafetensors } from './safetensors/open_safetensors.ts';
import type { TensorFile } from './tensor_file.ts';

/** Base names of the same weights in PyTorch's format, where transformers uses another name. */
const BIN_NAMES: Readonly<Record<string, string>> = { model: 'pytorch_model' };

/**
 * Opens the first of these that the folder has: `<base>.safetensors`, its `fp16` variant, the shards of its index; then the
 * same in PyTorch's format: `<base>.bin` (for base `model` also `pytorch_model.bin`), `.pt`, `.pth`, its index; then `published`.
 * @throws Error naming the folder when it has none of them, or what is wrong with a file
 */
export async function openCheckpoint(
  files: ModelFiles,
  base: string,
  published: readonly string[] = [],
): Promise<TensorFile[]> {
  const pickled = [BIN_NAMES[base] ?? base, base];
  const candidates = [
    `${base}.safetensors`,
    `${base}.fp16.safetensors`,
    `${base}.safetensors.index.json`,
    `${base}.safetensors.index.fp16.json`,
    ...new Set(pickled.flatMap((name) => [`${name}.bin`, `${name}.fp16.bin`, `${name}.pt`, `${name}.pth`])),
    ...new Set(pickled.map((name) => `${name}.bin.index.json`)),
    ...published,
  ];
  for (const path of candidates) {
    if (await files.has(path)) {
      const shards = path.endsWith('.json') ? await shardsOf(files, path) : [path];
      return Promise.all(shards.map((shard) => openTensors(files, shard)));
    }
  }
  const others = [`${pickled[0]}.bin`, ...published].join(', ');
  throw new Error(
    `${files.name}: there is no ${base}.safetensors, nor ${others}; give a folder as save_pretrained writes it`,
  );
}

/** @throws Error naming the file and what is wrong with it */
async function openTensors(files: ModelFiles, path: string): Promise<TensorFile> {
  const source = await files.read(path);
  if (path.endsWith('.safetensors')) {
    return withoutModulePrefix(await openSafetensors(source));
  }
  // A page whose models are safetensors never loads the reader of PyTorch's format.
  const { openPickle } = await import('./pickle/open_pickle.ts');
  return openPickle(source);
}

async function shardsOf(files: ModelFiles, index: string): Promise<string[]> {
  return shardNames(`${files.name}/${index}`, await files.readText(index));
}

/**
 * Returns the files that an index of shards names, each once, in the index's own folder.
 * @throws Error naming the index when it is malformed, or names a file outside its folder
 */
export function shardNames(name: string, text: string): string[] {
  const parsed = parseJson(text, name);
  const map = typeof parsed === 'object' && parsed !== null && 'weight_map' in parsed ? parsed.weight_map : undefined;
  const shards = typeof map === 'object' && map !== null ? [...new Set<unknown>(Object.values(map))] : [];
  if (shards.length === 0 || !shards.every((s) => typeof s === 'string')) {
    throw new Error(`${name}: must be JSON with a weight_map from tensor to file; download it again`);
  }
  const outside = shards.find((shard) => !isPlainName(shard));
  if (outside !== undefined) {
    throw new Error(
      `${name}: names the file "${printable(outside)}", and an index names only files of its own folder; download it again`,
    );
  }
  return shards;
}

/** Returns whether this names a file beside the index, on every system: no separator, no drive, no `..`, no control character. */
function isPlainName(name: string): boolean {
  return name.length <= 255 && !/[/\\:\p{Cc}]/u.test(name) && !/^\.{0,2}$/.test(name);
}
