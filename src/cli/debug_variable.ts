/** The debug ladder on the command line: `DEBUG=reno:N`, and `KERNEL=conv2d:naive,matmul:gpu_tile` to force kernel variants. */
import type { GenerateOptions, Planning, Reno } from '../reno/session.ts';
import { describeKernels, describePlan, describeSchedule, firstDivergence, kernelTimes } from '../tensor/debug.ts';
import type { Device } from '../tensor/device/device.ts';
import { describeNotFinite } from '../tensor/plan/not_finite.ts';
import { showType } from '../tensor/types.ts';
import { forcedVariants } from './kernel_variable.ts';

/** The level N of `DEBUG=reno:N`: 1 for `reno` alone, 0 where DEBUG does not name reno. */
export function debugLevel(debug = process.env.DEBUG): number {
  const match = /(?:^|,)reno(?::(\d))?/.exec(debug ?? '');
  return match ? Number(match[1] ?? 1) : 0;
}

/** The planning options that DEBUG and KERNEL ask for. @throws UsageError when KERNEL names an unknown op or variant */
export function planningFromEnvironment(kernel = process.env.KERNEL): Planning {
  return { variants: forcedVariants(kernel), keepLoadInputs: debugLevel() >= 5 };
}

/** Level 5, after a run whose losses became not finite: repeats it, and names the first bad value by op, module and iteration. */
export async function printBadValue(reno: Reno, options: GenerateOptions, level: number): Promise<void> {
  if (level < 5) {
    return;
  }
  console.error(
    'the run is repeated, and its bad iteration dispatch by dispatch, to find the first value that is not finite',
  );
  const found = await reno.findBadValue(options);
  if (!found) {
    console.error('the repeated run has no value that is not finite');
    return;
  }
  const when = found.iteration === null ? 'while the prompt was read' : `at iteration ${found.iteration}`;
  console.error(
    `first value that is not finite: output ${found.output} (${showType(found.type)}) of ${describeNotFinite(found)} (kernel ${found.kernel}), ${when}`,
  );
}

/** Prints everything up to `level` of the debug ladder, after a run of `reno`. */
export async function printDebug(reno: Reno, device: Device, level: number): Promise<void> {
  if (level >= 1) {
    console.error(describePlan(reno.plan));
  }
  if (level >= 5) {
    const feeds = new Map<string, Float32Array>();
    for (const name of reno.plan.schedule.inputs.keys()) {
      feeds.set(name, await reno.plan.read(name));
    }
    const found = await firstDivergence(device, { outputs: reno.step.outputs, updates: reno.step.updates }, feeds);
    console.error(
      found
        ? `first node that differs from the interpreter: ${found.op} ${found.type} in ${found.path}, NMSE ${found.nmse}`
        : 'every node agrees with the interpreter',
    );
  }
  if (level >= 2) {
    const profile = await reno.plan.profile('step');
    const rows = profile ? kernelTimes(profile) : [];
    console.error(profile ? 'kernel, count, ms, GFLOP/s' : 'this adapter has no timestamps');
    for (const { label, count, ms, gflops } of rows) {
      console.error(
        `${label.padEnd(48)} ${String(count).padStart(4)} ${ms.toFixed(2).padStart(9)} ${gflops.toFixed(2).padStart(7)}`,
      );
    }
  }
  if (level >= 3) {
    console.error(describeSchedule(reno.plan.schedule));
  }
  if (level >= 4) {
    console.error(describeKernels(reno.plan.schedule, device.caps));
  }
}
