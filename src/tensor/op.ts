/**
 * The contract of an operation: one file or folder in src/kernels defines forward WGSL, shapes, VJP, CPU
 * reference, cost and test cases together, and everything else (tracing, autodiff, planning, tests) works from this.
 */

import { applyOp } from './graph.ts';
import type { Tensor } from './tensor.ts';
import type { DType, Shape, TensorType } from './types.ts';

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

/** What a kernel may rely on; probed from the adapter, never assumed. */
export interface DeviceCaps {
  /** `shader-f16` is there: f16 arrays can be declared and stored. Without it f16 inputs are read packed from u32. */
  readonly f16: boolean;
  readonly subgroups: boolean;
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  /** A CPU driver (lavapipe, SwiftShader): prefer register blocking, avoid barriers. */
  readonly software: boolean;
  readonly maxWorkgroupStorage: number;
  readonly maxInvocations: number;
  /** Storage buffers of a kernel; WebGPU guarantees 8. */
  readonly maxStorageBuffers: number;
  /** Shapes that the matrix units multiply, where the device was opened for them (chromium-experimental-subgroup-matrix). */
  readonly subgroupMatrices?: readonly SubgroupMatrix[];
}

/** [m,k] of `component` times [k,n], summed in `result`. */
export interface SubgroupMatrix {
  readonly component: string;
  readonly result: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Which tensor a binding shows: an input or output of the node, or scratch of `bytes` shared by its dispatches. */
export type BufferRef =
  | { readonly input: number }
  | { readonly output: number }
  | { readonly scratch: number; readonly type: TensorType };

export interface Binding {
  /** WGSL name. The header declares the array and `load_NAME(i)` / `store_NAME(i, v)`, see kernel.ts. */
  readonly name: string;
  readonly ref: BufferRef;
  readonly access: 'read' | 'write' | 'read_write';
  /** 4: elements are vec4f and indices count vec4s (the innermost size must be a multiple of 4). Default 1. */
  readonly vec?: 1 | 4;
}

/** One dispatchWorkgroups call. Sizes go in `params` (a uniform), so one pipeline serves every shape. */
export interface Dispatch {
  /** Short name for profiles, such as `conv2d.gpu_tile`. */
  readonly label: string;
  /** Static WGSL text; uses `params.NAME`, `load_X`, `store_X` and the constants below. */
  readonly code: string;
  /** Typed header: numbers become `const NAME: u32|f32`, strings `alias NAME = …`. */
  readonly constants?: Readonly<Record<string, number | string>>;
  /** Pipeline-overridable constants (workgroup size, flags). */
  readonly overrides?: Readonly<Record<string, number>>;
  /** u32 unless written as `{ f32: … }` or `{ i32: … }`. */
  readonly params: Readonly<Record<string, Param>>;
  readonly bindings: readonly Binding[];
  readonly workgroups: readonly [number, number, number];
  /** A written binding whose `store_NAME` the code defines itself, on `put_NAME` (epilogue.ts). */
  readonly epilogue?: string;
}
export type Param = number | { readonly f32: number } | { readonly i32: number };

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

/** How a test makes an input. `ids`: integers in [0, below). Default: standard normal f32. */
export interface CaseInput {
  readonly shape: Shape;
  readonly dtype?: DType;
  readonly fill?: 'normal' | 'positive' | 'unit' | 'ids' | 'mask';
  readonly below?: number;
  readonly scale?: number;
}

/** A test case: run every variant against `reference`, and check the VJP by finite differences. */
export interface OpCase<A extends Attrs = Attrs> {
  readonly name?: string;
  readonly inputs: readonly CaseInput[];
  readonly attrs: A;
  /** Inputs whose gradient is checked; default all f32/f16 inputs when the op has a VJP. */
  readonly grad?: readonly number[];
  /** NMSE bound if it must differ from the default (1e-7 f32, 1e-6 with f16); say why beside it. */
  readonly nmse?: number;
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

export interface Joins {
  readonly producer: string;
  readonly consumer: string;
  /** Attributes of the op that does both, on the producer's inputs and then the consumer's others; null: better apart. */
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
  /** Whether output 0 is the inputs end to end in memory, all of one dtype: weights joined so lie in one buffer (packed.ts). */
  readonly isJoin?: (site: OpSite<A>) => boolean;
  /** For transposes: axis i of the result is axis permutation[i] of the input. A weight's other layout need not be made (layouts.ts). */
  readonly permutation?: (attrs: A) => readonly number[];
  /** Attributes with which input `index` is read with its last two axes exchanged; null where that cannot be. */
  readonly readSwapped?: (attrs: A, index: number) => A | null;
  /** For elementwise ops: how chains of them are fused; null where this use of it is not. */
  readonly pointwise?: (attrs: A) => Pointwise | null;
  /** Every variant stores each element of output 0 once, through store_NAME, and does not read it (epilogue.ts). */
  readonly storesOnce?: boolean;
  /** For ops that stand for two others: the second takes output 0 of the first as its input 0, with nothing between (join.ts). */
  readonly joins?: Joins;
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
