/**
 * Parts `sd-turbo`, `sdxl-turbo`, `hyper-sdxl`: whole ReNO iterations at full size, on seeded weights that are made on the GPU: time,
 * memory beside the plan, where the time goes, and what the host takes. With --quick the pocket models' networks stand in.
 */
import { adapterName, openAdapter } from '../../src/cli/adapter.ts';
import { plannedModel } from '../../src/cli/plan/planned_model.ts';
import { runLoop } from '../../src/reno/loop/loop.ts';
import { drawNoise } from '../../src/reno/noise/draw_noise.ts';
import { readSettings, withSettings } from '../../src/reno/settings/settings.ts';
import { type TracedRun, traceRun } from '../../src/reno/trace.ts';
import { kernelTimes } from '../../src/tensor/debug.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import type { Plan } from '../../src/tensor/plan/plan.ts';
import { MATRIX_VARIANT } from '../../src/tensor/tuning/kernel_check.ts';
import { median } from '../../src/tensor/tuning/median.ts';
import type { Part, PartContext, PartRow } from './part.ts';
import { readPrompt, seedWeights } from './seeded_on_gpu.ts';

const PROMPT = 'a photo of a red cat and a blue car';
const WARM_UP = 2;
const ITERATIONS = 6;
/** Relative difference that is allowed between the GPU buffers and the plan, as in commands/fullsize. */
const PLAN_BOUND = 0.05;
/** Rows of the profile, the slowest kernels first. */
const KERNELS = 15;

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

/** @param fullOnly for all models but one: the pocket models' networks stand in for each of them */
export const iterationPart = (model: string, size: number, fullOnly = false): Part => ({
  name: model,
  title: `How long does an iteration of ${model} take at ${size} pixels?`,
  limit: { full: 60, quick: 180 },
  fullOnly,
  run: async ({ adapter, quick, row, seconds }) => {
    const start = performance.now();
    using device = await openAdapter(adapter);
    const planned = plannedModel(quick ? 'pocket' : model);
    const own = await readSettings(planned.files);
    const dtype = device.caps.f16 ? 'f16' : 'f32';
    const settings = quick ? ({ ...own, dtype } as const) : withSettings(own, { size: [size, size], dtype });
    const run = await traceRun(planned.files, settings);
    using plan = await compile(device, run.spec);
    await load(device, plan, run, row, start);
    const timed = await iterations(plan, run, row);
    memory(device, plan, row);
    await dispatchCost(plan, timed.ms, row);
    if ((performance.now() - start) / 1000 < seconds) {
      await profile(plan, timed.ms, row);
    }
    const shown = quick ? `the pocket models' networks, in place of ${model},` : `${model} at ${size} pixels`;
    return `${shown} ${dtype}: ${timed.ms.toPrecision(3)} ms an iteration on ${adapterName(device)}`;
  },
});

type Report = PartContext['row'];

async function load(device: Device, plan: Plan, run: TracedRun, row: Report, start: number): Promise<void> {
  const compiled = (performance.now() - start) / 1000;
  row({ name: 'traced, planned and compiled', ok: true, shown: `${compiled.toFixed(1)} s`, seconds: compiled });
  const before = performance.now();
  const bytes = await seedWeights(device, plan, run.weights);
  await plan.run('load');
  await plan.finished();
  const seconds = (performance.now() - before) / 1000;
  row({ name: 'weights made on the GPU', ok: true, shown: `${gib(bytes)} in ${seconds.toFixed(1)} s`, bytes, seconds });
  const prompted = performance.now();
  await readPrompt(plan, run, PROMPT);
  const prompt = (performance.now() - prompted) / 1000;
  row({ name: 'text encoders', ok: true, shown: `${prompt.toFixed(1)} s, once for each prompt`, seconds: prompt });
}

/** Milliseconds of each iteration, from the times at which they ended. */
export function iterationTimes(records: readonly { readonly seconds: number }[]): number[] {
  return records.map(({ seconds }, i) => (seconds - (records[i - 1]?.seconds ?? 0)) * 1000);
}

/** Iterations as `reno generate` runs them, one queued while another is computed. */
async function iterations(plan: Plan, { step }: TracedRun, row: Report): Promise<{ readonly ms: number }> {
  const noise = drawNoise(step.latents.shape, 1);
  const { records, stopped } = await runLoop(plan, step, {
    iterations: WARM_UP + ITERATIONS,
    noise: (i) => (i === 0 ? noise : null),
  });
  const losses = records.map(({ total }) => total);
  const ok = stopped === null && losses.every(Number.isFinite);
  const shown = stopped ?? `finite, ${losses.map((loss) => loss.toPrecision(4)).join(', ')}`;
  row({ name: 'losses', ok, shown, losses });
  const times = iterationTimes(records).slice(WARM_UP);
  const ms = median(times);
  const { flops, dispatches } = plan.summary;
  const rate = flops.step / ms / 1e9;
  const steps = plan.schedule.steps.step;
  const onMatrix = steps.filter(({ dispatch }) => dispatch.label.includes(MATRIX_VARIANT)).length;
  row({
    name: 'an iteration',
    ok: Number.isFinite(ms),
    shown: `${ms.toPrecision(3)} ms (median of ${times.length}): ${(flops.step / 1e12).toPrecision(3)} TFLOP at ${rate.toPrecision(3)} TFLOP/s, ${dispatches.step} dispatches, ${onMatrix} of them on matrix units`,
    ms,
    times,
    flops: flops.step,
    tflops: rate,
    dispatches: dispatches.step,
    onMatrixUnits: onMatrix,
  });
  return { ms };
}

function memory(device: Device, plan: Plan, row: Report): void {
  const planned = plan.summary.memory.peak;
  const actual = device.memory.peakBytes;
  const apart = Math.abs(actual / planned - 1);
  const shown = `${gib(actual)} of GPU buffers at most, planned ${gib(planned)}`;
  row({ name: 'memory', ok: apart <= PLAN_BOUND, shown, actual, planned });
}

/** The host's share: encoding and submitting while the GPU has nothing to do. */
async function dispatchCost(plan: Plan, ms: number, row: Report): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < ITERATIONS; i++) {
    await plan.finished();
    const start = performance.now();
    await plan.run('step');
    times.push(performance.now() - start);
  }
  await plan.finished();
  const host = median(times);
  const microseconds = (host * 1000) / plan.summary.dispatches.step;
  const shown = `${microseconds.toPrecision(3)} µs a dispatch to encode and submit, ${host.toPrecision(3)} ms of ${ms.toPrecision(3)} ms`;
  row({ name: 'host', ok: true, shown, microseconds, ms: host });
}

async function profile(plan: Plan, ms: number, row: Report): Promise<void> {
  const times = await plan.profile('step');
  if (!times) {
    row({ name: 'profile', ok: true, shown: 'this adapter has no timestamps, so kernels were not timed one by one' });
    return;
  }
  const busy = times.reduce((n, { ns }) => n + ns, 0) / 1e6;
  const idle = Math.max(0, 1 - busy / ms);
  row({
    name: 'GPU',
    ok: true,
    shown: `kernels take ${busy.toPrecision(3)} ms one by one, so it is idle for ${(100 * idle).toFixed(0)} % of an iteration`,
    busyMs: busy,
    idleShare: idle,
  });
  for (const kernel of kernelTimes(times).slice(0, KERNELS)) {
    row(kernelRow(kernel));
  }
}

function kernelRow({ label, count, ms, share, gflops }: ReturnType<typeof kernelTimes>[number]): PartRow {
  const shown = `${count} dispatches, ${ms.toPrecision(3)} ms, ${(100 * share).toFixed(1)} %, ${(gflops / 1000).toPrecision(3)} TFLOP/s`;
  return { name: label, ok: true, shown, count, ms, share, tflops: gflops / 1000 };
}
