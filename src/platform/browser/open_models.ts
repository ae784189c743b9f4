/** Model folders behind a URL, opened from a browser. */
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import { openRenoFrom, type RenoOptions } from '../../reno/open_reno.ts';
import { Scorer, type ScorerOptions } from '../../reno/rewards/scorer.ts';
import type { Reno } from '../../reno/session.ts';
import type { Device } from '../../tensor/device/device.ts';
import { httpFiles } from '../http_files.ts';

/** Settings of a run, and where its networks come from. */
export interface OpenRenoOptions extends RenoOptions {
  /** A model folder: its URL, or its files. The package's `weights/pocket` can be served beside the page. */
  readonly weights: string | URL | ModelFiles;
}

/** The files of a model folder, such as diffusers and transformers save, behind a URL. */
export function modelFolder(place: string | URL): ModelFiles {
  return httpFiles(String(place));
}

/**
 * Opens ReNO: reads a generator and its rewards, compiles them and uploads the weights.
 * @throws Error, one sentence: a file that is missing, broken or does not fit, or a GPU that is too small
 */
export function openReno(device: Device, { weights, ...rest }: OpenRenoOptions): Promise<Reno> {
  return openRenoFrom(device, filesOf(weights), rest);
}

/**
 * Opens a reward network, to score pictures against prompts.
 * @param name one of `REWARD_NAMES`, such as `clip` or `pick_score`
 * @param weights the reward's folder: its URL, or its files
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
