/** Finds the folder of the model that the command line names. */
import { join } from 'node:path';
import { type ModelFiles, type Mount, mounted } from '../../models/checkpoint/files.ts';
import { nodeFiles } from '../../platform/node/node_files.ts';
import { PACKAGE_ROOT } from '../../platform/node/package_root.ts';
import type { RewardName } from '../../reno/rewards/index.ts';
import { type Args, textFlag } from '../flags/args.ts';
import { isFolder } from '../is_folder.ts';
import { UsageError } from '../usage_error.ts';
import { hubCacheFolder, parseHubRepo, snapshotFolder } from './hub_cache.ts';
import { readManifest } from './manifest.ts';
import { publishedModel } from './published_models.ts';

/** The models that come with the package: name and folder. */
const EMBEDDED: Readonly<Record<string, string>> = { pocket: 'weights/pocket' };

export const modelFlags = {
  model: {
    type: 'string',
    description: `Model: ${Object.keys(EMBEDDED).join(', ')}, or a published one (see "reno weights list")`,
    default: 'pocket',
    valueHint: 'name',
  },
  weights: {
    type: 'string',
    description: "Folder, or hf:owner/name in the Hugging Face cache, to read instead of the model's own",
    valueHint: 'folder',
  },
  decoder: {
    type: 'string',
    description: "Another decoder than the model's own, such as taesd (a fast draft): name, folder or hf:owner/name",
    valueHint: 'name',
  },
} as const;

export interface ChosenModel {
  readonly name: string;
  readonly folder: string;
  readonly files: ModelFiles;
  /**
   * Checks that the generator and these rewards are in the cache; absent for a model that is read from one folder.
   * @throws Error, one sentence with the command to type, where one is missing
   */
  readonly assertHere?: (rewards: readonly RewardName[]) => void;
}

/** The model of the flags. @throws UsageError when there is no such model, Error when its folder does not exist */
export function chosenModel(args: Args): ChosenModel {
  const model = modelOf(args);
  const decoder = textFlag(args, 'decoder');
  if (decoder === undefined) {
    return model;
  }
  const own: Mount = { at: '', files: model.files, from: '' };
  const other: Mount = { at: 'generator/vae', files: nodeFiles(decoderFolder(decoder)), from: '' };
  return { ...model, files: mounted(model.files.name, [own, other]) };
}

/** The folder of a decoder, by name or path. @throws UsageError or Error, one sentence, where it is missing */
function decoderFolder(decoder: string): string {
  const entry = readManifest().checkpoints.find(({ name, kind }) => name === decoder && kind === 'decoder');
  if (entry) {
    const folder = snapshotFolder(entry);
    if (folder === null) {
      throw new Error(
        `the decoder ${decoder} is not in ${hubCacheFolder()}; get it with: reno weights pull ${decoder}`,
      );
    }
    return folder;
  }
  const folder = weightsFolder(decoder, '--decoder');
  if (!isFolder(folder)) {
    throw new UsageError(
      `--decoder: there is no folder "${folder}", nor a decoder of this name in "reno weights list"`,
    );
  }
  return folder;
}

function modelOf(args: Args): ChosenModel {
  const name = textFlag(args, 'model') ?? 'pocket';
  const own = Object.hasOwn(EMBEDDED, name) ? EMBEDDED[name] : undefined;
  const given = textFlag(args, 'weights');
  const published = own === undefined ? publishedModel(name) : null;
  if (published && given === undefined) {
    return { ...published, folder: hubCacheFolder() };
  }
  if (own === undefined && !published) {
    const known = [...Object.keys(EMBEDDED), ...readManifest().models.map((model) => model.name)];
    const folder = isFolder(name) ? `; a folder is read with --weights ${name}` : '';
    throw new UsageError(`there is no model "${name}"; the models are ${known.join(', ')}${folder}`);
  }
  const folder = given === undefined ? join(PACKAGE_ROOT, own ?? '') : weightsFolder(given, '--weights');
  if (!isFolder(folder)) {
    throw new Error(`${folder}: there is no such folder; the model ${name} is read from it`);
  }
  return { name, folder, files: nodeFiles(folder) };
}

/**
 * The folder that the text names: a path, or `hf:owner/name@revision` in the Hugging Face cache.
 * @throws UsageError naming `flag` when it is no repository, Error when the cache does not have it
 */
export function weightsFolder(weights: string, flag: string): string {
  if (!weights.startsWith('hf:')) {
    return weights;
  }
  const repo = parseHubRepo(weights.slice('hf:'.length));
  if (!repo) {
    throw new UsageError(`${flag} must be a folder or hf:owner/name@revision, not "${weights}"`);
  }
  const folder = snapshotFolder(repo);
  if (folder === null) {
    const revision = repo.revision === 'main' ? '' : ` --revision ${repo.revision}`;
    throw new Error(`${weights} is not in ${hubCacheFolder()}; get it with: hf download ${repo.repo}${revision}`);
  }
  return folder;
}
