/**
 * `reno kernels reference`: writes a page for each op into docs/kernels/reference, from the sources and from the figures that are kept
 * there; `--measure` and `--gpu` take new figures first.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { adapterName, openAdapter } from '../../../src/cli/adapter.ts';
import { type Args, type Command, isSet, textFlag } from '../../../src/cli/flags/args.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from '../../../src/cli/flags/shared.ts';
import { UsageError } from '../../../src/cli/usage_error.ts';
import { type ChosenKernel, describeCase } from '../../../src/kernels/check/chosen_kernel.ts';
import { type Expected, expectedOutputs, measureKernel } from '../../../src/kernels/check/measured_kernel.ts';
import type { DeviceCaps } from '../../../src/tensor/device/device_caps.ts';
import { withCompiler } from '../../codegen/gpu_compiler.ts';
import { gpuFlag, THIS_GPU } from '../../codegen/layer.ts';
import { revision } from '../../common/revision.ts';
import { compileKernel } from '../asm.ts';
import { chosenOp } from '../chosen_kernel.ts';
import { type DescribedOp, describedOps, type ShownUse } from './described_kernels.ts';
import {
  type CompiledFigures,
  type MeasuredFigures,
  REFERENCE_FOLDER,
  type ReferenceFigures,
  type Rows,
  readFigures,
  writeFigures,
} from './figures.ts';
import { referencePages } from './pages.ts';
import { typicalKernel } from './typical_site.ts';

export const referenceCommand: Command = {
  meta: { name: 'reference', description: 'Write docs/kernels/reference: a page for each op and its variants' },
  args: {
    measure: {
      type: 'boolean',
      description: 'Measure the kernels that changed since, or that were measured on another adapter (all: minutes)',
    },
    gpu: { ...gpuFlag, description: 'Compile the kernels for this GPU family first' },
    op: { type: 'string', description: 'Take new figures of this op only', valueHint: 'op' },
    ...adapterFlags,
    ...jsonFlag,
  },
  run: reference,
};

async function reference(args: Args): Promise<number> {
  const gpu = textFlag(args, 'gpu');
  if ((gpu !== undefined && isSet(args, 'measure')) || gpu === THIS_GPU) {
    throw new UsageError(
      '--measure runs on the adapter of this machine, --gpu compiles for a family: give one of them',
    );
  }
  const only = textFlag(args, 'op');
  const named = only === undefined ? undefined : chosenOp([only], 'reno kernels reference --op');
  const ops = describedOps();
  const wanted = ops.filter(({ op }) => named === undefined || op === named);
  const before = readFigures();
  mkdirSync(REFERENCE_FOLDER, { recursive: true });
  if (isSet(args, 'measure')) {
    await measure(wanted, args, before);
  } else if (gpu !== undefined) {
    const { on, rows } = await compiled(wanted, gpu);
    const kept = named === undefined ? {} : before.compiled.rows;
    writeFigures({ ...before, compiled: { on, ...revision(), rows: { ...kept, ...rows } } });
  }
  const pages = referencePages(ops, readFigures());
  for (const name of readdirSync(REFERENCE_FOLDER).filter((one) => one.endsWith('.md') && !pages.has(one))) {
    rmSync(join(REFERENCE_FOLDER, name));
  }
  for (const [name, text] of pages) {
    writeFileSync(join(REFERENCE_FOLDER, name), text);
  }
  return finish(args, true, `${pages.size} pages in ${REFERENCE_FOLDER}`, []);
}

/** Runs of a kernel whose median time counts. */
const RUNS = 3;

/** The kernels that have a use on an adapter of these capabilities. */
function usesOn(ops: readonly DescribedOp[], caps: DeviceCaps) {
  return ops.flatMap(({ op, file, kernels }) =>
    kernels.flatMap((kernel) => {
      const chosen = kernel.shown && typicalKernel(op, kernel.variant, file, caps);
      return kernel.shown && chosen ? [{ kernel, shown: kernel.shown, chosen }] : [];
    }),
  );
}

/** An entry for each kernel that is not among those with a use. */
function unsupported(ops: readonly DescribedOp[], uses: ReturnType<typeof usesOn>): Record<string, null> {
  const used = new Set(uses.map(({ kernel }) => kernel.name));
  const names = ops.flatMap(({ kernels }) => kernels.map(({ name }) => name));
  return Object.fromEntries(names.filter((name) => !used.has(name)).map((name) => [name, null]));
}

/** Says which WGSL figures belong to, and the inputs where they are others than those that the page shows. */
function placeOf({ hash, types }: ShownUse, chosen: ChosenKernel): { readonly hash: string; readonly at?: string } {
  const at = describeCase(chosen.case);
  return { hash, ...(at === types ? {} : { at }) };
}

/**
 * Measures the kernels that have no figures of their present WGSL on this adapter, and those of --op. Each op is kept as soon as it
 * is done.
 */
async function measure(ops: readonly DescribedOp[], args: Args, figures: ReferenceFigures): Promise<void> {
  using device = await openAdapter(adapterChoice(args));
  const on = adapterName(device);
  const kept = figures.measured.on === on ? figures.measured.rows : {};
  const all = usesOn(ops, device.caps);
  const rows: Record<string, MeasuredFigures | null> = { ...kept, ...unsupported(ops, all) };
  const wanted = all.filter(
    ({ kernel, shown }) => textFlag(args, 'op') !== undefined || kept[kernel.name]?.hash !== shown.hash,
  );
  for (const { op } of ops) {
    const uses = wanted.filter(({ chosen }) => chosen.op === op);
    const known = new Map<string, Expected>();
    for (const { kernel, shown, chosen } of uses) {
      const types = describeCase(chosen.case);
      const expected = known.get(types) ?? (await expectedOutputs(device, chosen));
      known.set(types, expected);
      const { errors, bound, ms, gflops, gigabytesPerSecond } = await measureKernel(device, chosen, expected, {
        runs: RUNS,
      });
      const nmse = Math.max(...errors.map((error) => error.nmse));
      rows[kernel.name] = { ...placeOf(shown, chosen), ms, gflops, gigabytesPerSecond, nmse, bound };
      console.log(`${kernel.name}: ${ms.toPrecision(3)} ms`);
    }
    if (uses.length > 0) {
      writeFigures({ ...figures, measured: { on, ...revision(), rows } });
    }
  }
}

async function compiled(
  ops: readonly DescribedOp[],
  gpu: string,
): Promise<{ readonly on: string; readonly rows: Rows<CompiledFigures> }> {
  return withCompiler(gpu, {}, async (compiler) => {
    const uses = usesOn(ops, compiler.device.caps);
    const rows: Record<string, CompiledFigures | null> = unsupported(ops, uses);
    for (const { kernel, shown, chosen } of uses) {
      const pipelines = await compileKernel(compiler, chosen);
      const most = (of: (one: (typeof pipelines)[number]) => number): number => Math.max(...pipelines.map(of));
      const sum = (of: (one: (typeof pipelines)[number]) => number): number =>
        pipelines.reduce((total, one) => total + of(one), 0);
      rows[kernel.name] = {
        ...placeOf(shown, chosen),
        ...{ pipelines: pipelines.length, vgprs: most((one) => one.vgprs), lds: most((one) => one.lds) },
        waves: Math.min(...pipelines.map((one) => one.waves)),
        spilled: sum((one) => one.spilled),
        instructions: sum((one) => one.instructions),
        memory: sum((one) => one.kinds?.memory ?? 0),
        matrix: sum((one) => one.kinds?.matrix ?? 0),
      };
    }
    return { on: `${gpu} (${compiler.driver})`, rows };
  });
}
