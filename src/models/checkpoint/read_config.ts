/**
 * Reads config.json of a model folder. It stands apart from `Config`: bundles load some readers of `Config` late, and a bundler puts
 * into each program that imports the library what those share with the public names, such as this one.
 */
import { Config } from './config.ts';
import type { ModelFiles } from './files.ts';
import { parseJson } from './json.ts';

/** Reads a JSON config from a model folder. @throws Error naming the file when it is missing or not JSON */
export async function readConfig(files: ModelFiles, path = 'config.json'): Promise<Config> {
  const text = await files.readText(path);
  const file = `${files.name}/${path}`;
  return new Config(file, parseJson(text, file), files.warn);
}
