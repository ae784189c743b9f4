/** Model folders on a disk or behind a URL, opened from Node. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import { openRenoFrom, type RenoOptions } from '../../reno/open_reno.ts';
import { Scorer, type ScorerOptions } from '../../reno/rewards/scorer.ts';
import type { Reno } from '../../reno/session.ts';
import type { Device } from '../../tensor/device/device.ts';
import { httpFiles } from '../http_files.ts';
import { nodeFiles } from './node_files.ts';
import { PACKAGE_ROOT } from './package_root.ts';

/** Where the embedded models lie. */
const POCKET = join(PACKAGE_ROOT, 'weights', 'pocket');

/** Settings of a run, and where its networks come from. */
export interface OpenRenoOptions extends RenoOptions {
  /** A model folder: its path or URL, or its files. Default: the pocket models of the package. */
  readonly weights?: string | URL | ModelFiles;
}

/**
 * The files of a model folder, such as diffusers and transformers save.
 * @param place a path, a `file:` URL or an `http(s):` URL
 * @throws Error when a folder on the disk is not there
 */
export function modelFolder(place: string | URL): ModelFiles {
  const text = String(place);
  if (/^https?:/.test(text)) {
    return httpFiles(text);
  }
  const folder = text.startsWith('file:') ? fileURLToPath(text) : text;
  if (!existsSync(folder)) {
    throw new Error(`${folder}: there is no such folder; give a folder with the model's files`);
  }
  return nodeFiles(folder);
}

/** The folder of the pocket models that the package brings: generator, rewards and evaluator. */
export function pocketModels(): ModelFiles {
  return modelFolder(POCKET);
}

/**
 * Opens ReNO: reads a generator and its rewards, compiles them and uploads the weights.
 * @throws Error, one sentence: a file that is missing, broken or does not fit, or a GPU that is too small
 */
export function openReno(device: Device, options: OpenRenoOptions = {}): Promise<Reno> {
  const { weights, ...rest } = options;
  return weights === undefined
    ? openRenoFrom(device, pocketModels(), { model: 'pocket', ...rest })
    : openRenoFrom(device, filesOf(weights), rest);
}

/**
 * Opens a reward network, to score pictures against prompts.
 * @param name one of `REWARD_NAMES`, such as `clip` or `pick_score`
 * @param weights the reward's folder: its path or URL, or its files
 * @throws Error, one sentence: an unknown name, or the file that is missing, broken or does not fit
 */
export function openReward(
  device: Device,
  name: string,
  weights: string | URL | ModelFiles,
  options: ScorerOptions = {},
): Promise<Scorer> {
  return Scorer.open(device, name, filesOf(weights), options);
}

const filesOf = (place: string | URL | ModelFiles): ModelFiles =>
  typeof place === 'string' || place instanceof URL ? modelFolder(place) : place;
