/** The request for a plan: what to compute, and within which limits. */

import type { Tensor } from '../tensor.ts';
import type { Tuning } from '../tuning/choose.ts';

/** The new value of a state, which the plan copies into it at the end of each step. */
export interface Update {
  /** A graph input that lives across steps. */
  readonly state: Tensor;
  /** Its value after the step. */
  readonly value: Tensor;
}

/** The computation of a plan. */
export interface PlanSpec {
  /** The values that can be read, by name. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** The new values of the states when a step ends. */
  readonly updates?: readonly Update[];
  /** Forces a variant by op name, such as `{ conv2d: 'naive' }`. */
  readonly variants?: Readonly<Record<string, string>>;
  /**
   * The fastest variants on this adapter, as `reno tune` measured them. Default: those of the device, or none without a device.
   * @internal
   */
  readonly tuning?: Tuning;
  /** true: kernels run without the check that precedes their first use on an adapter, which itself needs this. Default false. */
  readonly unchecked?: boolean;
  /** false: each op runs as its own kernel, as traced (for comparison and debugging). Default true. */
  readonly fuse?: boolean;
  /** true: inputs that only the load stage reads stay in memory, so that they can be read back (debugging). Default false. */
  readonly keepLoadInputs?: boolean;
  /** false: each large weight is in memory once, and kernels read it in its stored layout (weight_layout.ts). Default true. */
  readonly keepLayouts?: boolean;
  /** true: weights that no step reads are uploaded when the prompt stage runs, and not kept. Default false. */
  readonly streamPrompt?: boolean;
  /**
   * Maximum bytes of GPU buffers. Where the fastest plan needs more, weights that no step reads are streamed, activations are
   * recomputed, and then other weights are streamed in each step. Default: no limit.
   */
  readonly budget?: number;
  /** 8: large weights of the step's products and convolutions are stored as int8 (residency.ts). Default: as they are typed. */
  readonly weightBits?: 8;
}
