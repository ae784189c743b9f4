/**
 * The contract of an operation: one file or folder in src/kernels defines forward WGSL, shapes, VJP, CPU
 * reference, cost and test cases together, and everything else (tracing, autodiff, planning, tests) works from this.
 */

import type { DeviceCaps } from './device_caps.ts';
import type { Dispatch } from './dispatch.ts';
import { applyOp } from './graph.ts';
import type { OpCase } from './op_case.ts';
import type { Tensor } from './tensor.ts';
import type { Shape, TensorType } from './types.ts';

export type AttrValue = number | string | boolean | null | readonly AttrValue[];
/** Static parameters of one use of an op (stride, epsilon, …): plain data, so nodes can be hashed. */
export type Attrs = Readonly<Record<string, AttrValue>>;

/** A value of the CPU interpreter: f64, row-major. */
export interface HostArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/** One use of an op: the types around it. */
export interface OpSite<A extends Attrs = Attrs> {
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
  readonly attrs: A;
}

export interface Variant<A extends Attrs = Attrs> {
  /** Its idea; a name means the same idea in every op. */
  readonly name: string;
  /** Whether this variant can run here; absent means always. */
  readonly supports?: (site: OpSite<A>, caps: DeviceCaps) => boolean;
  readonly dispatches: (site: OpSite<A>, caps: DeviceCaps) => readonly Dispatch[];
}

export interface Cost {
  /** Floating-point operations; a fused multiply-add counts as two. */
  readonly flops: number;
  /** Bytes read and written if every operand crosses memory once. */
  readonly bytes: number;
}

export interface VjpSite<A extends Attrs> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attrs: A;
  /** Cotangent of each output; undefined where nothing depends on it. The first is always there. */
  readonly grads: readonly (Tensor | undefined)[];
  /** Cotangent of output 0. */
  readonly dy: Tensor;
  /** Which inputs lead to what is asked for: the thunks that will be called. */
  readonly needs: readonly boolean[];
}

/** An elementwise op as WGSL over T, which stands for f32 or vec4<f32>. */
export interface Pointwise {
  /** Over `a, b, c`, values of type T. */
  readonly expression: string;
  /** What it calls. */
  readonly functions?: string;
}

/** The two ops that a fused op replaces: the consumer takes output 0 of the producer as its input 0, with nothing between. */
export interface FusedPair {
  readonly producer: string;
  readonly consumer: string;
  /** Attributes of the fused op, whose inputs are the producer's and then the consumer's others; null: do not fuse these. */
  readonly attrs: (producer: OpSite, consumer: OpSite, caps: DeviceCaps) => Attrs | null;
}

export interface OpDefinition<A extends Attrs> {
  readonly name: string;
  /** Result types. @throws Error saying which input is wrong; the caller adds the op and module path. */
  readonly infer: (inputs: readonly TensorType[], attrs: A) => readonly TensorType[];
  /** A thunk per input (null: no gradient), so that only paths that reach what is asked for are built. */
  readonly vjp?: (site: VjpSite<A>) => readonly ((() => Tensor) | null)[];
  /** The definition of the op, in f64 on the CPU: the oracle for every kernel. */
  readonly reference: (inputs: readonly HostArray[], site: OpSite<A>) => readonly Float64Array[];
  /** In order of preference: the first supported one runs unless another is forced or tuned. `naive` stays, as the readable one. */
  readonly variants: readonly Variant<A>[];
  readonly cost: (site: OpSite<A>) => Cost;
  readonly cases: readonly OpCase<A>[];
  /** Output 0 is input 0's buffer under another shape: nothing is run. */
  readonly isView?: boolean;
  /** Whether output 0 is the inputs end to end in memory, all of one dtype: weights that it joins share one buffer (schedule/input_buffers.ts). */
  readonly isConcatenation?: (site: OpSite<A>) => boolean;
  /** For transposes: axis i of the result is axis permutation[i] of the input. A weight may be stored so (schedule/weight_layout.ts). */
  readonly permutation?: (attrs: A) => readonly number[];
  /** Attributes with which input `index` is read with its last two axes exchanged; null where that cannot be. */
  readonly readTransposed?: (attrs: A, index: number) => A | null;
  /** For elementwise ops: how chains of them are fused; null where this use of it is not. */
  readonly pointwise?: (attrs: A) => Pointwise | null;
  /** Every variant stores each element of output 0 once, through store_NAME, and does not read it (rewrite/store_fusion.ts). */
  readonly storesOnce?: boolean;
  /** For ops that replace two others (rewrite/pair_fusion.ts). */
  readonly fusesPair?: FusedPair;
  /** For ops made by the planner: the op that they do first, and how it was used. */
  readonly inner?: { readonly op: Op; readonly site: OpSite };
  /** For fused ops: the same value from basic ops; tests require equal value and gradient. */
  readonly composition?: (inputs: readonly Tensor[], attrs: A) => Tensor;
}

export interface Op<A extends Attrs = Attrs> extends OpDefinition<A> {
  /** Adds a node (or finds the equal one) to the graph of its inputs and returns its outputs. */
  call(inputs: readonly Tensor[], attrs: A): Tensor[];
  /** The first output. */
  one(inputs: readonly Tensor[], attrs: A): Tensor;
}

const registry = new Map<string, Op>();

/** Registers an op under its name. @throws Error when the name is taken. */
export function defineOp<A extends Attrs>(definition: OpDefinition<A>): Op<A> {
  if (registry.has(definition.name)) {
    throw new Error(`op ${definition.name} is defined twice`);
  }
  const op: Op<A> = {
    ...definition,
    call: (inputs, attrs) => applyOp(op as unknown as Op, inputs, attrs),
    one: (inputs, attrs) => {
      const [first] = applyOp(op as unknown as Op, inputs, attrs);
      if (!first) {
        throw new Error(`op ${definition.name} has no output`);
      }
      return first;
    },
  };
  registry.set(definition.name, op as unknown as Op);
  return op;
}

/** The variant of that name, if the op has it. */
export function variantNamed<A extends Attrs>(
  op: Pick<OpDefinition<A>, 'variants'>,
  name: string,
): Variant<A> | undefined {
  return op.variants.find((variant) => variant.name === name);
}

/** All ops defined so far, by name (import src/kernels/index.ts first). */
export function allOps(): ReadonlyMap<string, Op> {
  return registry;
}

/** @throws Error when no op has that name. */
export function opNamed(name: string): Op {
  const op = registry.get(name);
  if (!op) {
    throw new Error(`no op is named ${name}; is src/kernels/index.ts imported?`);
  }
  return op;
}
