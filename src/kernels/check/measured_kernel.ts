/** Runs one kernel: its error against the reference, and its time. */
import type { Device } from '../../tensor/device/device.ts';
import { Graph } from '../../tensor/graph.ts';
import { interpret } from '../../tensor/interpreter.ts';
import { assemble } from '../../tensor/kernel.ts';
import type { Op } from '../../tensor/op.ts';
import type { OpCase } from '../../tensor/op_case.ts';
import { compile } from '../../tensor/plan/compile.ts';
import type { Plan } from '../../tensor/plan/plan.ts';
import { createSchedule } from '../../tensor/schedule/planner.ts';
import type { Step } from '../../tensor/schedule/schedule.ts';
import { stepTime } from '../../tensor/tuning/autotune.ts';
import { median } from '../../tensor/tuning/median.ts';
import { nmse } from '../../tensor/tuning/nmse.ts';
import { at, type Shape } from '../../tensor/types.ts';
import { valueBound } from './check_op.ts';
import type { ChosenKernel } from './chosen_kernel.ts';
import { siteOfCase, trace } from './run_case.ts';

/** Above this many operations the f64 interpreter would take too long, and the naive variant is the reference. */
const INTERPRETED_FLOPS = 5e8;

/** The error of one output of a kernel. */
export interface OutputError {
  /** Normalised mean squared error: Σ(a−b)² / Σb². */
  readonly nmse: number;
  /** The place of the largest absolute error, one index for each axis. */
  readonly place: readonly number[];
  readonly actual: number;
  readonly expected: number;
}

/** The errors and the speed of one kernel on this adapter. */
export interface MeasuredKernel {
  readonly errors: readonly OutputError[];
  /** The largest NMSE that tests allow. */
  readonly bound: number;
  readonly right: boolean;
  /** The outputs were compared with this. */
  readonly reference: string;
  /** Median time of one run, in ms. */
  readonly ms: number;
  readonly clock: 'GPU timestamps' | 'wall clock';
  readonly gflops: number;
  readonly gigabytesPerSecond: number;
}

/** How a kernel is timed. */
export interface Timing {
  /** Runs whose median counts. */
  readonly runs: number;
  /** `wall`: by the host's clock always. Default: by GPU timestamps where the adapter has them. */
  readonly clock?: 'gpu' | 'wall';
}

/** The dispatches of a kernel as they are planned for `device`. */
export function plannedSteps({ caps }: Pick<Device, 'caps'>, { op, case: c, variant }: ChosenKernel): readonly Step[] {
  return createSchedule(specOf(op, c, variant.name), caps).steps.step;
}

/** The WGSL of each dispatch, as the compiler gets it. */
export function finalWgsl(device: Pick<Device, 'caps'>, kernel: ChosenKernel): string[] {
  return plannedSteps(device, kernel).map(({ dispatch, types }) => assemble(dispatch, types, device.caps));
}

/**
 * Runs a kernel against its reference, and times it.
 * @param expected the outputs that `expectedOutputs` gave
 */
export async function measureKernel(
  device: Device,
  kernel: ChosenKernel,
  expected: Expected,
  timing: Timing,
): Promise<MeasuredKernel> {
  using checked = await CheckedKernel.open(device, kernel, expected);
  return at(await timeInTurns([checked], timing), 0);
}

/** A compiled kernel whose outputs were compared with the right ones. */
export class CheckedKernel implements Disposable {
  readonly #plan: Plan;
  readonly #result: Omit<MeasuredKernel, 'ms' | 'clock' | 'gflops' | 'gigabytesPerSecond'>;
  readonly #cost: { readonly flops: number; readonly bytes: number };

  private constructor(plan: Plan, kernel: ChosenKernel, errors: readonly OutputError[], reference: string) {
    const bound = valueBound(kernel.case);
    this.#plan = plan;
    this.#result = { errors, bound, right: errors.every((error) => error.nmse <= bound), reference };
    this.#cost = kernel.op.cost(kernel.site);
  }

  /** Compiles and runs a kernel. @param device another device than for the reference where the kernel's WGSL is replaced */
  static async open(device: Device, kernel: ChosenKernel, { values, reference }: Expected): Promise<CheckedKernel> {
    const plan = await planOf(device, kernel, kernel.variant.name);
    try {
      await plan.step();
      const errors: OutputError[] = [];
      for (const [i, expected] of values.entries()) {
        errors.push(errorOf(await plan.read(`y${i}`), expected, at(kernel.site.outputs, i).shape));
      }
      device.assertHealthy();
      return new CheckedKernel(plan, kernel, errors, reference);
    } catch (error) {
      plan.destroy();
      throw error;
    }
  }

  /** Returns the milliseconds of one run. */
  async time(clock: Timing['clock']): Promise<number> {
    return (await stepTime(this.#plan, clock)) / 1e6;
  }

  /** Returns the errors with the speed that follows from `times`. */
  measured(times: readonly number[], clock: MeasuredKernel['clock']): MeasuredKernel {
    const ms = median(times);
    const { flops, bytes } = this.#cost;
    return { ...this.#result, ms, clock, gflops: flops / ms / 1e6, gigabytesPerSecond: bytes / ms / 1e6 };
  }

  /** Whether the adapter has timestamps. */
  get hasTimestamps(): boolean {
    return this.#plan.hasTimestamps;
  }

  [Symbol.dispose](): void {
    this.#plan.destroy();
  }
}

/** Times kernels in turns, so that what slows the machine down slows all of them down. */
export async function timeInTurns(
  kernels: readonly CheckedKernel[],
  { runs, clock = 'gpu' }: Timing,
): Promise<MeasuredKernel[]> {
  const times = kernels.map((): number[] => []);
  for (let run = 0; run < runs; run++) {
    for (const [i, kernel] of kernels.entries()) {
      at(times, i).push(await kernel.time(clock));
    }
  }
  return kernels.map((kernel, i) =>
    kernel.measured(at(times, i), clock === 'gpu' && kernel.hasTimestamps ? 'GPU timestamps' : 'wall clock'),
  );
}

/** The right outputs of a kernel. */
export interface Expected {
  readonly values: readonly ArrayLike<number>[];
  /** The source of the values, for people. */
  readonly reference: string;
}

/** The outputs by the f64 interpreter, or by the naive variant on the GPU where the work is large. */
export async function expectedOutputs(device: Device, kernel: ChosenKernel): Promise<Expected> {
  const { op, site } = kernel;
  const naive = op.variants.some(({ name }) => name === 'naive') && kernel.variant.name !== 'naive';
  if (op.cost(site).flops <= INTERPRETED_FLOPS || !naive) {
    const { outputs, feeds } = trace(op, kernel.case);
    return { values: interpret(outputs, feeds), reference: 'the f64 interpreter' };
  }
  using plan = await planOf(device, kernel, 'naive');
  await plan.step();
  const values: ArrayLike<number>[] = [];
  for (let i = 0; i < site.outputs.length; i++) {
    values.push(await plan.read(`y${i}`));
  }
  return { values, reference: 'the naive variant on the same adapter' };
}

async function planOf(device: Device, { op, case: c }: ChosenKernel, variant: string): Promise<Plan> {
  const plan = await compile(device, specOf(op, c, variant));
  for (const [name, data] of trace(op, c).feeds) {
    plan.write(name, data);
  }
  return plan;
}

function specOf(op: Op, c: OpCase, variant: string) {
  const graph = new Graph();
  const inputs = siteOfCase(op, c).inputs.map((type, i) => graph.input(`x${i}`, type.shape, 'step', type.dtype));
  const outputs = graph.apply(op, inputs, c.attrs);
  const named = Object.fromEntries(outputs.map((t, i) => [`y${i}`, t]));
  return { outputs: named, variants: { [op.name]: variant }, unchecked: true, fuse: false };
}

/** Compares an output with what it should be. NaN counts as the largest error. */
function errorOf(actual: ArrayLike<number>, expected: ArrayLike<number>, shape: Shape): OutputError {
  let worst = 0;
  let largest = -1;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(at(actual, i) - at(expected, i));
    if (!(error <= largest)) {
      worst = i;
      largest = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
    }
  }
  const place = shape.map(() => 0);
  for (let axis = shape.length - 1, rest = worst; axis >= 0; axis--) {
    place[axis] = rest % at(shape, axis);
    rest = Math.floor(rest / at(shape, axis));
  }
  return { nmse: nmse(actual, expected), place, actual: at(actual, worst), expected: at(expected, worst) };
}
