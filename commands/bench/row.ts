/** A row of the benchmark: one computation on seeded inputs, the same in every engine. */
import { sizeOf } from '../../src/tensor/types.ts';

/** Folders with config.json and weights. */
export interface Network {
  readonly unet: string;
  readonly vae: string;
  readonly clip: string;
}

export type Kind =
  | 'matmul'
  | 'conv2d'
  | 'conv2d_backward_input'
  | 'attention'
  | 'attention_gradient'
  | 'group_norm'
  | 'group_norm_gradient'
  | 'iteration';

export interface Row {
  readonly name: string;
  readonly kind: Kind;
  /**
   * f32, uniform in [-1, 1), seeded by name. Images are [N,H,W,C], tokens [N,T,heads*D], convolution weights
   * [Cout,Cin,KH,KW]; each engine turns them into the layout it likes best, outside the time.
   */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** Results, in the same layouts. */
  readonly outputs: Readonly<Record<string, readonly number[]>>;
  readonly flops: number;
  /** Without gradients: what an inference runtime can run. */
  readonly forward: boolean;
  readonly heads?: number;
  readonly groups?: number;
  /** The networks of a whole iteration. */
  readonly network?: Network;
}

/** 3x3, stride 1, padding 1. */
function convolution(size: number, cin: number, cout: number): Row[] {
  const x = [1, size, size, cin];
  const y = [1, size, size, cout];
  const w = [cout, cin, 3, 3];
  const flops = 2 * 9 * size * size * cin * cout;
  const name = `conv 3×3 ${size}² ${cin}→${cout}`;
  return [
    { name, kind: 'conv2d', inputs: { x, w }, outputs: { y }, flops, forward: true },
    {
      name: `${name}, backward to input`,
      kind: 'conv2d_backward_input',
      inputs: { dy: y, w },
      outputs: { dx: x },
      flops,
      forward: false,
    },
  ];
}

/** Forward two products of T²·D a head; the gradients of q, k and v five more (scores are made again). */
function attention(heads: number, tokens: number, width: number): Row[] {
  const q = [1, tokens, heads * width];
  const product = 2 * heads * tokens * tokens * width;
  const name = `attention ${heads}×${tokens}×${width}`;
  return [
    {
      name,
      kind: 'attention',
      inputs: { q, k: q, v: q },
      outputs: { y: q },
      flops: 2 * product,
      forward: true,
      heads,
    },
    {
      name: `${name}, forward and backward`,
      kind: 'attention_gradient',
      inputs: { q, k: q, v: q, dy: q },
      outputs: { y: q, dq: q, dk: q, dv: q },
      flops: 7 * product,
      forward: false,
      heads,
    },
  ];
}

/** Counted as 8 operations an element forward and 12 backward; memory is what bounds it. The gradient is the input's. */
function groupNorm(size: number, channels: number): Row[] {
  const x = [1, size, size, channels];
  const inputs = { x, gamma: [channels], beta: [channels] };
  const name = `group norm ${size}²×${channels}`;
  return [
    { name, kind: 'group_norm', inputs, outputs: { y: x }, flops: 8 * sizeOf(x), forward: true, groups: 32 },
    {
      name: `${name}, forward and backward`,
      kind: 'group_norm_gradient',
      inputs: { ...inputs, dy: x },
      outputs: { y: x, dx: x },
      flops: 20 * sizeOf(x),
      forward: false,
      groups: 32,
    },
  ];
}

const MATMUL: Row = {
  name: 'matmul 1024³',
  kind: 'matmul',
  inputs: { a: [1024, 1024], b: [1024, 1024] },
  outputs: { y: [1024, 1024] },
  flops: 2 * 1024 ** 3,
  forward: true,
};

export const KERNEL_ROWS: readonly Row[] = [
  MATMUL,
  ...convolution(64, 320, 320),
  ...convolution(256, 128, 128),
  ...attention(5, 4096, 64),
  ...groupNorm(64, 320),
  ...groupNorm(256, 128),
];

export const GROUP_NORM_EPS = 1e-5;

/** Uniform in [-1, 1): a hash (murmur3's finalizer) of the index and the name, the same in every language. */
export function seeded(name: string, count: number): Float32Array<ArrayBuffer> {
  let seed = 2166136261;
  for (const byte of new TextEncoder().encode(name)) {
    seed = Math.imul(seed ^ byte, 16777619);
  }
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let h = (i + seed) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    // 24 bits: exact in f32.
    out[i] = ((h ^ (h >>> 16)) >>> 8) / 2 ** 23 - 1;
  }
  return out;
}

/** Positions at which engines' results are compared: all of a small tensor, else 4096 spread over it. */
export function sampled(values: ArrayLike<number>): number[] {
  const count = Math.min(values.length, SAMPLES);
  return Array.from({ length: count }, (_, i) => values[Math.floor((i * values.length) / count)] ?? Number.NaN);
}

const SAMPLES = 4096;
