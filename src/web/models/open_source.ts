/** Opens the files of a model, wherever they come from. */
import { bytesSource } from '../../models/checkpoint/byte_source.ts';
import { type ModelFiles, type Mount, mounted } from '../../models/checkpoint/files.ts';
import { folderFiles } from '../../platform/browser/folder_files.ts';
import { HubFiles } from '../../platform/browser/hub_files.ts';
import { type OnBytes, packedFiles } from '../../platform/browser/packed_files.ts';
import type { ModelSource, PublishedList } from './model_source.ts';

/** A model folder, and what of it can be downloaded. */
export interface OpenedSource {
  /** The name of the model in histories. */
  readonly name: string;
  readonly files: ModelFiles;
  readonly hubs: readonly HubFiles[];
  /** Gives back bytes that are in memory. */
  release(): void;
}

/** @throws Error, one sentence: what is missing, and what to choose instead */
export async function openSource(source: ModelSource, onBytes: OnBytes): Promise<OpenedSource> {
  if (source.kind === 'pocket') {
    const files = await packedFiles(source.list, onBytes);
    return { name: 'pocket', files, hubs: [], release: () => files.release() };
  }
  const published: PublishedList = await (await fetch(source.published)).json();
  const repos = new Map<string, HubFiles>();
  const hub = (checkpoint: string): HubFiles => {
    const repo = published.repos[checkpoint] ?? checkpoint;
    const opened = repos.get(repo) ?? new HubFiles(repo);
    repos.set(repo, opened);
    return opened;
  };
  const mountOf = (part: PublishedList['rewards'][number]): Mount =>
    'package' in part
      ? { at: part.at, files: packagedFiles(published), from: part.package }
      : { at: part.at, files: hub(part.checkpoint), from: part.from ?? '' };
  const rewards = published.rewards.filter(({ at }) => source.rewards.includes(at.split('/')[0] ?? '')).map(mountOf);
  const own = source.kind === 'folder' ? folderMounts(source) : hubMounts(source.name, published, mountOf, hub);
  const files = mounted(source.name, [...own, ...rewards]);
  return { name: source.name, files, hubs: [...repos.values()], release: () => {} };
}

/** A folder that has `generator/`, or that is itself what diffusers saves. */
function folderMounts({ name, files }: Extract<ModelSource, { kind: 'folder' }>): Mount[] {
  const folder = folderFiles(name, new Map(files));
  const has = (path: string): boolean => files.some(([own]) => own === path);
  const whole: Mount = { at: '', files: folder, from: '' };
  if (has('generator/model_index.json')) {
    return [whole];
  }
  if (has('model_index.json')) {
    return [whole, { at: 'generator', files: folder, from: '' }];
  }
  throw new Error(
    `${name}: has no model_index.json; choose the folder that diffusers saved, with model_index.json, unet or transformer, vae and text_encoder in it`,
  );
}

function hubMounts(
  name: string,
  { models }: PublishedList,
  mountOf: (part: PublishedList['rewards'][number]) => Mount,
  hub: (repo: string) => HubFiles,
): Mount[] {
  const model = models.find((one) => one.name === name);
  return model ? model.parts.map(mountOf) : [{ at: 'generator', files: hub(name), from: '' }];
}

/** The files of `weights` that published models take from this package. */
function packagedFiles({ packaged }: PublishedList): ModelFiles {
  const text = (path: string): string => {
    const found = packaged[path];
    if (found === undefined) {
      throw new Error(`${path}: the page was built without this file`);
    }
    return found;
  };
  return {
    name: 'weights',
    has: async (path) => path in packaged,
    read: async (path) => bytesSource(path, new TextEncoder().encode(text(path))),
    readText: async (path) => text(path),
  };
}
