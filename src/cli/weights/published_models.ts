/** The paper's models as model folders: the manifest says which public checkpoints are their parts. */
import { join } from 'node:path';
import { type ModelFiles, type Mount, mounted } from '../../models/checkpoint/files.ts';
import { nodeFiles } from '../../platform/node/node_files.ts';
import { PACKAGE_ROOT } from '../../platform/node/package_root.ts';
import { findCheckpoint, isWhole } from './cached_checkpoints.ts';
import { hubCacheFolder, repoFolder, snapshotFolder } from './hub_cache.ts';
import { type Manifest, type ManifestEntry, type ManifestModel, type ManifestPart, readManifest } from './manifest.ts';

interface PublishedModel {
  readonly name: string;
  readonly files: ModelFiles;
  /** @throws Error, one sentence with the command to type, where the generator or one of these rewards is not here */
  assertHere(rewards: readonly string[]): void;
}

/** Finds a model of the manifest. @returns null where there is none of this name */
export function publishedModel(name: string, manifest = readManifest()): PublishedModel | null {
  const model = manifest.models.find((one) => one.name === name);
  if (!model) {
    return null;
  }
  const mounts = [...model.parts, ...manifest.rewards].map((part) => mountOf(part, manifest));
  return {
    name,
    files: mounted(name, mounts),
    assertHere: (rewards) => {
      const missing = checkpointsOf(model, manifest, rewards).filter((entry) => !isWhole(findCheckpoint(entry)));
      if (missing.length > 0) {
        const list = missing.map((entry) => `${entry.name} (${entry.repo})`).join(', ');
        const command = `reno weights pull ${missing.map((entry) => entry.name).join(' ')}`;
        throw new Error(`model ${name} needs ${list}, not yet whole in ${hubCacheFolder()}; get it with: ${command}`);
      }
    },
  };
}

/** The checkpoints of the generator and of these rewards, each once. */
export function checkpointsOf(
  model: ManifestModel,
  manifest: Manifest,
  rewards: readonly string[],
): readonly ManifestEntry[] {
  const chosen = manifest.rewards.filter(({ at }) => rewards.includes(at.split('/')[0] ?? ''));
  const entries = [...model.parts, ...chosen].flatMap((part) =>
    'checkpoint' in part ? [entryOf(part.checkpoint, manifest)] : [],
  );
  return [...new Set(entries)];
}

function mountOf(part: ManifestPart, manifest: Manifest): Mount {
  if ('package' in part) {
    return { at: part.at, files: nodeFiles(join(PACKAGE_ROOT, 'weights')), from: part.package };
  }
  // Mounted even where it is missing, so that a file of another checkpoint at the same path does not take its place.
  const entry = entryOf(part.checkpoint, manifest);
  return { at: part.at, files: nodeFiles(snapshotFolder(entry) ?? repoFolder(entry.repo)), from: part.from };
}

function entryOf(name: string, manifest: Manifest): ManifestEntry {
  const entry = manifest.checkpoints.find((one) => one.name === name);
  if (!entry) {
    throw new Error(`weights/manifest.json: there is no checkpoint "${name}", which a model or reward is made of`);
  }
  return entry;
}
