/** `reno generate`: makes pictures, numbers and a report from one prompt, or from a benchmark's list of prompts. */

import { Reno } from '../../reno/session.ts';
import { type RenoSettings, withSettings } from '../../reno/settings/settings.ts';
import { openSteadyReno } from '../../reno/steady_reno.ts';
import { TASKS, type TaskItem, type TaskName, taskItems } from '../../reno/tasks/tasks.ts';
import { GpuError } from '../../tensor/device/gpu_error.ts';
import { adapterName, openAdapter } from '../adapter.ts';
import { planningFromEnvironment } from '../debug_variable.ts';
import { EXIT } from '../exit_codes.ts';
import { type Args, type Command, countFlag, isSet, textFlag } from '../flags/args.ts';
import { assertOnePicture, settingsFlags, settingsFrom } from '../flags/settings_flags.ts';
import { adapterChoice, adapterFlags, jsonFlag, printJson } from '../flags/shared.ts';
import { USELESS_FLAGS } from '../flags/useless_flags.ts';
import { Interruption } from '../interruption.ts';
import { RunStore } from '../run_store/run_store.ts';
import { readTextFile } from '../text_file.ts';
import { sentenceOf, UsageError } from '../usage_error.ts';
import { type ChosenModel, chosenModel, modelFlags } from '../weights/chosen_model.ts';
import { fingerprint, recorded } from '../weights/model_fingerprint.ts';
import type { GenerateRun } from './generate_run.ts';
import { generateList } from './list_run.ts';
import { OutFolder } from './out_folder.ts';
import { generateOne } from './single_run.ts';
import { assertTransferFits, chosenTransfer, transferFlags } from './transfer_run.ts';

export const generateCommand: Command = {
  meta: {
    name: 'generate',
    description: 'Make a picture and optimise its noise: pictures, history and report in a folder',
  },
  args: {
    prompt: { type: 'string', alias: ['p'], description: 'What the picture shows', valueHint: 'text' },
    seed: {
      type: 'string',
      description: 'Seed of the noise, a whole number from 0 to 2^53 - 1',
      default: '0',
      valueHint: 'n',
    },
    out: {
      type: 'string',
      alias: ['o', 'save-dir'],
      description: 'Folder to write to',
      default: 'reno-out',
      valueHint: 'folder',
    },
    ...modelFlags,
    ...settingsFlags,
    'save-all-images': { type: 'boolean', description: 'Keep the picture of every iteration' },
    resume: {
      type: 'boolean',
      description: 'Only go on with an unfinished run (the same command does so by itself)',
    },
    'save-every': {
      type: 'string',
      description: 'Iterations from one saved state to the next (default: by time, under 2 % of it)',
      valueHint: 'n',
    },
    'no-times': { type: 'boolean', description: 'Record no times, so that equal runs write equal bytes in every file' },
    task: { type: 'enum', options: [...TASKS], default: 'single', description: "One prompt, or a benchmark's list" },
    prompts: { type: 'string', description: 'The list of a task, as its authors publish it', valueHint: 'file' },
    ...transferFlags,
    ...adapterFlags,
    ...jsonFlag,
  },
  useless: USELESS_FLAGS,
  run: generate,
};

async function generate(args: Args): Promise<number> {
  const task = TASKS.find((name): name is TaskName => name === textFlag(args, 'task')) ?? 'single';
  const seed = countFlag(args, 'seed', 0) ?? 0;
  const saveEvery = countFlag(args, 'save-every', 1);
  const prompt = textFlag(args, 'prompt')?.trim();
  const list = textFlag(args, 'prompts');
  if (task === 'single' && prompt === undefined) {
    throw new UsageError('--prompt is missing: say what the picture shows');
  }
  if (task !== 'single' && list === undefined) {
    throw new UsageError(`--prompts is missing: task ${task} reads its list of prompts from a file`);
  }
  const transfer = chosenTransfer(args, task);
  const model = chosenModel(args);
  const settings = await settingsFrom(args, model);
  assertOnePicture(settings);
  const items = task === 'single' || list === undefined ? [] : listItems(task, list, seed);
  if (transfer) {
    await assertTransferFits(transfer, model, settings);
  }
  const folder = new OutFolder(textFlag(args, 'out') ?? 'reno-out');
  let store: RunStore | null = null;
  const giveBack = (): void => {
    store?.[Symbol.dispose]();
    folder.discardIfEmpty();
  };
  try {
    store = RunStore.open(folder.path);
    using interruption = new Interruption(giveBack);
    const options = { settings, store, interruption, transfer, saveEvery, json: isSet(args, 'json') };
    const asked = { noTimes: isSet(args, 'no-times'), mustResume: isSet(args, 'resume') };
    using run = await open(args, model, { ...options, ...asked });
    interruption.runs();
    return task === 'single'
      ? await generateOne(run, prompt ?? '', seed, isSet(args, 'save-all-images'))
      : await generateList(run, items, seed);
  } catch (error) {
    const { message, code } = failure(error);
    if (code === EXIT.failed) {
      throw error;
    }
    console.error(`reno: ${message}`);
    if (isSet(args, 'json')) {
      printJson({ ok: false, summary: message, rows: [] });
    }
    return code;
  } finally {
    giveBack();
  }
}

/** The sentence and the exit code of what ended a run. */
function failure(error: unknown): { message: string; code: number } {
  const message = sentenceOf(error);
  return error instanceof GpuError && error.kind !== 'out-of-memory'
    ? {
        message: `${message.split('; start again')[0]}; the same command goes on from the last saved state`,
        code: EXIT.temporary,
      }
    : { message, code: EXIT.failed };
}

/** Opens device and networks. */
async function open(
  args: Args,
  model: ChosenModel,
  options: Omit<GenerateRun, 'steady' | 'model' | 'modelHash' | typeof Symbol.dispose>,
): Promise<GenerateRun> {
  const { files, paths } = recorded(model.files);
  const steady = await openSteadyReno({
    openDevice: async () => {
      const device = await openAdapter(adapterChoice(args));
      console.error(`adapter: ${adapterName(device)}`);
      return device;
    },
    openReno: async (device, changes) => {
      const settings: RenoSettings = withSettings(options.settings, changes);
      const reno = await Reno.open(device, model.name, files, settings, planningFromEnvironment());
      console.error(`model ${model.name} loaded and compiled in ${reno.loadSeconds.toFixed(1)} s`);
      return reno;
    },
    say: (sentence) => console.error(`reno: ${sentence}`),
  });
  const modelHash = await fingerprint(model.files, paths);
  return { ...options, steady, model: model.name, modelHash, [Symbol.dispose]: () => steady[Symbol.dispose]() };
}

/** @throws Error naming the list */
function listItems(task: Exclude<TaskName, 'single'>, path: string, seed: number): TaskItem[] {
  const text = readTextFile('the list of prompts', path);
  try {
    return taskItems(task, text, seed);
  } catch (error) {
    throw new Error(`${path}: ${sentenceOf(error)}`);
  }
}
