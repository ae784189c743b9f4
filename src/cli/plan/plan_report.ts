/** A planned run in numbers, which `reno plan --json` prints. */

import { iterationsOf, multiStartOf } from '../../reno/search/method.ts';
import { showPath } from '../../tensor/graph.ts';
import { partOf } from '../../tensor/plan/stage_part.ts';
import type { Schedule } from '../../tensor/schedule/schedule.ts';
import { memorySummary, type Work, workOf } from '../../tensor/schedule/summary.ts';
import type { Stage } from '../../tensor/types.ts';
import { at, byteSize, STAGES, sizeOf } from '../../tensor/types.ts';
import type { BatchPlan } from './batch_choice.ts';
import { GPUS, type Gpu } from './gpus.ts';
import type { PlannedRun } from './planned_run.ts';
import { type KernelTime, kernelTimes, type Roofline, roofline } from './roofline.ts';

export interface Amounts {
  readonly flops: number;
  /** Bytes read and written, if every operand of an op crosses memory once. */
  readonly bytes: number;
  readonly dispatches: number;
}

export interface StageReport extends Amounts {
  readonly stage: Stage;
  readonly forward: Amounts;
  readonly backward: Amounts;
  /** The same by module, the largest first. */
  readonly modules: readonly (Amounts & { readonly module: string })[];
  /** Bytes of weights that are uploaded whenever the stage runs. */
  readonly uploadedBytes: number;
}

/** Bytes of GPU buffers while a stage runs. */
interface PhaseMemory {
  readonly phase: Stage;
  readonly total: number;
  /** Weights, constants and states that have buffers of their own. */
  readonly weights: number;
  /** Results of earlier stages for later ones, outputs, and the uniform buffer of the dispatches. */
  readonly kept: number;
  /** Buffers that values share by lifetime. The next three say what they hold at the moment when this stage needs most. */
  readonly shared: number;
  readonly saved: number;
  readonly transient: number;
  readonly streamed: number;
}

export interface PlanReport {
  readonly model: string;
  readonly size: readonly [height: number, width: number];
  /** Pictures that are made at once. */
  readonly batch: number;
  /** Numbers of pictures at once that were tried, where the batch was chosen. */
  readonly batches?: readonly BatchPlan[];
  readonly dtype: string;
  /** The modules that store activations as f32 beside f16. */
  readonly f32Modules: readonly string[];
  readonly mode: string;
  /** The whole run: its pictures, and its work beside the prompt's. */
  readonly run: { readonly iterations: number; readonly judged: Amounts | null; readonly flops: number };
  readonly rewards: Readonly<Record<string, number>>;
  /** The memory budget in bytes; null where none was given. */
  readonly budget: number | null;
  /** 8: large weights are kept as int8; null: all weights are kept as they are stored. */
  readonly weightBits: 8 | null;
  readonly adapter: string;
  readonly parameters: {
    readonly total: number;
    readonly networks: readonly { readonly name: string; readonly parameters: number; readonly bytes: number }[];
  };
  readonly stages: Readonly<Record<Stage, StageReport>>;
  readonly memory: {
    readonly peak: number;
    readonly phases: readonly PhaseMemory[];
    /** The largest binding that the adapter must allow: WebGPU guarantees 128 MiB, adapters allow more. */
    readonly largestBinding: { readonly name: string; readonly bytes: number };
    readonly largestBuffer: number;
  };
  /** FLOPs of an iteration in the reference implementation, which computes everything that depends on the prompt each time. */
  readonly referenceFlops: number;
  /** Share of the iteration's arithmetic in kernels for matrix units, 0 to 1. */
  readonly matrixShare: number;
  readonly rooflines: readonly Roofline[];
  /** Costs of each kernel in an iteration, for GPUs that were asked for by name. */
  readonly kernels: readonly { readonly gpu: string; readonly times: readonly KernelTime[] }[];
}

/** The figures of a planned run. @param byKernel the GPUs for which the costs of each kernel are given */
export function planReport(
  planned: PlannedRun,
  gpus: readonly Gpu[] = GPUS,
  byKernel: readonly Gpu[] = [],
): PlanReport {
  const { run, settings, schedule } = planned;
  const { image } = run.step;
  const work = workOf(schedule);
  const memory = memorySummary(schedule);
  const stage = (name: Stage): StageReport => ({
    ...stageReport(
      name,
      work.filter((w) => w.stage === name),
    ),
    uploadedBytes: memory.uploaded[name],
  });
  const stages = { load: stage('load'), prompt: stage('prompt'), step: stage('step') };
  const phases = STAGES.map((phase): PhaseMemory => {
    const loadOnly = phase === 'load' ? memory.loadOnly : 0;
    return {
      phase,
      total: memory.steady + loadOnly,
      weights: memory.resident + loadOnly,
      kept: memory.persistent + memory.params,
      shared: memory.shared,
      ...memory.peakLive[phase],
    };
  });
  const needs = {
    work: work.filter((w) => w.stage === 'step'),
    uploadedBytes: memory.uploaded.step,
    peakBytes: memory.peak,
  };
  return {
    model: planned.model,
    size: [image.dim(1), image.dim(2)],
    batch: image.dim(0),
    dtype: settings.dtype,
    f32Modules: settings.f32Modules ?? [],
    mode: settings.mode,
    run: wholeRun(planned, stages.step),
    rewards: Object.fromEntries(run.rewards.map(({ name, weight }) => [name, weight])),
    budget: settings.budget ?? null,
    weightBits: settings.weightBits ?? null,
    adapter: planned.adapter,
    parameters: parametersOf(planned),
    stages,
    memory: {
      peak: memory.peak,
      phases,
      largestBinding: largestBinding(schedule),
      largestBuffer: Math.max(...schedule.buffers.map((b) => b.bytes)),
    },
    referenceFlops: stages.prompt.flops + stages.step.flops,
    matrixShare: amounts(needs.work.filter(({ matrix }) => matrix)).flops / (stages.step.flops || 1),
    rooflines: gpus.map((gpu) => roofline(gpu, needs)),
    kernels: byKernel.map((gpu) => ({ gpu: gpu.name, times: kernelTimes(gpu, needs.work) })),
  };
}

/** The work of all iterations. `judged`: an iteration that computes no gradient, where the method has such. */
function wholeRun({ settings, run, schedule }: PlannedRun, step: StageReport): PlanReport['run'] {
  const iterations = iterationsOf(settings);
  const { judged } = run.step;
  if (!judged) {
    return { iterations, judged: null, flops: iterations * step.flops };
  }
  const { steps } = partOf(schedule, 'step', judged.results);
  const part = amounts(
    workOf({ ...schedule, steps: { load: [], prompt: [], step: steps.map((i) => at(schedule.steps.step, i)) } }),
  );
  const { candidates, chains, steps: chainSteps } = multiStartOf(settings);
  const flops = (candidates + chains) * part.flops + chains * (chainSteps - 1) * step.flops;
  return { iterations, judged: part, flops };
}

function parametersOf({ run }: PlannedRun): PlanReport['parameters'] {
  const networks = run.weights.map((store) => {
    const used = store.used();
    const count = (of: (t: (typeof used)[number]) => number): number => used.reduce((n, t) => n + of(t), 0);
    return { name: store.local, parameters: count((t) => sizeOf(t.shape)), bytes: count((t) => byteSize(t.type)) };
  });
  return { total: networks.reduce((n, { parameters }) => n + parameters, 0), networks };
}

/** The largest tensor that a dispatch reads or writes, and its op. */
function largestBinding({ steps }: Schedule): { readonly name: string; readonly bytes: number } {
  let largest = { name: '', bytes: 0 };
  for (const { node, types } of STAGES.flatMap((stage) => steps[stage])) {
    const bytes = Math.max(...types.map(byteSize));
    if (bytes > largest.bytes) {
      largest = { name: `${node.op?.name} in ${showPath(node)}`, bytes };
    }
  }
  return largest;
}

function stageReport(stage: Stage, work: readonly Work[]): Omit<StageReport, 'uploadedBytes'> {
  const modules = [...new Set(work.map(({ module }) => module))]
    .map((module) => ({ module, ...amounts(work.filter((w) => w.module === module)) }))
    .sort((a, b) => b.flops - a.flops);
  return {
    stage,
    ...amounts(work),
    forward: amounts(work.filter((w) => !w.backward)),
    backward: amounts(work.filter((w) => w.backward)),
    modules,
  };
}

function amounts(work: readonly Work[]): Amounts {
  const sum = (of: (w: Work) => number): number => work.reduce((n, w) => n + of(w), 0);
  return { flops: sum((w) => w.flops), bytes: sum((w) => w.bytes), dispatches: sum((w) => w.dispatches) };
}
