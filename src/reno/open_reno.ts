/** Opens a model folder with its own settings, some of them changed. */
import type { ModelFiles } from '../models/checkpoint/files.ts';
import type { Device } from '../tensor/device/device.ts';
import { withMethod } from './search/method.ts';
import { type Planning, Reno } from './session.ts';
import { type RenoSettings, readSettings, withSettings } from './settings/settings.ts';

/** Settings that differ from the model folder's own, and how to plan. */
export interface RenoOptions extends Partial<RenoSettings> {
  /** The model's name in the history. Default: the folder's. */
  readonly model?: string;
  /** Planning options other than the defaults. */
  readonly planning?: Planning;
}

/**
 * Reads a model folder (generator/, a folder for each reward, reno.json), compiles it and uploads the weights.
 * @throws Error, one sentence: a file that is missing, broken or does not fit, or a GPU that is too small
 */
export async function openRenoFrom(device: Device, files: ModelFiles, options: RenoOptions = {}): Promise<Reno> {
  const { model = files.name, planning, ...changed } = options;
  const settings = withSettings(withMethod(await readSettings(files), changed), changed);
  return Reno.open(device, model, files, settings, planning);
}
