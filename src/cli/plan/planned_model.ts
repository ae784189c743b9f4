/** The model folders that can be planned: those on a disk, and published ones without their values. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ModelFiles, type Mount, mounted } from '../../models/checkpoint/files.ts';
import { nodeFiles } from '../../platform/node/node_files.ts';
import { PACKAGE_ROOT } from '../../platform/node/package_root.ts';
import { REWARD_NAMES } from '../../reno/rewards/index.ts';
import { isFolder } from '../is_folder.ts';
import { UsageError } from '../usage_error.ts';
import { weightsFolder } from '../weights/chosen_model.ts';
import { headerOnlyFiles, withoutTokenizers } from './header_only_files.ts';
import { findPublished, joined, PUBLISHED_NAMES, type PublishedLayout, publishedLayout } from './published_layout.ts';

export const PLANNED_MODELS: readonly string[] = ['pocket', ...PUBLISHED_NAMES];

export interface PlannedModel {
  readonly name: string;
  readonly files: ModelFiles;
  /** The folder of a model that is read from one. */
  readonly folder?: string;
}

/**
 * Finds the files of a model that is to be planned.
 * @param model one of PLANNED_MODELS (`pixart` is short for pixart-dmd), or a model's or generator's folder (or
 * hf:owner/name in the Hugging Face cache), which is planned from its own headers
 * @throws UsageError when there is neither such a model nor such a folder
 */
export function plannedModel(model: string): PlannedModel {
  if (model === 'pocket') {
    const folder = join(PACKAGE_ROOT, 'weights/pocket');
    return { name: model, files: nodeFiles(folder), folder };
  }
  const name = findPublished(model);
  if (name) {
    const published = headerOnlyFiles(name, joined([publishedLayout(name, 'generator'), ...publishedRewards()]));
    const mounts = [{ at: '', files: published, from: '' }, publishedSettings(name)];
    return { name, files: mounted(name, mounts) };
  }
  const folder = weightsFolder(model, '--model');
  if (!isFolder(folder)) {
    throw new UsageError(`there is no model or folder "${model}"; the models are ${PLANNED_MODELS.join(', ')}`);
  }
  const files = withoutTokenizers(nodeFiles(folder));
  if (!existsSync(join(folder, 'model_index.json'))) {
    return { name: model, files, folder };
  }
  // A generator as diffusers saves it has no rewards: the published ones stand in.
  const rewards = headerOnlyFiles(model, joined(publishedRewards()));
  const mounts = [{ at: '', files: rewards, from: '' }, { at: 'generator', files, from: '' }, publishedSettings()];
  return { name: model, files: mounted(model, mounts) };
}

const publishedRewards = (): PublishedLayout[] => REWARD_NAMES.map((name) => publishedLayout(name, name));

/** The reno.json of a published model, or the one that all published models share. */
function publishedSettings(name = ''): Mount {
  const published = join(PACKAGE_ROOT, 'weights/published');
  const own = join(name, 'reno.json');
  return {
    at: 'reno.json',
    files: nodeFiles(published),
    from: existsSync(join(published, own)) ? own : 'reno.json',
  };
}
