/** `reno generate`: makes pictures, numbers and a report from one prompt, or from a benchmark's list of prompts. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodePng, toPicture } from '../platform/node/png.ts';
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
import { assertTransferFits, type ChosenTransfer, chosenTransfer, transferFlags, transferRun } from './transfer_run.ts';
import { sentenceOf, UsageError } from './usage_error.ts';

export const generateCommand: Command = {
  meta: {
    name: 'generate',
    description: 'Make a picture and optimise its noise: pictures, history and report in a folder',
  },
  args: {
    prompt: { type: 'string', alias: ['p'], description: 'What the picture shows', valueHint: 'text' },
    seed: { type: 'string', description: 'Seed of the noise', default: '0', valueHint: 'n' },
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
  run: generate,
};

async function generate(args: Args): Promise<number> {
  const task = TASKS.find((name): name is TaskName => name === textFlag(args, 'task')) ?? 'single';
  const seed = countFlag(args, 'seed', 0) ?? 0;
  const prompt = textFlag(args, 'prompt')?.trim();
  const list = textFlag(args, 'prompts');
  if (task === 'single' && !prompt) {
    throw new UsageError('--prompt is missing: say what the picture shows');
  }
  if (task !== 'single' && list === undefined) {
    throw new UsageError(`--prompts is missing: task ${task} reads its list of prompts from a file`);
  }
  const transfer = chosenTransfer(args, task);
  const model = chosenModel(args);
  const settings = await settingsFrom(args, model);
  const items = task === 'single' || list === undefined ? [] : taskItems(task, readList(list), seed);
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

/** Runs a benchmark's list of prompts; pictures that exist already are not made again. */
async function many(run: Run, items: readonly TaskItem[], seed: number): Promise<number> {
  const { reno, folder } = run;
  const { height, width } = reno.imageSize;
  const rows: ReturnType<typeof resultRow>[] = [];
  for (const [i, item] of items.entries()) {
    if (existsSync(join(folder.path, item.best))) {
      continue;
    }
    const noise = promptNoise(reno.settings, seed, i);
    const made = await reno.generate({ prompt: item.prompt, ...noise, signal: run.signal });
    if (made.trajectory.stopped) {
      throw new Error(made.trajectory.stopped);
    }
    for (const [path, text] of Object.entries(item.extra ?? {})) {
      folder.write(path, `${text}\n`);
    }
    if (item.init) {
      folder.write(item.init, encodePng(toPicture(made.trajectory.initImage, height, width)));
    }
    folder.write(item.best, encodePng(toPicture(made.trajectory.bestImage, height, width)));
    const row = resultRow(item.prompt, noise.seed, made);
    rows.push(row);
    console.error(`${i + 1}/${items.length}  ${row.initLoss.toFixed(3)} to ${row.bestLoss.toFixed(3)}  ${item.prompt}`);
  }
  await printDebug(reno, run.device, debugLevel());
  const mean = (of: (row: (typeof rows)[number]) => number): number =>
    rows.reduce((n, r) => n + of(r), 0) / rows.length;
  const summary =
    rows.length === 0
      ? `all ${items.length} pictures were there already`
      : `${rows.length} prompts: mean loss ${mean((r) => r.initLoss).toFixed(4)} to ${mean((r) => r.bestLoss).toFixed(4)}`;
  console.log(summary);
  if (run.json) {
    printJson({ ok: true, summary, rows });
  }
  return 0;
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

function readList(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`cannot read the list of prompts ${path}: ${sentenceOf(error)}`);
  }
}
