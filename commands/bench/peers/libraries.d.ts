/** The parts of the compared libraries that the benchmark calls; types are checked without having them installed. */

declare module '@tensorflow/tfjs' {
  export interface Tensor {
    readonly shape: number[];
    data(): Promise<Float32Array<ArrayBuffer>>;
    dispose(): void;
  }
  export const version: { readonly tfjs: string };
  export function setBackend(name: string): Promise<boolean>;
  export function ready(): Promise<void>;
  export function tidy<T>(work: () => T): T;
  export function keep(x: Tensor): Tensor;
  export function dispose(x: readonly Tensor[]): void;
  export function tensor(values: Float32Array, shape: readonly number[]): Tensor;
  export function reshape(x: Tensor, shape: readonly number[]): Tensor;
  export function transpose(x: Tensor, perm: readonly number[]): Tensor;
  export function slice(x: Tensor, begin: readonly number[], size: readonly number[]): Tensor;
  export function concat(x: readonly Tensor[], axis: number): Tensor;
  export function split(x: Tensor, parts: number, axis: number): Tensor[];
  export function matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
  export function conv2d(x: Tensor, filter: Tensor, strides: number, padding: 'same'): Tensor;
  export function softmax(x: Tensor, axis?: number): Tensor;
  export function moments(
    x: Tensor,
    axes: readonly number[],
    keepDims: boolean,
  ): { readonly mean: Tensor; readonly variance: Tensor };
  export function add(a: Tensor, b: Tensor | number): Tensor;
  export function sub(a: Tensor, b: Tensor): Tensor;
  export function mul(a: Tensor, b: Tensor | number): Tensor;
  export function rsqrt(x: Tensor): Tensor;
  export function sum(x: Tensor): Tensor;
  export function variableGrads(f: () => Tensor): unknown;
  export function grad(f: (x: Tensor) => Tensor): (x: Tensor, dy?: Tensor) => Tensor;
  export function valueAndGrads(
    f: (...x: readonly Tensor[]) => Tensor,
  ): (x: readonly Tensor[], dy?: Tensor) => { readonly value: Tensor; readonly grads: Tensor[] };
}

declare module '@tensorflow/tfjs-backend-webgpu';

declare module '@jax-js/jax' {
  /** An operation takes its operands with it: `x.ref` is one more reference. */
  export interface Array {
    readonly ref: Array;
    readonly shape: number[];
    add(other: Array | number): Array;
    sub(other: Array | number): Array;
    mul(other: Array | number): Array;
    div(other: Array | number): Array;
    reshape(shape: readonly number[]): Array;
    transpose(perm?: readonly number[]): Array;
    data(): Promise<Float32Array<ArrayBuffer>>;
    blockUntilReady(): Promise<Array>;
    dispose(): void;
  }
  type Reduce = { readonly keepdims?: boolean };
  export function init(...devices: string[]): Promise<string[]>;
  export function defaultDevice(device: string): string;
  export function blockUntilReady<T>(x: T): Promise<T>;
  export function jit<A extends readonly Array[], R>(f: (...x: A) => R): ((...x: A) => R) & { dispose(): void };
  export function vjp(f: (...x: Array[]) => Array, primals: readonly Array[]): [Array, (dy: Array) => Array[]];
  export function grad(f: (...x: Array[]) => Array): (...x: Array[]) => Array;
  export function valueAndGrad(f: (...x: Array[]) => Array): (...x: Array[]) => [Array, Array];
  export const numpy: {
    array(values: Float32Array, options: { readonly shape: readonly number[] }): Array;
    matmul(a: Array, b: Array): Array;
    concatenate(x: readonly Array[], axis: number): Array;
    split(x: Array, parts: number | readonly number[], axis: number): Array[];
    repeat(x: Array, times: number, axis: number): Array;
    clip(x: Array, low: number, high: number): Array;
    sum(x: Array, axis?: number | readonly number[], options?: Reduce): Array;
    mean(x: Array, axis?: number | readonly number[], options?: Reduce): Array;
    var_(x: Array, axis?: number | readonly number[], options?: Reduce): Array;
    sqrt(x: Array): Array;
    square(x: Array): Array;
  };
  export const lax: {
    convGeneralDilated(x: Array, w: Array, strides: readonly number[], padding: string | readonly number[][]): Array;
  };
  export const nn: {
    dotProductAttention(q: Array, k: Array, v: Array, options?: { readonly isCausal?: boolean }): Array;
    softmax(x: Array, axis?: number): Array;
    silu(x: Array): Array;
    gelu(x: Array, options?: { readonly approximate?: boolean }): Array;
  };
}

declare module 'onnxruntime-node' {
  export class Tensor {
    constructor(type: 'float32', data: Float32Array, dims: readonly number[]);
    readonly data: Float32Array<ArrayBuffer>;
    readonly dims: readonly number[];
  }
  export class InferenceSession {
    static create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<InferenceSession>;
    run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
    release(): Promise<void>;
  }
  export const env: { readonly versions: { readonly node?: string; readonly common?: string } };
}
