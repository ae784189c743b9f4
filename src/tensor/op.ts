/**
 * The contract of an operation: one file or folder in src/kernels defines forward WGSL, shapes, VJP, CPU
 * reference, cost and test cases together, and everything else (tracing, autodiff, planning, tests) works from this.
 */
import type { DeviceCaps } from './device/device_caps.ts';
import type { Dispatch } from './dispatch.ts';
import { applyOp } from './graph.ts';
import type { OpCase } from './op_case.ts';
import type { Tensor } from './tensor.ts';
import type { Shape, TensorType } from './types.ts';

/** A value of a static parameter. */
export type AttrValue = number | string | boolean | null | readonly AttrValue[];
/** Static parameters of one use of an op (stride, epsilon, …): plain data, so nodes can be hashed. */
export type Attrs = Readonly<Record<string, AttrValue>>;

/** A value of the CPU interpreter: f64, row-major. */
export interface HostArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/** One use of an op: its input and output types and its attributes. */
export interface OpSite<A extends Attrs = Attrs> {
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
  readonly attrs: A;
}

/** One way to compute an op on the GPU. */
export interface Variant<A extends Attrs = Attrs> {
  /** Says the idea, such as `gpu_tile`; a name means the same idea in every op. */
  readonly name: string;
  /** Whether the variant can run at this site on this adapter; absent means always. */
  readonly supports?: (site: OpSite<A>, caps: DeviceCaps) => boolean;
  /** The kernels that compute the outputs, in order. */
  readonly dispatches: (site: OpSite<A>, caps: DeviceCaps) => readonly Dispatch[];
}

/** The work of one use of an op. */
export interface Cost {
  /** Floating-point operations; a fused multiply-add counts as two. */
  readonly flops: number;
  /** Bytes read and written if every operand crosses memory once. */
  readonly bytes: number;
}

/** One use of an op, to be differentiated. */
export interface VjpSite<A extends Attrs> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attrs: A;
  /** Cotangent of each output; undefined where the loss does not depend on it. The first is always defined. */
  readonly grads: readonly (Tensor | undefined)[];
  /** Cotangent of output 0. */
  readonly dy: Tensor;
  /** Whether each input's gradient is wanted: only those thunks are called. */
  readonly needs: readonly boolean[];
}

/** An elementwise op as WGSL over T, which stands for f32 or vec4<f32>. */
export interface Pointwise {
  /** WGSL over `a, b, c`, values of type T. */
  readonly expression: string;
  /** WGSL functions that the expression calls. */
  readonly functions?: string;
}

/** The two ops that a fused op replaces: the consumer takes output 0 of the producer, with nothing between. */
export interface FusedPair {
  readonly producer: string;
  readonly consumer: string;
  /** The input of the consumer that is the producer's output; 0 if absent. */
  readonly consumerInput?: number;
  /** The fused op can store the producer's output 0 as its last output, so that later nodes may read it too. */
  readonly keepsResult?: boolean;
  /**
   * Attributes of the fused op, whose inputs are the producer's and then the consumer's others; null: do not fuse these.
   * `keep`: other nodes read the producer's output 0.
   */
  readonly attrs: (producer: OpSite, consumer: OpSite, caps: DeviceCaps, keep: boolean) => Attrs | null;
}

/** The weights of a linear layer behind a norm, and the norm's gains. */
export interface NormedLayer {
  /** As the product of the backward pass reads it: [K,N], or [N,K] with `transposeB`; or one for each product of a batch. */
  readonly weight: Tensor;
  readonly transposeB: boolean;
  readonly gamma: Tensor;
  readonly beta: Tensor;
  readonly bias: Tensor | null;
}

/**
 * The three ops whose backward pass an op computes: a norm, the product that alone reads its result, and in the backward pass the
 * product by the transposed weight, whose result the norm's gradient takes. The op's inputs are dy, the weight, the terms of
 * the weights, the layer's result y, x, the norm's statistics and gamma.
 */
export interface NormGradientFusion {
  readonly norm: string;
  readonly gradient: string;
  readonly product: string;
  /** Attributes of the fused op for a site whose attributes are those of the backward product; null: do not fuse these. */
  readonly attrs: (site: OpSite, caps: DeviceCaps) => Attrs | null;
  /** Computes what the op needs and what depends on weights alone. */
  readonly weightTerms: (layer: NormedLayer) => Tensor;
}

/** All that is known of an op: its shapes, gradient, reference, kernels, cost and test cases. */
export interface OpDefinition<A extends Attrs> {
  /** Unique; also the op's name in reports. */
  readonly name: string;
  /** Result types. @throws Error saying which input is wrong; the caller adds the op and module path. */
  readonly infer: (inputs: readonly TensorType[], attrs: A) => readonly TensorType[];
  /** Returns a thunk per input (null: no gradient); thunks of unwanted gradients are never called. */
  readonly vjp?: (site: VjpSite<A>) => readonly ((() => Tensor) | null)[];
  /** The definition of the op, in f64 on the CPU: the oracle for every kernel. */
  readonly reference: (inputs: readonly HostArray[], site: OpSite<A>) => readonly Float64Array[];
  /** Variants in order of preference: the first supported one runs unless another is forced or tuned. `naive` is the readable one. */
  readonly variants: readonly Variant<A>[];
  /** The work of one use of it. */
  readonly cost: (site: OpSite<A>) => Cost;
  /** The cases that it is tested with (`checkOp`). */
  readonly cases: readonly OpCase<A>[];
  /** Output 0 is input 0's buffer under another shape: nothing runs. */
  readonly isView?: boolean;
  /** Whether output 0 is the inputs end to end in memory, all of one dtype: weights that it joins share one buffer (schedule/input_buffers.ts). */
  readonly isConcatenation?: (site: OpSite<A>) => boolean;
  /** For transposes: axis i of the result is axis permutation[i] of the input. A weight may be stored so (schedule/weight_layout.ts). */
  readonly permutation?: (attrs: A) => readonly number[];
  /** Returns the attributes with which the op reads input `index` with its last two axes exchanged; null where it cannot. */
  readonly readTransposed?: (attrs: A, index: number) => A | null;
  /** For elementwise ops: the WGSL by which chains of them are fused; null where this use of the op cannot be fused. */
  readonly pointwise?: (attrs: A) => Pointwise | null;
  /** Every variant stores each element of output 0 once, through store_NAME, and does not read it (rewrite/store_fusion.ts). */
  readonly storesOnce?: boolean;
  /** For ops that replace two others (rewrite/pair_fusion.ts). */
  readonly fusesPair?: FusedPair;
  /** For ops that replace the gradient of a norm and the product before it (rewrite/norm_gradient.ts). */
  readonly fusesNormGradient?: NormGradientFusion;
  /** For ops made by the planner: the traced op that they begin with, and its site. */
  readonly inner?: { readonly op: Op; readonly site: OpSite };
  /** For fused ops: the same value from basic ops; tests require equal value and gradient. */
  readonly composition?: (inputs: readonly Tensor[], attrs: A) => Tensor;
}

/** A registered op. `defineOp` returns one. */
export interface Op<A extends Attrs = Attrs> extends OpDefinition<A> {
  /** Adds a node to the graph of its inputs, or finds the equal one, and returns its outputs. */
  call(inputs: readonly Tensor[], attrs: A): Tensor[];
  /** As `call`, and returns the first output. */
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
