/** The needs of a schedule: dispatches, arithmetic and memory. It is known before any memory is allocated. */
import type { Dispatch } from '../dispatch.ts';
import { type Node, siteOf } from '../graph.ts';
import { usesMatrixUnits } from '../kernel.ts';
import { siteKey, tunable } from '../tuning/choose.ts';
import type { Stage } from '../types.ts';
import { at, byteSize, STAGES } from '../types.ts';
import { Uniforms } from './buffers.ts';
import type { BufferSpec, Schedule, SharedValue, Step } from './schedule.ts';

/** Totals of a plan, by stage. */
export interface PlanSummary {
  /** Kernel calls of each stage. */
  readonly dispatches: Readonly<Record<Stage, number>>;
  /** Floating-point operations of each stage; a fused multiply-add counts as two. */
  readonly flops: Readonly<Record<Stage, number>>;
  /** Bytes of GPU buffers, by use. */
  readonly memory: MemorySummary;
}

/** Returns the totals of a schedule. */
export function summarize(schedule: Schedule): PlanSummary {
  const dispatches = { load: 0, prompt: 0, step: 0 };
  const flops = { load: 0, prompt: 0, step: 0 };
  for (const work of workOf(schedule)) {
    dispatches[work.stage] += work.dispatches;
    flops[work.stage] += work.flops;
  }
  return { dispatches, flops, memory: memorySummary(schedule) };
}

/** Bytes of GPU buffers, by use. */
export interface MemorySummary {
  /** Dedicated buffers of weights, constants and states. The plan has them as long as it lives. */
  readonly resident: number;
  /** Dedicated buffers of outputs and of results that a later stage reads. The plan has them as long as it lives. */
  readonly persistent: number;
  /** Buffers that computed values and streamed weights of all stages share. The plan has them as long as it lives. */
  readonly shared: number;
  /** The uniform buffer: the parameters of all dispatches. */
  readonly params: number;
  /** Inputs that only the load stage reads; the plan frees them after it. */
  readonly loadOnly: number;
  /** The sum of all of the above: the largest total, reached until the load stage has run. */
  readonly peak: number;
  /** The total after the load stage. */
  readonly steady: number;
  /** The bytes that are live in the shared buffers at the moment of each stage that needs most. Their sum is a lower bound of `shared`. */
  readonly peakLive: Readonly<Record<Stage, LiveBytes>>;
  /** Bytes of streamed weights that each run of a stage uploads. */
  readonly uploaded: Readonly<Record<Stage, number>>;
}

/** Bytes that are live at one moment, by kind (`SharedValue.kind`). */
export interface LiveBytes {
  readonly saved: number;
  readonly transient: number;
  readonly streamed: number;
}

/** Returns the memory that a schedule needs, by use. */
export function memorySummary(schedule: Schedule): MemorySummary {
  const sum = (wanted: (b: BufferSpec) => boolean): number =>
    schedule.buffers.filter(wanted).reduce((n, b) => n + b.bytes, 0);
  const loadOnly = sum((b) => b.loadOnly === true);
  const resident = sum((b) => (b.kind === 'input' || b.kind === 'constant') && !b.loadOnly);
  const persistent = sum((b) => b.kind === 'persistent');
  const shared = sum((b) => b.kind === 'shared');
  const params = Uniforms.of(schedule).bytes;
  const steady = resident + persistent + shared + params;
  const each = <T>(f: (stage: Stage) => T): Record<Stage, T> => ({
    load: f('load'),
    prompt: f('prompt'),
    step: f('step'),
  });
  return {
    resident,
    persistent,
    shared,
    params,
    loadOnly,
    peak: steady + loadOnly,
    steady,
    peakLive: each((stage) => peakLive(schedule.shared.filter((value) => value.stage === stage))),
    uploaded: each((stage) => schedule.uploads[stage].reduce((n, { type }) => n + byteSize(type), 0)),
  };
}

function peakLive(values: readonly SharedValue[]): LiveBytes {
  const events = values.flatMap((value) => [
    { position: value.from, value, sign: 1 },
    { position: value.to + 1, value, sign: -1 },
  ]);
  events.sort((a, b) => a.position - b.position || a.sign - b.sign);
  const live = { saved: 0, transient: 0, streamed: 0 };
  let peak = { ...live };
  const total = ({ saved, transient, streamed }: LiveBytes): number => saved + transient + streamed;
  events.forEach(({ position, value, sign }, i) => {
    live[value.kind] += sign * value.bytes;
    const isLast = i + 1 === events.length || at(events, i + 1).position !== position;
    if (isLast && total(live) > total(peak)) {
      peak = { ...live };
    }
  });
  return peak;
}

/** Arithmetic and memory traffic of one node. */
export interface Work {
  readonly stage: Stage;
  /** First two parts of the module path, such as `generator.unet`. */
  readonly module: string;
  readonly backward: boolean;
  /** The op and its chosen variant, such as `conv2d.gpu_tile`; for a fused op those of the op that it begins with. */
  readonly kernel: string;
  /** Matrix units (tensor cores) multiply in the chosen variant. */
  readonly matrix: boolean;
  readonly flops: number;
  /** Arithmetic on matrix units: `flops`, or several times that where operands are sums of f16 numbers; 0 without matrix units. */
  readonly matrixFlops: number;
  /** Bytes read and written if every operand crosses memory once, and scratch once for each dispatch that binds it. */
  readonly bytes: number;
  readonly dispatches: number;
}

/** Returns the work of each node that runs, in the order of the steps. */
export function workOf({ steps, choices }: Pick<Schedule, 'steps' | 'choices'>): Work[] {
  return STAGES.flatMap((stage) => {
    const dispatches = new Map<Node, Step[]>();
    for (const step of steps[stage]) {
      const known = dispatches.get(step.node);
      if (known) {
        known.push(step);
      } else {
        dispatches.set(step.node, [step]);
      }
    }
    return [...dispatches].map(([node, all]) => nodeWork(node, stage, all, choices));
  });
}

function nodeWork(node: Node, stage: Stage, steps: readonly Step[], choices: Schedule['choices']): Work {
  const { flops, bytes } = node.op?.cost(siteOf(node)) ?? { flops: 0, bytes: 0 };
  const onMatrices = steps.filter(({ dispatch }) => usesMatrixUnits(dispatch));
  return {
    stage,
    module: node.path.split('.').slice(0, 2).join('.'),
    backward: node.backward,
    kernel: kernelName(node, choices),
    matrix: onMatrices.length > 0,
    flops,
    matrixFlops: flops * Math.max(0, ...onMatrices.map(({ dispatch }) => dispatch.matrixWork?.products ?? 1)),
    bytes: bytes + steps.reduce((sum, { dispatch }) => sum + scratchBytes(dispatch), 0),
    dispatches: steps.length,
  };
}

const scratchBytes = ({ bindings }: Dispatch): number =>
  bindings.reduce((sum, { ref }) => sum + ('scratch' in ref ? byteSize(ref.type) : 0), 0);

function kernelName(node: Node, choices: Schedule['choices']): string {
  if (!node.op) {
    return '';
  }
  const variant = chosenVariant(node, choices);
  const { op } = tunable(node.op, siteOf(node));
  return variant === '' ? op.name : `${op.name}.${variant}`;
}

/** Returns the name of the variant that was chosen for a node; empty for a node without a choice. */
export function chosenVariant(node: Node, choices: Schedule['choices']): string {
  if (!node.op) {
    return '';
  }
  const { op, site } = tunable(node.op, siteOf(node));
  return choices.get(siteKey(op, site))?.variant ?? '';
}
