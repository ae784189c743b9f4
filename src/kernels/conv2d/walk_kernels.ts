/** The kernels that walk (walk_wgsl.ts), by the tiles that a workgroup makes, and their dispatch. */
import type { DeviceCaps } from '../../tensor/device_caps.ts';
import type { Dispatch } from '../../tensor/dispatch.ts';
import { epilogueCode } from '../common/epilogue_wgsl.ts';
import { GPU_TILE, GPU_TILE_COLUMNS, gpuTileRows, MAX_GPU_TILE_ROWS, operands } from '../common/gpu_tile_wgsl.ts';
import { NARROW_COLUMNS, NARROW_ROWS, NARROW_TILE } from '../common/narrow_tile_wgsl.ts';
import { hasSubgroupTile } from '../common/subgroup_tile.ts';
import { CONV2D_CPU_TILE_32X32, WIDE_COLUMNS, WIDE_ROWS, wideTile } from '../common/wide_tile_wgsl.ts';
import { epilogueBindings, read, write } from './bindings.ts';
import type { Epilogue } from './sizes.ts';
import type { Walk } from './walk.ts';
import { CONV2D_CPU_TILE_4X8 } from './walk_cpu_wgsl.ts';
import { CONV2D_GPU_TILE } from './walk_gpu_wgsl.ts';
import { CONV2D_WALK } from './walk_wgsl.ts';

interface Tile {
  readonly code: string;
  readonly constants?: Readonly<Record<string, number>>;
  readonly params?: Readonly<Record<string, number>>;
  /** What a workgroup makes. */
  readonly pixels: number;
  readonly channels: number;
  /** WGSL names of the source and the kernel, and how they are indexed. */
  readonly x: readonly [string, 1 | 4];
  readonly w: readonly [string, 1 | 4];
}

export interface WalkKernel {
  readonly name: string;
  readonly runs: (caps: DeviceCaps) => boolean;
  /** Whether it is for this size; absent means always. */
  readonly fits?: (walk: Walk) => boolean;
  /** Reads a transposed weight as it lies; the others have it transposed into scratch. */
  readonly readsTransposed: boolean;
  readonly tile: (walk: Walk) => Tile;
}

/** In order of preference; those for CPU drivers first. */
export const WALKS: readonly WalkKernel[] = [
  {
    name: 'cpu_tile_32x32',
    runs: hasSubgroupTile,
    fits: ({ cin, pixels }) => cin % 4 === 0 && pixels >= WIDE_ROWS / 2,
    readsTransposed: true,
    tile: ({ transposeWeight }) => ({
      code: wideTile(transposeWeight) + CONV2D_CPU_TILE_32X32,
      params: { tile: WIDE_ROWS },
      pixels: WIDE_ROWS,
      channels: WIDE_COLUMNS,
      x: ['x', 4],
      w: ['b', 4],
    }),
  },
  {
    name: 'cpu_tile_4x8',
    runs: (caps) => caps.software,
    readsTransposed: false,
    tile: () => ({
      code: NARROW_TILE + CONV2D_CPU_TILE_4X8,
      params: { tile: 8 },
      pixels: NARROW_ROWS,
      channels: NARROW_COLUMNS,
      x: ['x', 1],
      w: ['w', 4],
    }),
  },
  {
    name: 'gpu_tile',
    runs: (caps) => caps.maxInvocations >= MAX_GPU_TILE_ROWS,
    readsTransposed: true,
    tile: ({ cin, cout, pixels, groups, transposeWeight }) => {
      const rows = gpuTileRows(pixels, cout, groups);
      const { code, vecA, vecB } = operands(cin, transposeWeight);
      return {
        code: GPU_TILE + code + CONV2D_GPU_TILE,
        constants: { ROWS: rows },
        pixels: rows,
        channels: GPU_TILE_COLUMNS,
        x: ['a', vecA],
        w: ['b', vecB],
      };
    },
  },
];

/** A convolution over taps with fused bias and residual (see CONV2D_WALK). */
export function walkDispatch(walk: Walk, kernel: WalkKernel, epilogue: Epilogue): Dispatch[] {
  const { s, forward, cin, cout, pixels, groups } = walk;
  const classes = forward ? 1 : s.stride;
  const [outHeight, outWidth] = forward ? [s.outHeight, s.outWidth] : [s.height, s.width];
  const [sourceHeight, sourceWidth] = forward ? [s.height, s.width] : [s.outHeight, s.outWidth];
  const gridHeight = Math.ceil(outHeight / classes);
  const gridWidth = Math.ceil(outWidth / classes);
  const tile = kernel.tile(walk);
  return [
    {
      label: `${forward ? 'conv2d' : 'conv2d_backward_input'}.${kernel.name}`,
      code: tile.code + CONV2D_WALK + epilogueCode(epilogue, 4),
      constants: tile.constants ?? {},
      params: {
        images: s.images,
        sourceHeight,
        sourceWidth,
        cin,
        outHeight,
        outWidth,
        cout4: cout / 4,
        kh: s.kh,
        kw: s.kw,
        gridHeight,
        gridWidth,
        classes,
        reach: { i32: forward ? s.stride : 1 },
        sign: { i32: forward ? 1 : -1 },
        top: { i32: s.top },
        left: { i32: s.left },
        ...tile.params,
      },
      bindings: [
        read(tile.x[0], 0, tile.x[1]),
        read(tile.w[0], 1, tile.w[1]),
        write('y', 4),
        ...epilogueBindings(epilogue, 4),
      ],
      workgroups: [Math.ceil(cout / tile.channels), Math.ceil(pixels / tile.pixels), groups],
    },
  ];
}
