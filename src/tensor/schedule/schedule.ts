/** What runs, in which order, in which buffer: all that is decided before anything is allocated. */
import type { Choice } from '../choose.ts';
import type { Dispatch } from '../dispatch.ts';
import type { Node } from '../graph.ts';
import type { Stage, TensorType } from '../types.ts';

/** A dispatch with the buffer behind each binding. */
export interface Step {
  readonly node: Node;
  readonly dispatch: Dispatch;
  readonly types: readonly TensorType[];
  readonly buffers: readonly number[];
  /** Where in its buffer each begins, in bytes. */
  readonly offsets: readonly number[];
}

export interface BufferSpec {
  bytes: number;
  /** Weights and states keep their buffer; `slot` buffers are shared by liveness. */
  readonly kind: 'input' | 'constant' | 'kept' | 'slot';
  readonly name: string;
  /** Read in the load stage only: can be given back once it has run. */
  readonly loadOnly?: boolean;
}

export interface InputSpec {
  readonly buffer: number;
  /** Where it begins in the buffer, in bytes (several may share one). */
  readonly offset: number;
  /** As it is written. */
  readonly type: TensorType;
  /** The layout it is held in, if another (held.ts). */
  readonly held?: readonly number[];
  /** It is kept as int8: where in the buffer the scales of its rows begin, in bytes. */
  readonly scales?: number;
}

export interface Schedule {
  readonly steps: Readonly<Record<Stage, readonly Step[]>>;
  readonly buffers: readonly BufferSpec[];
  /** Each graph input by name. */
  readonly inputs: ReadonlyMap<string, InputSpec>;
  readonly outputs: ReadonlyMap<string, { buffer: number; type: TensorType }>;
  readonly constants: readonly { buffer: number; node: Node }[];
  readonly copies: readonly { from: number; to: number; bytes: number }[];
  /** Graph inputs that are brought in while a stage runs, with their types. */
  readonly streams: ReadonlyMap<string, TensorType>;
  /** When they come, in the order of each stage's steps. */
  readonly uploads: Readonly<Record<Stage, readonly Upload[]>>;
  /** What lives in the shared buffers, and how long. */
  readonly shared: readonly SharedValue[];
  /** The variant of each site, and why. */
  readonly choices: ReadonlyMap<string, Choice>;
}

/** A streamed weight on its way into a shared buffer. */
export interface Upload extends InputSpec {
  /** It must be there before this step of its stage, and not before the step in front of it has run. */
  readonly before: number;
  readonly input: string;
}

export interface SharedValue {
  readonly bytes: number;
  readonly buffer: number;
  /** Where it begins in the buffer, in bytes. */
  readonly offset: number;
  readonly stage: Stage;
  /** Positions in the order of nodes, both inclusive. */
  readonly from: number;
  readonly to: number;
  /** `saved`: made in a forward pass and read in a backward pass. */
  readonly kind: 'saved' | 'transient' | 'streamed';
  /** The value's key; empty for a kernel's scratch. */
  readonly root: string;
}
