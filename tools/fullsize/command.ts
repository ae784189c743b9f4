/**
 * One complete ReNO iteration at full size, on seeded weights in the public layout, beside PyTorch's on the same weights:
 *   npm run fullsize -- --model sd-turbo --size 512 [--folder FOLDER] [--tokenizers FOLDER] [--dtype f16] [--json]
 * What a run would need, without weights or adapter, says `reno plan`.
 * Weights that are not there are written first (about 9 GB for sd-turbo). What PyTorch gave is a committed fixture.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openAdapter } from '../../src/cli/adapter.ts';
import { modelPlan } from '../../src/cli/plan/model_plan.ts';
import { plannedModel, planSettings } from '../../src/cli/plan/plan_model.ts';
import { findPublished, PUBLISHED_NAMES } from '../../src/cli/plan/published_folder.ts';
import { COMPUTE_DTYPES, type ComputeDType } from '../../src/models/layers/half_precision.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { encodePng, toPicture } from '../../src/platform/node/png.ts';
import { REWARDS, rewardNamed } from '../../src/reno/rewards/index.ts';
import { Reno } from '../../src/reno/session.ts';
import { REFERENCE_SETTINGS, type RenoSettings } from '../../src/reno/settings.ts';
import { compare, type Iteration, type Reference, type Row, readReference } from './compare.ts';
import { fingerprint } from './fingerprint.ts';
import { Folder, PARTS, partOf } from './folders.ts';

const MEMORY_BOUND = 20 * 2 ** 30;
const GIB = 2 ** 30;
/** By how much the GPU's buffers may be more or less than planned. */
const PLAN_BOUND = 0.05;
const gib = (bytes: number): string => `${(bytes / GIB).toFixed(2)} GiB`;

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'sd-turbo' },
    size: { type: 'string', default: '512' },
    dtype: { type: 'string', default: 'f16' },
    folder: { type: 'string' },
    tokenizers: { type: 'string', default: join(PACKAGE_ROOT, '../shared/data/tokenizers') },
    json: { type: 'boolean', default: false },
  },
});

const start = performance.now();
const say = (line: string): void => {
  const seconds = ((performance.now() - start) / 1000).toFixed(0).padStart(5);
  console.log(`${seconds} s  ${line}`);
};
/** Most memory this process has held, in bytes; on a software adapter that includes the GPU's. */
const peakMemory = (): number => process.resourceUsage().maxRSS * 1024;

/** Writes the parts that are missing. */
async function seeded(root: string): Promise<void> {
  const folder = new Folder(root, values.tokenizers, say);
  for (const part of PARTS) {
    const done = join(root, part, '.complete');
    if (!existsSync(done)) {
      folder.write(partOf(values.model, part));
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
  root: string,
  settings: RenoSettings,
  { prompt, seed }: Reference,
): Promise<Iteration & { readonly memory: Memory }> {
  const device = await openAdapter();
  say(`adapter: ${device.info.description || device.info.vendor}`);
  const planned = modelPlan(await planSettings(plannedModel(values.model), settings, { device })).memory.peak;
  say(`planned: ${gib(planned)} of GPU buffers`);
  using reno = await Reno.open(device, values.model, nodeFiles(root), settings);
  const { flops, dispatches, memory } = reno.plan.summary;
  say(
    `loaded in ${reno.loadSeconds.toFixed(0)} s: weights ${gib(memory.resident)}, kept ${gib(memory.kept)}, shared by lifetime ${gib(memory.shared)}`,
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
  const picture = join(root, `iteration_${values.size}.png`);
  writeFileSync(picture, encodePng(toPicture(trajectory.initImage, height, width)));
  say(`the picture: ${picture}`);
  const losses: Record<string, number> = {};
  history.config.rewards.forEach(({ name }) => {
    losses[REWARDS.find(({ label }) => label === name)?.name ?? name] = record.losses[name] ?? Number.NaN;
  });
  const gradient = await reno.plan.read('noise_gradient');
  return { losses, total: record.total, gradient, memory: { planned, actual: device.memory.peakBytes } };
}

async function main(): Promise<boolean> {
  const { model } = values;
  if (!findPublished(model)) {
    throw new Error(`there is no model ${model} here; models: ${PUBLISHED_NAMES.join(', ')}`);
  }
  const dtype = COMPUTE_DTYPES.find((d): d is ComputeDType => d === values.dtype);
  const size = Number(values.size);
  if (!dtype || !Number.isSafeInteger(size) || size <= 0) {
    throw new Error('--dtype is f32 or f16, --size a number of pixels');
  }
  if (!existsSync(values.tokenizers)) {
    throw new Error(
      `${values.tokenizers}: not there; give --tokenizers, a folder with the public clip, bert and t5 tokenizers`,
    );
  }
  const fixture = join(PACKAGE_ROOT, `parity/fullsize/${model}_${size}.safetensors`);
  if (!existsSync(fixture)) {
    throw new Error(`${fixture}: not there; python/reference/fullsize.py makes it`);
  }
  const reference = await readReference(fixture);
  const root = values.folder ?? join(PACKAGE_ROOT, '.reno/fullsize', model);
  await seeded(root);
  if (fingerprint(root) !== reference.fingerprint) {
    throw new Error(`${root}: holds other weights than PyTorch was given; delete it, so that they are written again`);
  }
  say('the weights are those that PyTorch was given');
  const rewards = Object.fromEntries(Object.entries(reference.weights).map(([name, w]) => [rewardNamed(name).name, w]));
  const ours = await iterate(
    root,
    { ...REFERENCE_SETTINGS, noise: 'torch-cpu', dtype, size: [size, size], rewards },
    reference,
  );
  return report(compare(ours, reference), reference, ours.memory);
}

function report(rows: readonly Row[], reference: Reference, { planned, actual }: Memory): boolean {
  const memory = peakMemory();
  const fits = memory <= MEMORY_BOUND;
  const apart = Math.abs(actual / planned - 1);
  const asPlanned = apart <= PLAN_BOUND;
  console.log(`\n${values.model} at ${values.size}², ${values.dtype}, against PyTorch f32 (${reference.versions})`);
  for (const { what, ours, reference: theirs, agreement, ok } of rows) {
    const how = what === 'gradient' ? `cosine ${agreement.toFixed(6)}` : `relative error ${agreement.toExponential(2)}`;
    console.log(
      `${ok ? 'ok  ' : 'FAIL'} ${what.padEnd(14)} ${ours.toPrecision(7).padStart(12)} ${theirs.toPrecision(7).padStart(12)}  ${how}`,
    );
  }
  console.log(`${fits ? 'ok  ' : 'FAIL'} process memory ${gib(memory)} of ${MEMORY_BOUND / GIB}`);
  console.log(
    `${asPlanned ? 'ok  ' : 'FAIL'} GPU buffers    ${gib(actual)}, planned ${gib(planned)}  ${(100 * apart).toFixed(2)}% apart`,
  );
  const ok = fits && asPlanned && rows.every((row) => row.ok);
  if (values.json) {
    const losses = rows.filter((row) => row.what !== 'gradient');
    const worst = Math.max(...losses.map((row) => row.agreement));
    const cosine = rows.find((row) => row.what === 'gradient')?.agreement ?? Number.NaN;
    const seconds = (performance.now() - start) / 1000;
    const summary = `${values.model} ${values.size}² ${values.dtype}: losses within ${worst.toExponential(1)}, gradient cosine ${cosine.toFixed(5)}, GPU buffers ${gib(actual)} (planned ${gib(planned)}), process ${gib(memory)}, ${seconds.toFixed(0)} s`;
    console.log(JSON.stringify({ ok, summary, rows, memory: { planned, actual, process: memory } }));
  }
  return ok;
}

try {
  process.exit((await main()) ? 0 : 1);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  if (values.json) {
    console.log(
      JSON.stringify({ ok: false, summary: String(error instanceof Error ? error.message : error), rows: [] }),
    );
  }
  process.exit(2);
}
