/** The record of a profile: plain data, which is kept as JSON, compared with others, and drawn. */
import type { AdapterSummary } from '../device/device.ts';
import type { SharedValue } from '../schedule/schedule.ts';
import type { DType } from '../types.ts';

/** Where timestamps are coarser than this many nanoseconds, they say little about single dispatches. */
export const COARSE_TICK = 10_000;

/** The GPU times of one step of a plan, in several runs, and what each dispatch had to do. */
export interface Profile {
  readonly format: 2;
  /** Name and version of the program. */
  readonly tool: string;
  /** ISO 8601. */
  readonly date: string;
  /** The computation, for people, such as `pocket, 64x64, f32`. */
  readonly subject: string;
  readonly adapter: AdapterSummary;
  readonly peaks: Peaks;
  /** Milliseconds of a step, one number for each run. */
  readonly step: StepTimes;
  /** The passes by which the GPU's busy time is measured, each with the dispatches that follow those of the pass before it. */
  readonly passes: readonly PassRecord[];
  /** The adapter's timestamps are multiples of so many nanoseconds. Browsers round to 65,536 or 100,000. */
  readonly tickNs: number;
  /**
   * The cost of a timed pass itself in nanoseconds, measured with a small kernel. It is subtracted from all times of passes and
   * dispatches already. 0 where timestamps are too coarse to measure it.
   */
  readonly passNs: number;
  /** The run whose begins are kept: the median one. */
  readonly shownRun: number;
  /** The dispatches of a step, in their order. */
  readonly dispatches: readonly DispatchRecord[];
  readonly memory: MemoryRecord;
}

/** The highest rates of an adapter, measured by kernels that do nothing else. */
export interface Peaks {
  /** FLOP/s of f32 multiply-adds. */
  readonly f32: number;
  /** FLOP/s of matrix units with f16 operands; null where there are none. */
  readonly matrix: number | null;
  /** Bytes/s, read and written, of copies between large buffers. */
  readonly bytesPerSecond: number;
}

/** Milliseconds of a step, one number for each run. */
export interface StepTimes {
  /** The time by the clock, from the first call until the GPU has finished; nothing is profiled. */
  readonly clock: readonly number[];
  /** The GPU's busy time: the sum over passes of many dispatches, by GPU timestamps around each pass. */
  readonly busy: readonly number[];
  /** The sum over the dispatches, each of which is timed. */
  readonly kernels: readonly number[];
}

/** A compute pass of many dispatches. */
export interface PassRecord {
  /** The number of its dispatches. */
  readonly dispatches: number;
  /** GPU nanoseconds, one number for each run. */
  readonly ns: readonly number[];
}

/** One dispatch of a step. */
export interface DispatchRecord {
  /** Module path, such as `generator.unet.mid_block.resnets.0`. */
  readonly path: string;
  readonly direction: Direction;
  /** The name of the op; of a fused one, such as `matmul+gelu`. */
  readonly op: string;
  /** The variant that was chosen; empty where there is no choice. */
  readonly variant: string;
  /** The label of the dispatch, such as `group_norm.cpu_columns.sums`. */
  readonly kernel: string;
  /** The type of each binding, such as `x f32[1,8,8,64]`. */
  readonly operands: readonly string[];
  /** The storage type of what it writes. */
  readonly dtype: DType;
  readonly workgroups: readonly [number, number, number];
  /** FLOP of its node. Where a node has several dispatches, each has the share of its time. */
  readonly flops: number;
  /** Bytes that it must move: by the op's cost, or where a node has several dispatches by what each binds. */
  readonly bytes: number;
  /** The arithmetic of its matrix products, several times `flops` where operands are sums of f16 numbers; 0 without matrix units. */
  readonly matrixFlops: number;
  /** Nanoseconds since the first dispatch began, in the shown run. */
  readonly begin: number;
  /** Nanoseconds, one number for each run. */
  readonly ns: readonly number[];
}

/** Forward pass, backward pass, or a part of the forward pass that the backward pass computes again. */
export type Direction = 'forward' | 'backward' | 'recomputed';

/** The memory of a plan in a step. */
export interface MemoryRecord {
  /** Bytes that the plan holds all the time: weights, states, constants, results of other stages, parameters. */
  readonly resident: number;
  /** Bytes of the buffers that the values below share. */
  readonly shared: number;
  /** The values of the step stage in shared buffers, in the order in which they are made. */
  readonly values: readonly LiveValue[];
}

/** A value in a shared buffer, from the first dispatch of the node that makes it to the last one of the node that reads it last. */
export interface LiveValue {
  /** The kernel that makes it, or the name of an uploaded weight. */
  readonly name: string;
  /** Module path of the kernel that makes it. */
  readonly path: string;
  readonly bytes: number;
  /** `saved`: computed in a forward pass and read in a backward pass. */
  readonly kind: SharedValue['kind'];
  /** Indices of dispatches. */
  readonly from: number;
  readonly to: number;
  /** The dispatches that read it. */
  readonly readers: readonly number[];
}
