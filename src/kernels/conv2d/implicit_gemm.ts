/**
 * Convolution and its input gradient as one matrix product whose left matrix is gathered from the source image and never stored
 * (implicit GEMM): rows are pixels of the result, columns its channels, and k counts the source's channels at one tap
 * after another. The variants subgroup_matrix, cpu_tile_4x8, cpu_tile_32x32 and gpu_tile compute tiles of it.
 *
 * The input gradient of a convolution of stride s is a transposed convolution, computed by phases: the result's pixels (y, x) with
 * equal (y mod s, x mod s) form one of the s x s phases and read the same taps. In the WGSL a phase is called a class, and
 * its pixels are (qy, qx) on a grid, at q * classes + class. Tap k of such a pixel reads the source pixel
 * q * reach + (class + sign * (k - padding)) / classes, and nothing where that does not divide.
 * Forward: classes 1, reach = stride, sign 1. Input gradient: classes = stride, reach 1, sign -1.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Dispatch, MatrixWork } from '../../tensor/dispatch.ts';
import type { Attrs, OpSite, Variant } from '../../tensor/op.ts';
import { read, write } from '../common/bindings.ts';
import { epilogueCode } from '../common/epilogue_wgsl.ts';
import { throughScratch } from '../common/transposed_weight.ts';
import type { BackwardInputAttrs, Conv2dAttrs, Epilogue, Sizes, WeightLayout } from './shapes.ts';
import { epilogueBindings, forwardSizes, plain, siteBackwardInputSizes } from './shapes.ts';

/** One use of either op. */
export interface ImplicitGemm {
  readonly s: Sizes;
  readonly isForward: boolean;
  /** Channels of the source and of the result. */
  readonly cin: number;
  readonly cout: number;
  /** Pixels of a phase, and phases. */
  readonly pixels: number;
  readonly phases: number;
  /** The weight is [KH,KW,cout,cin], not [KH,KW,cin,cout]. */
  readonly transposeWeight: boolean;
}

function gemmOf(s: Sizes, isForward: boolean, transposeWeight = false): ImplicitGemm {
  const stride = isForward ? 1 : s.stride;
  const [height, width] = isForward ? [s.outHeight, s.outWidth] : [s.height, s.width];
  const [cin, cout] = isForward ? [s.cin, s.cout] : [s.cout, s.cin];
  const pixels = s.images * Math.ceil(height / stride) * Math.ceil(width / stride);
  return { s, isForward, cin, cout, pixels, phases: stride * stride, transposeWeight };
}

/** One of the two ops, for a variant that serves both. */
interface Direction<A extends Attrs> {
  readonly op: string;
  readonly gemm: (site: OpSite<A>) => ImplicitGemm;
  readonly epilogue: (attrs: A) => Epilogue;
}

export interface ConvolutionVariants {
  readonly forward: Variant<Conv2dAttrs>;
  readonly backwardInput: Variant<BackwardInputAttrs>;
}

export function forBothOps(
  variant: <A extends Attrs & WeightLayout>(direction: Direction<A>) => Variant<A>,
): ConvolutionVariants {
  return {
    forward: variant<Conv2dAttrs>({
      op: 'conv2d',
      gemm: (site) => gemmOf(forwardSizes(site), true, site.attrs.transposeWeight),
      epilogue: (attrs) => attrs,
    }),
    backwardInput: variant<BackwardInputAttrs>({
      op: 'conv2d_backward_input',
      gemm: (site) => gemmOf(siteBackwardInputSizes(site), false, site.attrs.transposeWeight),
      epilogue: () => plain,
    }),
  };
}

/** The kernel of one use, whose workgroup computes a tile of `pixels` x `channels`. */
interface TileKernel {
  readonly code: string;
  readonly constants?: Readonly<Record<string, number>>;
  readonly params?: Readonly<Record<string, number>>;
  readonly pixels: number;
  readonly channels: number;
  /** WGSL names of the source and of the weight, and the elements of a load. */
  readonly x: readonly [string, 1 | 4];
  readonly w: readonly [string, 1 | 4];
  /** As in `Dispatch`. */
  readonly matrixWork?: MatrixWork;
}

export interface TileVariant {
  readonly name: string;
  readonly runs: (caps: DeviceCaps) => boolean;
  /** Whether it is for this size; absent means always. */
  readonly fits?: (gemm: ImplicitGemm, caps: DeviceCaps) => boolean;
  /** The dtype that source and weight must have; absent means any. */
  readonly operands?: 'f16' | 'f32';
  /** Whether it reads a transposed weight as it lies; for the others the weight is transposed into scratch. */
  readonly readsTransposed: boolean;
  readonly kernel: (gemm: ImplicitGemm, caps: DeviceCaps) => TileKernel;
}

/** The variants of both ops, for results whose channels are a multiple of 4. */
export function tileVariants(tile: TileVariant): ConvolutionVariants {
  const { name, runs, fits, operands, readsTransposed, kernel } = tile;
  const takes = (site: OpSite): boolean =>
    operands === undefined || site.inputs.slice(0, 2).every(({ dtype }) => dtype === operands);
  return forBothOps(<A extends Attrs & WeightLayout>({ op, gemm, epilogue }: Direction<A>): Variant<A> => {
    const variant: Variant<A> = {
      name,
      supports: (site, caps) => {
        const can = runs(caps) && gemm(site).cout % 4 === 0 && takes(site);
        return can && (fits?.(gemm(site), caps) ?? true);
      },
      dispatches: (site, caps) => {
        const product = gemm(site);
        return [tileDispatch(`${op}.${name}`, product, kernel(product, caps), epilogue(site.attrs))];
      },
    };
    const asDeclared = (attrs: A): A | null => (attrs.transposeWeight ? { ...attrs, transposeWeight: false } : null);
    return readsTransposed ? variant : throughScratch(variant, asDeclared);
  });
}

function tileDispatch(label: string, gemm: ImplicitGemm, kernel: TileKernel, epilogue: Epilogue): Dispatch {
  const { s, isForward, cin, cout, pixels, phases } = gemm;
  const classes = isForward ? 1 : s.stride;
  const [outHeight, outWidth] = isForward ? [s.outHeight, s.outWidth] : [s.height, s.width];
  const [sourceHeight, sourceWidth] = isForward ? [s.height, s.width] : [s.outHeight, s.outWidth];
  return {
    label,
    code: kernel.code + INDEXING + epilogueCode(epilogue, 4),
    constants: kernel.constants ?? {},
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
      gridHeight: Math.ceil(outHeight / classes),
      gridWidth: Math.ceil(outWidth / classes),
      classes,
      reach: { i32: isForward ? s.stride : 1 },
      sign: { i32: isForward ? 1 : -1 },
      top: { i32: s.top },
      left: { i32: s.left },
      ...kernel.params,
    },
    bindings: [
      read(kernel.x[0], 0, kernel.x[1]),
      read(kernel.w[0], 1, kernel.w[1]),
      write('y', 0, 4),
      ...epilogueBindings(epilogue, 4),
    ],
    workgroups: [Math.ceil(cout / kernel.channels), Math.ceil(pixels / kernel.pixels), phases],
    ...(kernel.matrixWork ? { matrixWork: kernel.matrixWork } : {}),
  };
}

/**
 * Indices of source and result, which every tile kernel calls. x is the source [N,sourceHeight,sourceWidth,cin], y the result
 * [N,outHeight,outWidth,4*cout4]; `pixel` counts (image, qy, qx) of one phase in order.
 */
const INDEXING = /* wgsl */ `
struct Place { image: u32, y: i32, x: i32 }

fn place_of(pixel: u32) -> Place {
  let per_image = params.gridHeight * params.gridWidth;
  let inside = pixel % per_image;
  return Place(pixel / per_image, i32(inside / params.gridWidth), i32(inside % params.gridWidth));
}

/** Index of the first element of the source pixel that a tap at offset (dy, dx) reads; -1 outside the image. */
fn source_of(place: Place, dy: i32, dx: i32) -> i32 {
  let y = place.y * params.reach + dy;
  let x = place.x * params.reach + dx;
  let inside = y >= 0 && y < i32(params.sourceHeight) && x >= 0 && x < i32(params.sourceWidth)
    && place.image < params.images;
  let i = ((i32(place.image) * i32(params.sourceHeight) + y) * i32(params.sourceWidth) + x) * i32(params.cin);
  return select(-1, i, inside);
}

/** Index in y, in pixels, of the pixel at a place; -1 outside the image. */
fn result_of(place: Place, class_y: u32, class_x: u32) -> i32 {
  let y = place.y * i32(params.classes) + i32(class_y);
  let x = place.x * i32(params.classes) + i32(class_x);
  let inside = y < i32(params.outHeight) && x < i32(params.outWidth) && place.image < params.images;
  return select(-1, (i32(place.image) * i32(params.outHeight) + y) * i32(params.outWidth) + x, inside);
}

/** The offset of tap k from its pixel, times classes. */
fn offset_of(class_: u32, k: u32, padding: i32) -> i32 {
  return i32(class_) + params.sign * (i32(k) - padding);
}
`;

/** The taps that the pixels of one class read, along one axis: every `classes`-th from the first on. Tile kernels on GPUs call them. */
export const TAPS = /* wgsl */ `/** The first tap that a class reads, of those along one axis. */
fn first_tap(class_: u32, taps: u32, padding: i32) -> u32 {
  var k = 0u;
  while (k < taps && offset_of(class_, k, padding) % i32(params.classes) != 0) {
    k++;
  }
  return k;
}

fn taps_from(first: u32, taps: u32) -> u32 {
  return (taps - first + params.classes - 1u) / params.classes;
}

`;
