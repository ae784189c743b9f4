/** What is asked of a plan. */

import type { Tuning } from '../choose.ts';
import type { Tensor } from '../tensor.ts';

export interface Update {
  /** A graph input that lives across steps. */
  readonly state: Tensor;
  /** What it becomes when the step ends. */
  readonly value: Tensor;
}

export interface PlanSpec {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly updates?: readonly Update[];
  /** Forces a variant by op name, such as `{ conv2d: 'naive' }`. */
  readonly variants?: Readonly<Record<string, string>>;
  /** What timing the variants on this adapter said; default: the device's own, or nothing without a device. */
  readonly tuning?: Tuning;
  /** false: one kernel an op, as traced (for comparison and debugging). */
  readonly fuse?: boolean;
  /** Keep inputs that only the load stage reads, so that they can be read back (debugging). */
  readonly keepLoadInputs?: boolean;
  /** false: each large weight is in memory once, and kernels read it in the layout it has (layouts.ts). Default true. */
  readonly keepLayouts?: boolean;
  /** Weights that no step reads are brought in when the prompt is read, and gone afterwards. Default false. */
  readonly streamPrompt?: boolean;
  /**
   * Bytes of GPU buffers that the plan may have at any time. What it takes of the weights is streamed: first those that no
   * step reads, then, each step anew, the others.
   */
  readonly budget?: number;
  /** 8: large weights of the step's products and convolutions are kept as int8 (int8_weights.ts). Default: as they are typed. */
  readonly weightBits?: 8;
}
