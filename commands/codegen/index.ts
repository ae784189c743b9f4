/**
 * `npm run codegen`: what AMD's compiler in Mesa makes of a model's kernels, without that GPU: registers, spills, workgroup memory,
 * waves per SIMD and instructions, by share of the arithmetic.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Args, type Command, isSet, textFlag } from '../../src/cli/args.ts';
import { plannedModel } from '../../src/cli/plan/planned_model.ts';
import { planSettings } from '../../src/cli/plan/planned_run.ts';
import { plannedFlags, plannedSettings } from '../../src/cli/settings_flags.ts';
import { finish, jsonFlag } from '../../src/cli/shared.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { openDevice } from '../../src/platform/node/open_device.ts';
import { type CodegenRow, familyTable, kernelTable, rowsOf } from './codegen_rows.ts';
import { compileFor, FAMILIES } from './layer.ts';
import { type CompiledKernel, compilePipelines } from './pipelines.ts';

export const command: Command = {
  meta: { name: 'codegen', description: "Show what AMD's compiler makes of a model's kernels, without that GPU" },
  args: {
    model: { type: 'string', description: 'Model, as for "reno plan"', default: 'sd-turbo', valueHint: 'name' },
    ...plannedFlags,
    gpu: { type: 'enum', options: [...FAMILIES], description: 'GPU family to compile for', default: 'navi31' },
    families: { type: 'boolean', description: 'Print a line for each op and variant, as Markdown' },
    dump: { type: 'string', description: 'Folder that gets the WGSL of every kernel', valueHint: 'folder' },
    ...jsonFlag,
  },
  run: codegen,
};

async function codegen(args: Args): Promise<number> {
  const gpu = textFlag(args, 'gpu') ?? 'navi31';
  if (process.platform !== 'linux') {
    throw new UsageError('codegen needs Linux: it compiles with Mesa');
  }
  const folder = mkdtempSync(join(tmpdir(), 'reno-codegen-'));
  try {
    const out = join(folder, 'pipelines.jsonl');
    writeFileSync(out, '');
    compileFor(gpu, out);
    const device = await openDevice({ backend: 'vulkan', subgroupMatrix: true });
    if (!/radv/i.test(device.info.description)) {
      throw new Error(
        `the adapter is ${device.info.description}, not RADV's null device: Mesa 25 has it, later versions do not`,
      );
    }
    const model = plannedModel(textFlag(args, 'model') ?? 'sd-turbo');
    const settings = await plannedSettings(args, model);
    const { schedule } = await planSettings(model, settings, { device });
    const start = performance.now();
    const kernels = await compilePipelines(device, schedule, out);
    const seconds = (performance.now() - start) / 1000;
    writeWgsl(textFlag(args, 'dump'), kernels);
    const rows = rowsOf(kernels);
    console.log((isSet(args, 'families') ? familyTable(rows) : kernelTable(rows)).join('\n'));
    return finish(args, true, summaryOf(model.name, gpu, rows, seconds), rows);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeWgsl(folder: string | undefined, kernels: readonly CompiledKernel[]): void {
  for (const [i, { label, wgsl }] of (folder === undefined ? [] : kernels).entries()) {
    writeFileSync(
      join(folder ?? '', `${String(i).padStart(3, '0')}-${label}.wgsl`),
      wgsl.slice(wgsl.indexOf('\n') + 1),
    );
  }
}

function summaryOf(model: string, gpu: string, rows: readonly CodegenRow[], seconds: number): string {
  const onMatrices = rows.reduce((sum, { matrix, share }) => sum + (matrix > 0 ? share : 0), 0);
  const otherwise = rows.filter(({ matrix, written }) => matrix !== written).length;
  const spilling = rows.filter(({ spilled }) => spilled > 0).length;
  return (
    `${model} on ${gpu}: ${rows.length} pipelines compiled in ${seconds.toFixed(1)} s, ${spilling} spill, ` +
    `${(100 * onMatrices).toFixed(2)} % of the arithmetic in kernels with matrix instructions, ` +
    `${otherwise === 0 ? 'all with as many as their source has' : `${otherwise} with more or fewer than their source has`}`
  );
}
