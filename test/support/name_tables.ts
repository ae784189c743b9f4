/** Names and shapes of the full-size networks (tools/reference/name_tables.py). */
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';

export interface NameTable {
  readonly network: string;
  readonly versions: string;
  readonly parameters: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: readonly (readonly [name: string, shape: readonly number[]])[];
}

export async function nameTable(network: string): Promise<NameTable> {
  const bytes = await readFile(new URL(`../fixtures/names/${network}.json.gz`, import.meta.url));
  return JSON.parse(gunzipSync(bytes).toString('utf8')) as NameTable;
}
