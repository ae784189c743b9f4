/** The figures of the course: how they are measured, and the form in which docs/kernels/figures.json keeps them. */
import { createHash } from 'node:crypto';
import type { ChosenKernel } from '../../../src/kernels/check/chosen_kernel.ts';
import { CheckedKernel, type Expected, type MeasuredKernel } from '../../../src/kernels/check/measured_kernel.ts';
import { trace } from '../../../src/kernels/check/run_case.ts';
import { Device } from '../../../src/tensor/device/device.ts';
import type { DeviceCaps } from '../../../src/tensor/device/device_caps.ts';
import { interpret } from '../../../src/tensor/interpreter.ts';
import { median } from '../../../src/tensor/tuning/median.ts';
import { at } from '../../../src/tensor/types.ts';
import type { CompiledDispatch } from '../asm.ts';
import { askCompiler } from '../compiled_for.ts';
import { CPU_CAPS, FAMILY, gpuCaps, kernelOf, type Ladder, type Rung } from './ladders.ts';

/** The place and time at which figures were taken. */
export interface Stamp {
  readonly date: string;
  /** The last commit that had changed src, with "+" behind it where src differed from it. */
  readonly commit: string;
  readonly machine: string;
  readonly driver: string;
  /** Processes that wanted to run, on average over the last minute of the timing; absent where no times were taken. */
  readonly load?: number;
}

/** A kernel on the adapter that is here. */
interface Checked extends Rung {
  /** `codeHash` of the kernel that was measured. */
  readonly code: string;
  /** Normalised mean squared error against the f64 interpreter, the largest of all outputs, and the most that tests allow; null: it does not run here. */
  readonly nmse: number | null;
  readonly bound: number;
}

export interface TimedKernel extends Checked {
  /** Median of the rounds. */
  readonly ms: number;
  readonly gflops: number;
  /** Median over the rounds of the time of the rung before, of the same op, divided by this one's in the same round; null for the first. */
  readonly gain: number | null;
}

export interface CompiledPipeline
  extends Pick<CompiledDispatch, 'label' | 'vgprs' | 'spilled' | 'lds' | 'waves' | 'instructions'> {
  readonly kinds: NonNullable<CompiledDispatch['kinds']>;
}

export interface CompiledKernelFigures extends Checked {
  /** A pipeline for each dispatch with a WGSL of its own. */
  readonly pipelines: readonly CompiledPipeline[];
}

/** Rows that were taken together. */
export interface Taken<Row> extends Stamp {
  readonly rows: readonly Row[];
}

/** A part is absent until it was taken. */
export interface LadderFigures {
  /** The kernels for CPU drivers. */
  readonly timed?: Taken<TimedKernel>;
  /** The kernels for GPUs. */
  readonly compiled?: Taken<CompiledKernelFigures>;
}

export type CourseFigures = Readonly<Record<string, LadderFigures>>;

/** Rounds of times: at least 5, and up to 25 while they take less than this, in ms. */
const ROUNDS = { least: 5, most: 25, ms: 20_000 };

/** Identifies what a kernel computes: its WGSL without comments and spacing, its constants, and its number of workgroups. */
function codeHash({ variant, site }: ChosenKernel, caps: DeviceCaps): string {
  const parts = variant.dispatches(site, caps).map(({ code, constants, workgroups }) => ({
    code: code.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '').replaceAll(/\s+/g, ' '),
    constants,
    workgroups,
  }));
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12);
}

/** The hash of a CPU driver's rung, and of a GPU's, whatever adapter is here. */
export const cpuHash = (ladder: Ladder, rung: Rung): string =>
  codeHash(kernelOf(ladder, rung, 'timed', CPU_CAPS), CPU_CAPS);
export const gpuHash = (ladder: Ladder, rung: Rung): string =>
  codeHash(kernelOf(ladder, rung, 'compiled', gpuCaps(rung)), gpuCaps(rung));

export const nameOf = ({ op, variant }: Rung): string => `${op}.${variant}`;

/** Compares a ladder's kernels for CPU drivers with f64, and times them in turns. @param say is told of each kernel */
export async function timedKernels(
  device: Device,
  ladder: Ladder,
  say: (line: string) => void,
): Promise<TimedKernel[]> {
  const references = new Map<string, Expected>();
  const runs: { rung: Rung; checked: CheckedKernel; times: number[] }[] = [];
  try {
    for (const rung of ladder.cpu) {
      const kernel = kernelOf(ladder, rung, 'timed', device.caps);
      const reference = references.get(rung.op) ?? referenceOf(kernel);
      references.set(rung.op, reference);
      runs.push({ rung, checked: await CheckedKernel.open(device, kernel, reference), times: [] });
      say(`  ${nameOf(rung)} checked`);
    }
    const start = performance.now();
    for (let round = 0; round < ROUNDS.most; round++) {
      if (round >= ROUNDS.least && performance.now() - start > ROUNDS.ms) {
        break;
      }
      for (const { checked, times } of runs) {
        times.push(await checked.time('gpu'));
      }
    }
    return runs.map(({ rung, checked, times }, i) => {
      const before = runs[i - 1]?.rung.op === rung.op ? runs[i - 1] : undefined;
      const measured = checked.measured(times, 'GPU timestamps');
      return {
        ...rung,
        code: cpuHash(ladder, rung),
        ...errorOf(measured),
        ms: measured.ms,
        gflops: measured.gflops,
        gain: before ? median(before.times.map((time, round) => time / at(times, round))) : null,
      };
    });
  } finally {
    for (const { checked } of runs) {
      checked[Symbol.dispose]();
    }
  }
}

function referenceOf({ op, case: c }: ChosenKernel): Expected {
  const { outputs, feeds } = trace(op, c);
  return { values: interpret(outputs, feeds), reference: 'the f64 interpreter' };
}

/** @throws Error when the kernel is wrong */
function errorOf({ errors, bound, right }: MeasuredKernel): Pick<Checked, 'nmse' | 'bound'> {
  const nmse = Math.max(...errors.map((error) => error.nmse));
  if (!right) {
    throw new Error(`a kernel of the course is wrong: its NMSE is ${nmse}, ${bound} is allowed`);
  }
  return { nmse, bound };
}

/** Compares a ladder's kernels for GPUs with f64 on the device that is here, and asks AMD's compiler. @param say is told of each kernel */
export async function compiledKernels(
  device: Device,
  ladder: Ladder,
  say: (line: string) => void,
): Promise<CompiledKernelFigures[]> {
  const rows: CompiledKernelFigures[] = [];
  for (const rung of ladder.gpu) {
    rows.push(await compiledKernel(device, ladder, rung));
    say(`  ${nameOf(rung)} compiled for ${rung.family ?? FAMILY}`);
  }
  return rows;
}

async function compiledKernel(device: Device, ladder: Ladder, rung: Rung): Promise<CompiledKernelFigures> {
  const family = rung.family ?? FAMILY;
  const { rows, problem } = askCompiler(family, kernelOf(ladder, rung, 'compiled', gpuCaps(rung)));
  if (problem !== undefined) {
    throw new Error(`${nameOf(rung)} was not compiled for ${family}: ${problem}`);
  }
  const pipelines = rows.map(({ label, vgprs, spilled, lds, waves, instructions, kinds }): CompiledPipeline => {
    if (!kinds) {
      throw new Error(`${label}: the driver of ${family} gives no instructions`);
    }
    return { label, vgprs, spilled, lds, waves, instructions, kinds };
  });
  return { ...rung, code: gpuHash(ladder, rung), ...(await checkedAsGpu(device, ladder, rung)), pipelines };
}

/** The error of a kernel for GPUs, on a device that does not say that it is a CPU. Matrix units cannot be pretended. */
async function checkedAsGpu(device: Device, ladder: Ladder, rung: Rung): Promise<Pick<Checked, 'nmse' | 'bound'>> {
  const asGpu = new Device(device.gpu, { ...device.caps, software: false }, device.info);
  if (/^subgroup_matrix/.test(rung.variant) && !device.caps.subgroupMatrices) {
    return { nmse: null, bound: 0 };
  }
  const kernel = kernelOf(ladder, rung, 'checked', asGpu.caps);
  using checked = await CheckedKernel.open(asGpu, kernel, referenceOf(kernel));
  return errorOf(checked.measured([], 'GPU timestamps'));
}
