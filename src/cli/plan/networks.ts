/**
 * Tables of the public networks that ReNO's paper ran: the configuration, and the names and shapes of all tensors in the spelling
 * of the published files (weights/published/networks, made by python/reference/name_tables.py).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { PACKAGE_ROOT } from '../../platform/node/package_root.ts';
import type { Shape } from '../../tensor/types.ts';

export interface NetworkTable {
  readonly network: string;
  /** Versions of the libraries that the names come from. */
  readonly versions: string;
  readonly parameters: number;
  /** The entries of config.json that matter, and `_class_name`. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: readonly (readonly [name: string, shape: Shape])[];
}

export const NETWORKS_FOLDER = join(PACKAGE_ROOT, 'weights/published/networks');

/** Reads a network's table. @throws Error when there is none of this name */
export function networkTable(network: string): NetworkTable {
  const bytes = readFileSync(join(NETWORKS_FOLDER, `${network}.json.gz`));
  return JSON.parse(gunzipSync(bytes).toString('utf8')) as NetworkTable;
}
