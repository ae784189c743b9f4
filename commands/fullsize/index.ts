/**
 * `npm run fullsize`: runs one complete ReNO iteration at full size, on seeded weights in the public layout, and compares it with
 * PyTorch's on the same weights. Weights that are not there are written first (about 9 GB for sd-turbo). PyTorch's results are golden
 * files in parity/fullsize. `reno plan` says what a run would need, without weights or adapter.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { adapterName, openAdapter } from '../../src/cli/adapter.ts';
import { type Args, type Command, countFlag, isSet, textFlag } from '../../src/cli/flags/args.ts';
import { adapterChoice, adapterFlags, jsonFlag, printJson } from '../../src/cli/flags/shared.ts';
import { planReport } from '../../src/cli/plan/plan_report.ts';
import { plannedModel } from '../../src/cli/plan/planned_model.ts';
import { planSettings } from '../../src/cli/plan/planned_run.ts';
import { findPublished, PUBLISHED_NAMES } from '../../src/cli/plan/published_layout.ts';
import { sentenceOf, UsageError } from '../../src/cli/usage_error.ts';
import { COMPUTE_DTYPES, type ComputeDType } from '../../src/models/layers/half_precision.ts';
import { nodeFiles } from '../../src/platform/node/node_files.ts';
import type { AdapterChoice } from '../../src/platform/node/open_device.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { encodePng, toPicture } from '../../src/platform/node/png.ts';
import { REWARDS, rewardNamed } from '../../src/reno/rewards/index.ts';
import { Reno } from '../../src/reno/session.ts';
import { REFERENCE_SETTINGS, type RenoSettings } from '../../src/reno/settings/settings.ts';
import { compare, type Iteration, type Reference, type Row, readReference } from './against_pytorch.ts';
import { fingerprint } from './fingerprint.ts';
import { Folder, PARTS, partOf } from './seeded_folder.ts';

const MEMORY_BOUND = 20 * 2 ** 30;
const GIB = 2 ** 30;
/** Relative difference that is allowed between the GPU buffers and the plan. */
const PLAN_BOUND = 0.05;
const gib = (bytes: number): string => `${(bytes / GIB).toFixed(2)} GiB`;

interface Options {
  readonly model: string;
  readonly size: number;
  readonly dtype: ComputeDType;
  /** Folder of the weights. */
  readonly root: string;
  readonly tokenizers: string;
  readonly adapter: AdapterChoice;
}

export const command: Command = {
  meta: { name: 'fullsize', description: "Compare one iteration at full size with PyTorch's" },
  args: {
    model: { type: 'string', description: PUBLISHED_NAMES.join(', '), default: 'sd-turbo', valueHint: 'name' },
    size: { type: 'string', description: "The picture's side in pixels", default: '512', valueHint: 'pixels' },
    dtype: { type: 'enum', description: 'What activations are kept in', options: [...COMPUTE_DTYPES], default: 'f16' },
    folder: {
      type: 'string',
      description: 'Folder of the weights; otherwise .reno/fullsize/MODEL',
      valueHint: 'folder',
    },
    tokenizers: {
      type: 'string',
      description: 'Folder with the public clip, bert and t5 tokenizers',
      default: join(PACKAGE_ROOT, '../shared/data/tokenizers'),
      valueHint: 'folder',
    },
    ...adapterFlags,
    ...jsonFlag,
  },
  run: fullsize,
};

async function fullsize(args: Args): Promise<number> {
  const model = textFlag(args, 'model') ?? 'sd-turbo';
  if (!findPublished(model)) {
    throw new UsageError(`there is no model "${model}" here; the models are ${PUBLISHED_NAMES.join(', ')}`);
  }
  const options: Options = {
    model,
    size: countFlag(args, 'size', 1) ?? 512,
    dtype: COMPUTE_DTYPES.find((dtype) => dtype === textFlag(args, 'dtype')) ?? 'f16',
    root: textFlag(args, 'folder') ?? join(PACKAGE_ROOT, '.reno/fullsize', model),
    tokenizers: textFlag(args, 'tokenizers') ?? '',
    adapter: adapterChoice(args),
  };
  try {
    const { ok, summary, rows, memory } = await measured(options);
    console.log(`\n${summary}`);
    if (isSet(args, 'json')) {
      console.log(JSON.stringify({ ok, summary, rows, memory }));
    }
    return ok ? 0 : 1;
  } catch (error) {
    if (isSet(args, 'json')) {
      printJson({ ok: false, summary: sentenceOf(error), rows: [] });
    }
    throw error;
  }
}

const start = performance.now();
const say = (line: string): void => {
  const seconds = ((performance.now() - start) / 1000).toFixed(0).padStart(5);
  console.log(`${seconds} s  ${line}`);
};
/** Most memory this process has held, in bytes; on a software adapter that includes the GPU's. */
const peakMemory = (): number => process.resourceUsage().maxRSS * 1024;

/** Writes the parts that are missing. */
async function seeded({ model, root, tokenizers }: Options): Promise<void> {
  const folder = new Folder(root, tokenizers, say);
  for (const part of PARTS) {
    const done = join(root, part, '.complete');
    if (!existsSync(done)) {
      folder.write(partOf(model, part));
      mkdirSync(join(root, part), { recursive: true });
      writeFileSync(done, '');
    }
  }
}

interface Memory {
  /** Bytes of GPU buffers at most: as planned from names and shapes, and as the device counted them. */
  readonly planned: number;
  readonly actual: number;
}

async function iterate(
  { model, size, root, adapter }: Options,
  settings: RenoSettings,
  { prompt, seed }: Reference,
): Promise<Iteration & { readonly memory: Memory }> {
  const device = await openAdapter(adapter);
  say(`adapter: ${adapterName(device)}`);
  const planned = planReport(await planSettings(plannedModel(model), settings, { device })).memory.peak;
  say(`planned: ${gib(planned)} of GPU buffers`);
  using reno = await Reno.open(device, model, nodeFiles(root), settings);
  const { flops, dispatches, memory } = reno.plan.summary;
  say(
    `loaded in ${reno.loadSeconds.toFixed(0)} s: weights ${gib(memory.resident)}, persistent ${gib(memory.persistent)}, shared by lifetime ${gib(memory.shared)}`,
  );
  const { trajectory, history } = await reno.generate({ prompt, seed, nIters: 1 });
  const { prompt: promptSeconds, iterations } = history.seconds;
  say(
    `prompt ${promptSeconds.toFixed(0)} s, iteration ${iterations.toFixed(0)} s: ${(flops.step / 1e12).toFixed(2)} TFLOP, ${dispatches.step} dispatches`,
  );
  const [record] = trajectory.records;
  if (!record) {
    throw new Error('the iteration gave no record');
  }
  const { height, width } = reno.imageSize;
  const picture = join(root, `iteration_${size}.png`);
  writeFileSync(picture, encodePng(toPicture(trajectory.initImage, height, width)));
  say(`the picture: ${picture}`);
  const losses: Record<string, number> = {};
  history.config.rewards.forEach(({ name }) => {
    losses[REWARDS.find(({ label }) => label === name)?.name ?? name] = record.losses[name] ?? Number.NaN;
  });
  const gradient = await reno.plan.read('noise_gradient');
  return { losses, total: record.total, gradient, memory: { planned, actual: device.memory.peakBytes } };
}

interface Measured {
  readonly ok: boolean;
  readonly summary: string;
  readonly rows: readonly Row[];
  readonly memory: Memory & { readonly process: number };
}

async function measured(options: Options): Promise<Measured> {
  const { model, size, dtype, root, tokenizers } = options;
  if (!existsSync(tokenizers)) {
    throw new Error(
      `${tokenizers}: not there; give --tokenizers, a folder with the public clip, bert and t5 tokenizers`,
    );
  }
  const fixture = join(PACKAGE_ROOT, `parity/fullsize/${model}_${size}.safetensors`);
  if (!existsSync(fixture)) {
    throw new Error(`${fixture}: not there; python/reference/fullsize.py makes it`);
  }
  const reference = await readReference(fixture);
  await seeded(options);
  if (fingerprint(root) !== reference.fingerprint) {
    throw new Error(`${root}: holds other weights than PyTorch was given; delete it, so that they are written again`);
  }
  say('the weights are those that PyTorch was given');
  const rewards = Object.fromEntries(Object.entries(reference.weights).map(([name, w]) => [rewardNamed(name).name, w]));
  const settings: RenoSettings = { ...REFERENCE_SETTINGS, noise: 'torch-cpu', dtype, size: [size, size], rewards };
  const ours = await iterate(options, settings, reference);
  return judged(options, compare(ours, reference), reference, ours.memory);
}

function judged({ model, size, dtype }: Options, rows: readonly Row[], reference: Reference, gpu: Memory): Measured {
  const memory = { ...gpu, process: peakMemory() };
  const fits = memory.process <= MEMORY_BOUND;
  const apart = Math.abs(gpu.actual / gpu.planned - 1);
  const asPlanned = apart <= PLAN_BOUND;
  const mark = (ok: boolean): string => (ok ? 'ok  ' : 'FAIL');
  console.log(`\n${model} at ${size}², ${dtype}, against PyTorch f32 (${reference.versions})`);
  for (const { what, ours, reference: theirs, agreement, ok } of rows) {
    const how = what === 'gradient' ? `cosine ${agreement.toFixed(6)}` : `relative error ${agreement.toExponential(2)}`;
    const values = `${ours.toPrecision(7).padStart(12)} ${theirs.toPrecision(7).padStart(12)}`;
    console.log(`${mark(ok)} ${what.padEnd(14)} ${values}  ${how}`);
  }
  console.log(`${mark(fits)} process memory ${gib(memory.process)} of ${MEMORY_BOUND / GIB}`);
  const buffers = `${gib(gpu.actual)}, planned ${gib(gpu.planned)}`;
  console.log(`${mark(asPlanned)} GPU buffers    ${buffers}  ${(100 * apart).toFixed(2)}% apart`);
  const worst = Math.max(...rows.filter((row) => row.what !== 'gradient').map((row) => row.agreement));
  const cosine = rows.find((row) => row.what === 'gradient')?.agreement ?? Number.NaN;
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  const losses = `losses within ${worst.toExponential(1)}, gradient cosine ${cosine.toFixed(5)}`;
  const needs = `GPU buffers ${gib(gpu.actual)} (planned ${gib(gpu.planned)}), process ${gib(memory.process)}, ${seconds} s`;
  const summary = `${model} ${size}² ${dtype}: ${losses}, ${needs}`;
  return { ok: fits && asPlanned && rows.every((row) => row.ok), summary, rows, memory };
}
