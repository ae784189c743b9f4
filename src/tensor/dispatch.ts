/** A kernel call as an op describes it: code, sizes and the tensors that it binds. */
import type { TensorType } from './types.ts';

/** The tensor behind a binding: an input or output of the node, or scratch that the node's dispatches share. */
export type BufferRef =
  | { readonly input: number }
  | { readonly output: number }
  | { readonly scratch: number; readonly type: TensorType };

/** A storage buffer of a kernel. */
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
  /** Name of the written binding whose `store_NAME` the code defines itself, by `put_NAME` (rewrite/store_fusion.ts). */
  readonly fusedStore?: string;
  /** For kernels on matrix units: what they ask of them. */
  readonly matrixWork?: MatrixWork;
}

/** The work of a dispatch on matrix units, counted from its tiles. */
export interface MatrixWork {
  /** Products of f16 matrices for one of its operands: 1, or 3 where they are f32. */
  readonly products: number;
  /** FLOP of all workgroups, with what their tiles compute in vain at the ends. */
  readonly flops: number;
  /** Multiplications of matrices that a subgroup executes in one round of each of the kernel's loops. */
  readonly multiplications: number;
  /** Bytes of the operands that a workgroup loads from memory for each FLOP. */
  readonly bytesPerFlop: number;
}
/** A uniform value: u32 if it is a plain number. */
export type Param = number | { readonly f32: number } | { readonly i32: number };
