/** weights/manifest.json: the public checkpoints that ReNO's paper ran, and the files that are needed from each. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Config, inertKeys } from '../../models/checkpoint/config.ts';
import { PACKAGE_ROOT } from '../../platform/node/package_root.ts';

export interface ManifestFile {
  /** In the repository. */
  readonly path: string;
  /** Other files that can take its place, such as another precision. */
  readonly or: readonly ManifestFile[];
  /** The shards that an index names, where their sizes or hashes are published. */
  readonly shards: readonly ManifestFile[];
  /** The exact size, where it is known. */
  readonly bytes: number | null;
  /** The approximate size, from the number of parameters. */
  readonly gigabytes: number | null;
  /** The SHA-256, where it is published elsewhere than on the hub. */
  readonly sha256: string | null;
}

export interface ManifestEntry {
  readonly name: string;
  /** `decoder`: a whole decoder, which can take the place of a generator's own (`--decoder`). Null: anything else. */
  readonly kind: 'decoder' | null;
  /** Its use in ReNO, for people. */
  readonly role: string;
  readonly repo: string;
  readonly revision: string;
  /** Null: only the repository's page states it. That page decides in any case. */
  readonly licence: string | null;
  /** Whether a download needs the token of an account that accepted the terms on the repository's page. */
  readonly gated: boolean;
  readonly files: readonly ManifestFile[];
}

/** The source of one path in a model folder: a folder or a file of a checkpoint, or of this package's `weights`. */
export type ManifestPart = { readonly at: string } & (
  | { readonly checkpoint: string; readonly from: string }
  | { readonly package: string }
);

/** A model folder whose parts are checkpoints; the rewards are the same for all models. */
export interface ManifestModel {
  readonly name: string;
  readonly parts: readonly ManifestPart[];
}

export interface Manifest {
  readonly checkpoints: readonly ManifestEntry[];
  readonly models: readonly ManifestModel[];
  readonly rewards: readonly ManifestPart[];
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
  return {
    checkpoints: sections(manifest, 'checkpoints').map(readEntry),
    models: sections(manifest, 'models').map((model) => ({
      name: model.string('name'),
      parts: sections(model, 'parts').map(readPart),
    })),
    rewards: sections(manifest, 'rewards').map(readPart),
  };
}

function readEntry(entry: Config): ManifestEntry {
  const read: ManifestEntry = {
    name: entry.string('name'),
    kind: entry.has('kind') ? entry.oneOf('kind', ['decoder']) : null,
    role: entry.string('role'),
    repo: entry.string('repo'),
    revision: entry.string('revision', 'main'),
    licence: entry.has('licence') ? entry.string('licence') : null,
    gated: entry.boolean('gated', false),
    files: sections(entry, 'files').map(readFile),
  };
  entry.assertAllKnown(inertKeys());
  return read;
}

function readFile(file: Config): ManifestFile {
  const sha256 = file.has('sha256') ? file.string('sha256') : null;
  if (sha256 !== null && !/^[0-9a-f]{64}$/.test(sha256)) {
    file.fail('sha256', 'must be 64 hexadecimal digits');
  }
  const read: ManifestFile = {
    path: file.string('path'),
    or: file.has('or') ? sections(file, 'or').map(readFile) : [],
    shards: file.has('shards') ? sections(file, 'shards').map(readFile) : [],
    bytes: file.has('bytes') ? file.count('bytes', undefined, Number.MAX_SAFE_INTEGER) : null,
    gigabytes: file.has('gigabytes') ? file.number('gigabytes') : null,
    sha256,
  };
  file.assertAllKnown(inertKeys());
  return read;
}

/** Returns what the manifest says about a file of the repository: one of its files, or of their substitutes and shards. */
export function describedFile(entry: ManifestEntry, path: string): ManifestFile | undefined {
  return entry.files.flatMap((file) => [file, ...file.or, ...file.shards]).find((file) => file.path === path);
}

function readPart(part: Config): ManifestPart {
  const at = part.string('at');
  return part.has('package')
    ? { at, package: part.string('package') }
    : { at, checkpoint: part.string('checkpoint'), from: part.string('from', '') };
}

/** The objects of a list; a text stands for an object with this `path`. */
function sections(config: Config, key: string): Config[] {
  const list = config.value(key);
  if (!Array.isArray(list)) {
    return config.fail(key, 'must be a list');
  }
  return list.map(
    (item: unknown, i) => new Config(`${config.file} (${key} ${i})`, typeof item === 'string' ? { path: item } : item),
  );
}
