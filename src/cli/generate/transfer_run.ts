/** `--transfer`: a model of several steps starts from the noise of a run. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ModelFiles, subfolder } from '../../models/checkpoint/files.ts';
import { nodeFiles } from '../../platform/node/node_files.ts';
import type { Generated } from '../../reno/session.ts';
import type { RenoSettings } from '../../reno/settings/settings.ts';
import type { TaskName } from '../../reno/tasks/tasks.ts';
import { checkTransfer, type TransferOptions, type Transferred, transferNoise } from '../../reno/transfer.ts';
import type { Device } from '../../tensor/device/device.ts';
import { type Args, countFlag, numberFlag, textFlag } from '../flags/args.ts';
import { isFolder } from '../is_folder.ts';
import { UsageError } from '../usage_error.ts';
import { type ChosenModel, weightsFolder } from '../weights/chosen_model.ts';
import { publishedModel } from '../weights/published_models.ts';

export const transferFlags = {
  transfer: {
    type: 'string',
    description: 'Also start this model of several steps from the noise: folder, hf:owner/name or flux-schnell',
    valueHint: 'folder',
  },
  steps: { type: 'string', description: 'Steps of --transfer (default 50, FLUX 4)', valueHint: 'n' },
  guidance: {
    type: 'string',
    description: 'Guidance scale of --transfer, at most 1 for none (default 7.5, SDXL 5, FLUX none)',
    valueHint: 'number',
  },
} as const;

export interface ChosenTransfer {
  readonly name: string;
  readonly files: ModelFiles;
  readonly options: Omit<TransferOptions, 'dtype'>;
}

/** The model of --transfer and its options. @throws UsageError for flags that exclude each other, Error when the folder does not exist */
export function chosenTransfer(args: Args, task: TaskName): ChosenTransfer | undefined {
  const given = textFlag(args, 'transfer');
  const steps = countFlag(args, 'steps', 1);
  const guidance = numberFlag(args, 'guidance', 0);
  if (given === undefined) {
    if (steps !== undefined || guidance !== undefined) {
      throw new UsageError('--steps and --guidance are for the model of --transfer, which is missing');
    }
    return undefined;
  }
  if (task !== 'single') {
    throw new UsageError(`--transfer goes with one --prompt, not with task ${task}`);
  }
  const options = { ...(steps === undefined ? {} : { steps }), ...(guidance === undefined ? {} : { guidance }) };
  const published = publishedModel(given);
  if (published) {
    published.assertHere([]);
    return { name: given, files: subfolder(published.files, 'generator'), options };
  }
  const folder = weightsFolder(given, '--transfer');
  if (!isFolder(folder)) {
    throw new Error(`${folder}: there is no such folder; --transfer is read from it`);
  }
  const files = nodeFiles(folder);
  // A model folder of this tool keeps its diffusers folder as `generator`.
  const inside = !existsSync(join(folder, 'model_index.json')) && existsSync(join(folder, 'generator'));
  return { name: given, files: inside ? subfolder(files, 'generator') : files, options };
}

/** Checks before a long run that the transfer after it can work. @throws Error, one sentence, where it cannot */
export async function assertTransferFits(
  transfer: ChosenTransfer,
  model: ChosenModel,
  settings: RenoSettings,
): Promise<void> {
  await checkTransfer(transfer, model.files, settings, transfer.options);
}

/** Makes the pictures. The caller has freed the run's own networks, so that memory need not hold both. */
export async function transferRun(
  device: Device,
  transfer: ChosenTransfer,
  { trajectory, history }: Generated,
  signal: AbortSignal,
): Promise<Transferred> {
  console.error(`the same noise in ${transfer.name} …`);
  const run = { history, bestLatents: trajectory.bestLatents, signal };
  return await transferNoise(device, transfer, run, { ...transfer.options, dtype: history.config.dtype });
}
