/** The types of a schedule: which dispatches run, in which order, on which buffers. No memory is allocated yet. */
import type { Dispatch } from '../dispatch.ts';
import type { Node } from '../graph.ts';
import type { Choice } from '../tuning/choose.ts';
import type { Stage, TensorType } from '../types.ts';

/** All that a plan executes, for each stage. Indices of buffers are indices of `buffers`. */
export interface Schedule {
  /** The nodes in the order in which they run, graph inputs and views among them; liveness intervals are positions in it. */
  readonly order: readonly Node[];
  readonly steps: Readonly<Record<Stage, readonly Step[]>>;
  readonly buffers: readonly BufferSpec[];
  /** The graph inputs that have a dedicated buffer, by name. */
  readonly inputs: ReadonlyMap<string, InputSpec>;
  readonly outputs: ReadonlyMap<string, { buffer: number; type: TensorType }>;
  readonly constants: readonly { buffer: number; node: Node }[];
  /** Copies at the end of the step stage, from new values into states. */
  readonly copies: readonly { from: number; to: number; bytes: number }[];
  /** The type of each streamed graph input, by name: a stage uploads it while it runs. */
  readonly streams: ReadonlyMap<string, TensorType>;
  /** The uploads of each stage, in the order of its steps. */
  readonly uploads: Readonly<Record<Stage, readonly Upload[]>>;
  /** The values in shared buffers, with their liveness intervals. */
  readonly shared: readonly SharedValue[];
  /** The variant chosen for each op and site, and the reason. */
  readonly choices: ReadonlyMap<string, Choice>;
}

/** A dispatch, and the buffer behind each of its bindings. */
export interface Step {
  readonly node: Node;
  /** The node's position in the order of all nodes, in which liveness intervals are given. */
  readonly position: number;
  readonly dispatch: Dispatch;
  /** The type of each binding. */
  readonly types: readonly TensorType[];
  /** The buffer of each binding, as an index of `Schedule.buffers`. */
  readonly buffers: readonly number[];
  /** The first byte of each binding in its buffer. */
  readonly offsets: readonly number[];
}

/** A range of a buffer that begins at byte `offset`. */
export interface Location {
  /** Index of `Schedule.buffers`. */
  readonly buffer: number;
  readonly offset: number;
}

/** A buffer to allocate. */
export interface BufferSpec {
  readonly bytes: number;
  /**
   * `input` and `constant`: a weight, a state or a constant. `persistent`: a result that a later stage reads, or an output.
   * `shared`: values whose liveness intervals do not overlap.
   */
  readonly kind: 'input' | 'constant' | 'persistent' | 'shared';
  readonly name: string;
  /** Only the load stage reads it; the plan frees it after that stage. */
  readonly loadOnly?: boolean;
}

/** The location of a graph input, and the form in which it is stored there. */
export interface InputSpec extends Location {
  /** The type that the caller writes. */
  readonly type: TensorType;
  /** Axis i in memory is axis storedLayout[i] of what the caller writes. Absent: both are the same. */
  readonly storedLayout?: readonly number[];
  /** For int8 weights: the first byte of the scales of its rows. */
  readonly scales?: number;
}

/** The upload of a streamed weight into a shared buffer. */
export interface Upload extends InputSpec {
  /** The upload happens right before this step of its stage, after all earlier steps. */
  readonly before: number;
  /** Name of the graph input. */
  readonly input: string;
}

/** A value in a shared buffer. */
export interface SharedValue extends Location {
  /** The value's key; empty for a kernel's scratch memory. */
  readonly key: string;
  readonly bytes: number;
  readonly stage: Stage;
  /** The liveness interval: first and last position in the order of nodes. */
  readonly from: number;
  readonly to: number;
  /** `saved`: computed in a forward pass and read in a backward pass. `streamed`: an uploaded weight. */
  readonly kind: 'saved' | 'transient' | 'streamed';
}
