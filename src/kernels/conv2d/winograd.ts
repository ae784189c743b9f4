/**
 * 3x3 convolution of stride 1 by F(4x4, 3x3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015):
 * tiles of 6x6 source pixels and the weight are transformed, multiplied at each of 36 points as a matrix product over channels,
 * and transformed back to 4x4 pixels. That is a quarter of the multiplications, all in f32, at the price of scratch memory.
 * winograd_cpu.ts and winograd_gpu.ts each bring their own matrix product; everything else is here.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Dispatch, Param } from '../../tensor/dispatch.ts';
import type { TensorType } from '../../tensor/types.ts';
import { byteSize } from '../../tensor/types.ts';
import { read, write } from '../common/bindings.ts';
import { epilogueCode } from '../common/epilogue_wgsl.ts';
import { upTo } from '../common/panels.ts';
import { WIDE_COLUMNS, WIDE_ROWS } from '../common/wide_tile_wgsl.ts';
import type { ConvolutionVariants, ImplicitGemm } from './implicit_gemm.ts';
import { forBothOps } from './implicit_gemm.ts';
import type { Epilogue } from './shapes.ts';
import { epilogueBindings } from './shapes.ts';
import { RESULT_TRANSFORM, SOURCE_TRANSFORM, WEIGHT_TRANSFORM } from './winograd_transforms.ts';

/** One use: a convolution, or an input gradient, which is the convolution of dy with the rotated weight. */
export interface Winograd {
  readonly images: number;
  readonly sourceHeight: number;
  readonly sourceWidth: number;
  readonly cin: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly cout: number;
  /** Zeros above and to the left of the source. */
  readonly top: number;
  readonly left: number;
  /** The weight is rotated by half a turn. */
  readonly isRotated: boolean;
  /** The weight's last axis is `cin`. */
  readonly transposeWeight: boolean;
}

/** How a variant multiplies at the points. */
export interface PointProduct {
  /** WGSL of how the points are stored: MATRICES or PANELS. */
  readonly layout: string;
  /** Tiles at a time. */
  readonly tiles: number;
  /** Types of scratch 0 to 2: the transformed weight, the transformed source, and their products. */
  readonly weight: TensorType;
  readonly source: TensorType;
  readonly result: TensorType;
  readonly dispatches: (tiles: number) => readonly Dispatch[];
}

export const POINTS = 36;
/** Multiply-adds of the direct form below which the transforms cost more than they save. */
const MIN_WORK = 2 ** 24;
const WORKGROUP = 64;
/** Most bytes of the transformed weight: the storage binding that every adapter has. */
const MAX_WEIGHT_BYTES = 2 ** 27;

/** A matrix at each of the points. */
export const atPoints = (rows: number, columns: number): TensorType => ({
  dtype: 'f32',
  shape: [POINTS, rows, columns],
});
export const tilesOf = (p: Winograd): number => p.images * Math.ceil(p.outHeight / 4) * Math.ceil(p.outWidth / 4);

/** Tiles whose source and result take at most `bytes` each. */
export const tilesIn = (bytes: number, p: Winograd): number =>
  Math.floor(bytes / (4 * POINTS * Math.max(p.cin, p.cout)));

/** Null unless the weight is 3x3 and the stride 1. */
function winogradOf({ s, isForward, cin, cout, transposeWeight }: ImplicitGemm): Winograd | null {
  if (s.kh !== 3 || s.kw !== 3 || s.stride !== 1) {
    return null;
  }
  const both = { images: s.images, cin, cout, transposeWeight, isRotated: !isForward };
  const large = { height: s.height, width: s.width };
  const out = { height: s.outHeight, width: s.outWidth };
  const [source, result] = isForward ? [large, out] : [out, large];
  return {
    ...both,
    sourceHeight: source.height,
    sourceWidth: source.width,
    outHeight: result.height,
    outWidth: result.width,
    top: isForward ? s.top : 2 - s.top,
    left: isForward ? s.left : 2 - s.left,
  };
}

/** Whether the product outweighs the transforms, and the transformed weight can be bound. */
function pays(p: Winograd): boolean {
  const work = p.images * p.outHeight * p.outWidth * 9 * p.cin * p.cout;
  return (
    p.cin % 4 === 0 &&
    p.cout % 4 === 0 &&
    Math.min(p.cin, p.cout) >= 32 &&
    tilesOf(p) >= 16 &&
    work >= MIN_WORK &&
    byteSize(atPoints(p.cin, upTo(p.cout, WIDE_COLUMNS))) <= MAX_WEIGHT_BYTES
  );
}

/** The variants of both ops; `productOf` gives null where its product does not run. */
export function winogradVariants(
  name: string,
  productOf: (p: Winograd, label: string, caps: DeviceCaps) => PointProduct | null,
): ConvolutionVariants {
  return forBothOps(({ op, gemm, epilogue }) => ({
    name,
    supports: (site, caps) => {
      const p = winogradOf(gemm(site));
      return p !== null && pays(p) && productOf(p, name, caps) !== null;
    },
    dispatches: (site, caps) => {
      const label = `${op}.${name}`;
      const p = winogradOf(gemm(site));
      const product = p && productOf(p, label, caps);
      if (!product) {
        throw new Error(`${label} does not run here`);
      }
      return dispatches({ label, p, product, epilogue: epilogue(site.attrs) });
    },
  }));
}

interface Use {
  readonly label: string;
  readonly p: Winograd;
  readonly product: PointProduct;
  readonly epilogue: Epilogue;
}

/** Input 0 is the source, 1 the weight, then bias and residual; output 0 the result. */
function dispatches(use: Use): Dispatch[] {
  const all = tilesOf(use.p);
  const { tiles } = use.product;
  const starts = Array.from({ length: Math.ceil(all / tiles) }, (_, i) => i * tiles);
  return [weightTransform(use), ...starts.flatMap((first) => batchOfTiles(use, first, Math.min(tiles, all - first)))];
}

const panelsOf = (p: Winograd, tiles: number) => ({
  rowPanels: Math.ceil(tiles / WIDE_ROWS),
  columnPanels: Math.ceil(p.cout / WIDE_COLUMNS),
});
const groups = (n: number): readonly [number, number, number] => [Math.ceil(n / WORKGROUP), 1, 1];

function weightTransform({ label, p, product }: Use): Dispatch {
  const [cin4, cout4] = [p.cin / 4, p.cout / 4];
  return {
    label: `${label}.weight`,
    code: product.layout + WEIGHT_TRANSFORM,
    params: {
      ...panelsOf(p, product.tiles),
      tiles: product.tiles,
      cin4,
      cout4,
      columnStep: p.transposeWeight ? p.cin : 1,
      rowStep: p.transposeWeight ? 1 : p.cout,
      turned: Number(p.isRotated),
      rows: 3,
      points: POINTS,
    },
    bindings: [read('w', 1), write('u', { scratch: 0, type: product.weight }, 4)],
    workgroups: groups(p.cin * cout4),
  };
}

/** `count` tiles from tile `first` on: to the points, their product, and back. */
function batchOfTiles({ label, p, product, epilogue }: Use, first: number, count: number): Dispatch[] {
  const [cin4, cout4] = [p.cin / 4, p.cout / 4];
  const image: Record<string, Param> = {
    first,
    tiles: count,
    across: Math.ceil(p.outWidth / 4),
    down: Math.ceil(p.outHeight / 4),
    rows: 6,
  };
  return [
    {
      label: `${label}.source`,
      code: product.layout + SOURCE_TRANSFORM,
      params: {
        ...image,
        ...panelsOf(p, count),
        height: p.sourceHeight,
        width: p.sourceWidth,
        cin4,
        cout4,
        points: POINTS,
        top: { i32: p.top },
        left: { i32: p.left },
      },
      bindings: [read('x', 0, 4), write('points', { scratch: 1, type: product.source }, 4)],
      workgroups: groups(count * cin4),
    },
    ...product.dispatches(count),
    {
      label: `${label}.result`,
      code: RESULT_TRANSFORM + epilogueCode(epilogue, 4),
      params: { ...image, pixels: 16, height: p.outHeight, width: p.outWidth, cout4 },
      bindings: [
        read('m', { scratch: 2, type: product.result }, 4),
        write('y', 0, 4),
        ...epilogueBindings(epilogue, 4),
      ],
      workgroups: groups(count * cout4),
    },
  ];
}
