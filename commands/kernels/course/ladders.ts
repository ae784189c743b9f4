/** The ladders of the course (docs/kernels): for each, the kernels from the readable one to the fastest, and the shapes at which they run. */
import '../../../src/kernels/index.ts';
import { GPU_CAPS, MATRIX_GPU } from '../../../src/cli/plan/planned_run.ts';
import { type ChosenKernel, chooseKernel, parseShapes } from '../../../src/kernels/check/chosen_kernel.ts';
import type { DeviceCaps } from '../../../src/tensor/device/device_caps.ts';
import { type Attrs, opNamed } from '../../../src/tensor/op.ts';

/** Shapes, such as `640x640,640x640`, and attributes of one use of an op, as the flags of `reno kernels` take them. */
interface Use {
  readonly shape: string;
  readonly attrs?: Attrs;
}

/** A kernel of a ladder. */
export interface Rung {
  readonly op: string;
  readonly variant: string;
  readonly dtype: 'f32' | 'f16';
  /** The GPU family that a kernel for GPUs is compiled for, where it is not the one with matrix units: FAMILY. */
  readonly family?: 'navi21';
}

export interface Ladder {
  /** The figure block of this name in the pages shows it. */
  readonly name: string;
  /** Kernels that run on a CPU driver, each compared with the one before it of the same op. */
  readonly cpu: readonly Rung[];
  /** Kernels for GPUs. Here they are checked, and compiled for a GPU that is not here; no time is taken. */
  readonly gpu: readonly Rung[];
  /** For each op, the use that CPU drivers are timed on, the small one on which GPU kernels are checked, and the one that is compiled. */
  readonly uses: Readonly<Record<string, { readonly timed: Use; readonly checked: Use; readonly compiled: Use }>>;
}

/** One rung for each variant, in f32; `:f16` and `@navi21` behind a name say otherwise. */
function rungs(op: string, ...variants: readonly string[]): Rung[] {
  return variants.map((text) => {
    const [, variant = '', f16, navi21] = /^(\w+)(:f16)?(@navi21)?$/.exec(text) ?? [];
    return { op, variant, dtype: f16 ? 'f16' : 'f32', ...(navi21 ? { family: 'navi21' as const } : {}) };
  });
}

const around: Attrs = { stride: 1, padding: [1, 1, 1, 1] };
const image = (size: number): Attrs => ({ ...around, height: size, width: size });
const images = (size: number, channels: number): string => `1x${size}x${size}x${channels},3x3x${channels}x${channels}`;

/** Convolution and its input gradient of square images. */
const CONVOLUTIONS: Ladder['uses'] = {
  conv2d: {
    timed: { shape: images(48, 128), attrs: around },
    checked: { shape: images(36, 64), attrs: around },
    compiled: { shape: images(64, 320), attrs: around },
  },
  conv2d_backward_input: {
    timed: { shape: images(48, 128), attrs: image(48) },
    checked: { shape: images(36, 64), attrs: image(36) },
    compiled: { shape: images(64, 320), attrs: image(64) },
  },
};

const heads = (count: number, head: number): Attrs => ({
  heads: count,
  scale: 1 / Math.sqrt(head),
  causal: false,
  mask: false,
});

/** Shapes of q, k and v, and of y and dy and the log-sum-exp behind them where the gradient is meant. */
function tokens(count: number, h: number, head: number): { forward: Use; backward: Use } {
  const row = `1x${count}x${h * head}`;
  const attrs = heads(h, head);
  return {
    forward: { shape: [row, row, row].join(), attrs },
    backward: { shape: [row, row, row, row, row, `1x${h}x${count}`].join(), attrs: { ...attrs, gradients: 'all' } },
  };
}

const [timed, checked, compiled] = [tokens(512, 4, 64), tokens(72, 2, 64), tokens(4096, 5, 64)];

/** An image of `size`² pixels and `channels` channels, and what else the norm and its gradient read. */
function normed(size: number, channels: number, groups: number): { forward: Use; backward: Use } {
  const x = `1x${size}x${size}x${channels}`;
  return {
    forward: { shape: `${x},${channels},${channels}`, attrs: { groups, eps: 1e-5, silu: true } },
    backward: { shape: `${x},1x${groups}x2,${channels},${channels},${x}`, attrs: { silu: true } },
  };
}

const [large, small] = [normed(64, 320, 32), normed(20, 64, 32)];

export const LADDERS: readonly Ladder[] = [
  {
    name: 'product',
    cpu: rungs('matmul', 'naive', 'cpu_tile_4x8', 'cpu_tile_32x32', 'packed_panels'),
    gpu: rungs(
      'matmul',
      'naive',
      'gpu_tile',
      'gpu_tile:f16',
      'subgroup_matrix:f16',
      'subgroup_matrix_split',
      'gpu_tile:f16@navi21',
      'packed_f16:f16@navi21',
    ),
    uses: {
      matmul: {
        timed: { shape: '640x640,640x640' },
        checked: { shape: '136x72,72x80' },
        compiled: { shape: '4096x1280,1280x1280' },
      },
    },
  },
  {
    name: 'convolution',
    cpu: [
      ...rungs('conv2d', 'naive', 'cpu_tile_4x8', 'cpu_tile_32x32'),
      ...rungs('conv2d_backward_input', 'naive', 'cpu_tile_4x8', 'cpu_tile_32x32'),
    ],
    gpu: [
      ...rungs('conv2d', 'naive', 'gpu_tile', 'gpu_tile:f16', 'subgroup_matrix:f16'),
      ...rungs('conv2d_backward_input', 'naive', 'gpu_tile', 'gpu_tile:f16', 'subgroup_matrix:f16'),
    ],
    uses: CONVOLUTIONS,
  },
  {
    name: 'winograd',
    cpu: [
      ...rungs('conv2d', 'cpu_tile_32x32', 'winograd_cpu'),
      ...rungs('conv2d_backward_input', 'cpu_tile_32x32', 'winograd_cpu'),
    ],
    gpu: rungs('conv2d', 'gpu_tile', 'winograd_gpu'),
    uses: CONVOLUTIONS,
  },
  {
    name: 'attention',
    cpu: [...rungs('attention', 'naive', 'cpu_rows'), ...rungs('attention_backward', 'naive', 'cpu_rows')],
    gpu: [
      ...rungs('attention', 'naive', 'gpu_tile', 'subgroup_matrix:f16'),
      ...rungs('attention_backward', 'naive', 'gpu_tile', 'subgroup_matrix:f16'),
    ],
    uses: {
      attention: { timed: timed.forward, checked: checked.forward, compiled: compiled.forward },
      attention_backward: { timed: timed.backward, checked: checked.backward, compiled: compiled.backward },
    },
  },
  {
    name: 'group-norm',
    cpu: [...rungs('group_norm', 'naive', 'cpu_columns'), ...rungs('group_norm_backward', 'naive', 'cpu_columns')],
    gpu: [
      ...rungs('group_norm', 'naive', 'gpu_one_pass', 'gpu_two_pass'),
      ...rungs('group_norm_backward', 'naive', 'gpu_one_pass', 'gpu_two_pass'),
    ],
    uses: {
      group_norm: { timed: large.forward, checked: small.forward, compiled: large.forward },
      group_norm_backward: { timed: large.backward, checked: small.backward, compiled: large.backward },
    },
  },
];

/** The GPU family that kernels for GPUs are compiled for: an RX 7900, which has matrix units of 16x16x16. */
export const FAMILY = 'navi31';

/** The capabilities that decide how a rung's kernel for GPUs looks. */
export const gpuCaps = ({ family }: Rung): DeviceCaps => (family === undefined ? MATRIX_GPU.caps : GPU_CAPS);

/** The capabilities of Mesa's lavapipe, for what must not depend on the adapter that is here. */
export const CPU_CAPS: DeviceCaps = {
  ...GPU_CAPS,
  subgroupMinSize: 8,
  subgroupMaxSize: 8,
  software: true,
  maxWorkgroupStorage: 32768,
};

/** The kernel of a rung at one of its ladder's uses. @throws KernelWishError where it does not exist, or `caps` lack what it needs */
export function kernelOf(
  ladder: Ladder,
  { op, variant, dtype }: Rung,
  use: 'timed' | 'checked' | 'compiled',
  caps: DeviceCaps,
): ChosenKernel {
  const { [op]: uses } = ladder.uses;
  if (!uses) {
    throw new Error(`the ladder "${ladder.name}" has no use of ${op}`);
  }
  const { shape, attrs } = uses[use];
  return chooseKernel(opNamed(op), { variant, dtype, shapes: parseShapes(shape), attrs }, caps);
}
