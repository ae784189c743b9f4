/** `reno generate`: makes pictures, numbers and a report from one prompt, or from a benchmark's list of prompts. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { PromptCut } from '../models/tokenizers/tokenizers.ts';
import { encodePng, toPicture } from '../platform/node/png.ts';
import { describeCut } from '../reno/report.ts';
import type { Generated } from '../reno/session.ts';
import { Reno } from '../reno/session.ts';
import type { RenoSettings } from '../reno/settings.ts';
import { promptNoise, TASKS, type TaskItem, type TaskName, taskItems } from '../reno/tasks.ts';
import type { Transferred } from '../reno/transfer.ts';
import type { Device } from '../tensor/device.ts';
import { at } from '../tensor/types.ts';
import { adapterName, openAdapter } from './adapter.ts';
import { type Args, type Command, countFlag, isSet, textFlag } from './args.ts';
import { chosenModel, modelFlags } from './chosen_model.ts';
import { debugLevel, planningFromEnvironment, printDebug } from './debug_variable.ts';
import { OutFolder } from './out_folder.ts';
import { Progress, stderrTerminal } from './progress.ts';
import { writeRun } from './run_files.ts';
import { settingsFlags, settingsFrom } from './settings_flags.ts';
import { adapterChoice, adapterFlags, jsonFlag, printJson, toolVersion } from './shared.ts';
import { stripIterations } from './strip.ts';
import { readTextFile } from './text_file.ts';
import { assertTransferFits, type ChosenTransfer, chosenTransfer, transferFlags, transferRun } from './transfer_run.ts';
import { sentenceOf, UsageError } from './usage_error.ts';
import { USELESS_FLAGS } from './useless_flags.ts';

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
  const items = task === 'single' || list === undefined ? [] : listItems(task, list, seed);
  if (transfer) {
    await assertTransferFits(transfer, model, settings);
  }
  const folder = new OutFolder(textFlag(args, 'out') ?? 'reno-out');
  try {
    using device = await openAdapter(adapterChoice(args));
    console.error(`adapter: ${adapterName(device)}`);
    using reno = await Reno.open(device, model.name, model.files, settings, planningFromEnvironment());
    console.error(`model ${model.name} loaded and compiled in ${reno.loadSeconds.toFixed(1)} s`);
    const interrupt = new AbortController();
    process.once('SIGINT', () => interrupt.abort());
    const run: Run = { reno, device, settings, folder, transfer, signal: interrupt.signal, json: isSet(args, 'json') };
    const code =
      task === 'single'
        ? await single(run, prompt ?? '', seed, isSet(args, 'save-all-images'))
        : await many(run, items, seed);
    return code;
  } catch (error) {
    folder.discardIfEmpty();
    throw error;
  }
}

interface Run {
  readonly device: Device;
  readonly reno: Reno;
  readonly transfer: ChosenTransfer | undefined;
  readonly settings: RenoSettings;
  readonly folder: OutFolder;
  readonly signal: AbortSignal;
  readonly json: boolean;
}

async function single(run: Run, prompt: string, seed: number, allImages: boolean): Promise<number> {
  const { reno, settings, folder } = run;
  const nIters = settings.mode === 'no-optim' ? 1 : settings.nIters;
  const shown = new Set(stripIterations(nIters));
  const progress = new Progress(stderrTerminal(), nIters, reno.rewards);
  const made = await reno.generate({
    prompt,
    seed,
    wantsFrame: (i) => allImages || shown.has(i),
    onIteration: (record, isBest) => progress.update(record, isBest),
    onCut: printCut,
    signal: run.signal,
  });
  const { trajectory } = made;
  progress.close(trajectory.records.at(-1));
  await printDebug(reno, run.device, debugLevel());
  reno[Symbol.dispose]();
  let transferred: Transferred | undefined;
  let failure: unknown;
  if (run.transfer && trajectory.stopped === null) {
    try {
      transferred = await transferRun(run.device, run.transfer, made, run.signal);
    } catch (error) {
      failure = error; // Reported after the run itself, which is good, has been written.
    }
  }
  const history = {
    ...made.history,
    tool: toolVersion(),
    ...(transferred ? { transfer: transferred.record } : {}),
  };
  writeRun(folder, trajectory, history, allImages, transferred);
  if (failure) {
    throw failure;
  }
  const row = resultRow(prompt, seed, { trajectory, history });
  const losses =
    settings.mode === 'no-optim'
      ? `loss ${row.initLoss.toFixed(4)}`
      : `loss ${row.initLoss.toFixed(4)} to ${row.bestLoss.toFixed(4)} at iteration ${row.bestIteration}`;
  const summary = `${losses}, ${trajectory.seconds.toFixed(1)} s`;
  console.log(`${summary}\npictures and report: ${join(folder.path, 'report.html')}`);
  if (trajectory.stopped) {
    console.error(`reno: ${trajectory.stopped}; the best picture until then is kept`);
  }
  if (run.json) {
    printJson({ ok: trajectory.stopped === null, summary, rows: [row] });
  }
  return trajectory.stopped === null ? 0 : 1;
}

/** Prompts of a list that gave no picture, in this file of the output folder. */
const FAILED = 'failed.json';

/**
 * Runs a benchmark's list of prompts; pictures that exist already are not made again. A prompt that fails is recorded with its
 * reason, and the rest goes on. @returns exit code 1 where one failed. @throws Error when no further prompt can run
 */
async function many(run: Run, items: readonly TaskItem[], seed: number): Promise<number> {
  const { reno, folder } = run;
  const rows: ReturnType<typeof resultRow>[] = [];
  const failed: { index: number; prompt: string; reason: string }[] = [];
  for (const [index, item] of items.entries()) {
    const { prompt } = item;
    if (item.problem === undefined && existsSync(join(folder.path, item.best))) {
      continue;
    }
    try {
      const row = await runItem(run, item, promptNoise(reno.settings, seed, index));
      rows.push(row);
      console.error(
        `${index + 1}/${items.length}  ${row.initLoss.toFixed(3)} to ${row.bestLoss.toFixed(3)}  ${prompt}`,
      );
    } catch (error) {
      run.device.assertHealthy();
      if (run.signal.aborted) {
        throw error;
      }
      const reason = sentenceOf(error);
      failed.push({ index, prompt, reason });
      folder.write(FAILED, `${JSON.stringify(failed, null, 1)}\n`);
      console.error(`${index + 1}/${items.length}  no picture: ${reason}`);
    }
  }
  if (failed.length === 0) {
    folder.remove(FAILED); // An earlier run of the same list may have left it.
  }
  await printDebug(reno, run.device, debugLevel());
  const mean = (of: (row: (typeof rows)[number]) => number): number =>
    rows.reduce((n, r) => n + of(r), 0) / rows.length;
  const made =
    rows.length > 0
      ? `${rows.length} prompts: mean loss ${mean((r) => r.initLoss).toFixed(4)} to ${mean((r) => r.bestLoss).toFixed(4)}`
      : failed.length === 0
        ? `all ${items.length} pictures were there already`
        : 'no picture was made';
  const summary =
    failed.length > 0 ? `${made}; ${failed.length} of ${items.length} prompts failed, see ${FAILED}` : made;
  console.log(summary);
  if (run.json) {
    printJson({ ok: failed.length === 0, summary, rows: [...rows, ...failed] });
  }
  return failed.length === 0 ? 0 : 1;
}

/** Makes the picture of one entry of a list and writes its files. @throws Error, the reason why there is none */
async function runItem(
  { reno, folder, signal }: Run,
  { prompt, best, init, extra, problem }: TaskItem,
  noise: ReturnType<typeof promptNoise>,
): Promise<ReturnType<typeof resultRow>> {
  if (problem !== undefined) {
    throw new Error(problem);
  }
  const { height, width } = reno.imageSize;
  const made = await reno.generate({ prompt, ...noise, onCut: printCut, signal });
  if (made.trajectory.stopped) {
    throw new Error(made.trajectory.stopped);
  }
  for (const [path, text] of Object.entries(extra ?? {})) {
    folder.write(path, `${text}\n`);
  }
  if (init) {
    folder.write(init, encodePng(toPicture(made.trajectory.initImage, height, width)));
  }
  folder.write(best, encodePng(toPicture(made.trajectory.bestImage, height, width)));
  return resultRow(prompt, noise.seed, made);
}

/** Says once for each prompt and reader what is not read. */
function printCut(cut: PromptCut): void {
  console.error(`warning: ${describeCut(cut)}`);
}

function resultRow(prompt: string, seed: number, { trajectory, history }: Generated) {
  const first = at(trajectory.records, 0);
  const best = at(trajectory.records, trajectory.best);
  return {
    prompt,
    seed,
    draw: history.config.noise.draw,
    mode: history.config.mode,
    iterations: trajectory.records.length,
    initLoss: first.total,
    bestLoss: best.total,
    bestIteration: best.iteration,
    initLosses: first.losses,
    bestLosses: best.losses,
    seconds: trajectory.seconds,
  };
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
