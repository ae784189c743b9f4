/** weights/manifest.json: the public checkpoints that ReNO's paper ran, and what is needed of each. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Config } from '../models/config.ts';
import { PACKAGE_ROOT } from './shared.ts';

export interface ManifestFile {
  /** In the repository. */
  readonly path: string;
  /** Files that serve as well, such as another precision. */
  readonly or: readonly string[];
  /** Exactly, where it is known. */
  readonly bytes: number | null;
  /** About, from the number of parameters. */
  readonly gigabytes: number | null;
  /** Where it is published beside the hub. */
  readonly sha256: string | null;
}

export interface ManifestEntry {
  readonly name: string;
  /** What ReNO uses it for. */
  readonly role: string;
  readonly repo: string;
  readonly revision: string;
  /** Null: only the repository's page says. It decides in any case. */
  readonly licence: string | null;
  /** Read only with a token whose account accepted the terms on the repository's page. */
  readonly gated: boolean;
  readonly files: readonly ManifestFile[];
}

export interface Manifest {
  readonly checkpoints: readonly ManifestEntry[];
}

/** @throws Error naming file and key where the manifest is not as described */
export function readManifest(path = join(PACKAGE_ROOT, 'weights/manifest.json')): Manifest {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path}: cannot be read as JSON (${error instanceof Error ? error.message : error})`);
  }
  const manifest = new Config(path, parsed);
  if (manifest.number('format') !== 1) {
    manifest.fail('format', 'must be 1');
  }
  return { checkpoints: sections(manifest, 'checkpoints').map(readEntry) };
}

function readEntry(entry: Config): ManifestEntry {
  return {
    name: entry.string('name'),
    role: entry.string('role'),
    repo: entry.string('repo'),
    revision: entry.string('revision', 'main'),
    licence: entry.has('licence') ? entry.string('licence') : null,
    gated: entry.boolean('gated', false),
    files: sections(entry, 'files').map((file) => ({
      path: file.string('path'),
      or: file.has('or') ? file.strings('or') : [],
      bytes: file.has('bytes') ? file.count('bytes') : null,
      gigabytes: file.has('gigabytes') ? file.number('gigabytes') : null,
      sha256: file.has('sha256') ? file.string('sha256') : null,
    })),
  };
}

function sections(config: Config, key: string): Config[] {
  const list = config.value(key);
  if (!Array.isArray(list)) {
    return config.fail(key, 'must be a list');
  }
  return list.map((item: unknown, i) => new Config(`${config.file} (${key} ${i})`, item));
}
