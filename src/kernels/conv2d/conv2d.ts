/**
 * 2-D convolution over channels-last images, and its two gradients, which are ops of their own.
 * Kernels are [KH,KW,Cin,Cout] inside, and [KH,KW,Cout,Cin] for the input gradient, or with `swapped` each the other's; the
 * wrapper permutes PyTorch's [Cout,Cin,KH,KW] once, in the load stage. Plans that keep weights once set `swapped`.
 */
import type {
  Attrs,
  Binding,
  DeviceCaps,
  Dispatch,
  HostArray,
  Op,
  OpCase,
  OpSite,
  Param,
  Variant,
} from '../../tensor/op.ts';
import { defineOp } from '../../tensor/op.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Shape, TensorType } from '../../tensor/types.ts';
import { at, byteSize, sameShape } from '../../tensor/types.ts';
import { GPU_TILE, GPU_TILE_COLUMNS, gpuTileRows, MAX_GPU_TILE_ROWS, operands } from '../common/gpu_tile_wgsl.ts';
import { sumRows, swapLast } from '../common/linalg_basic.ts';
import { epilogueCode } from '../common/matmul_wgsl.ts';
import { canStoreOne } from '../common/site.ts';
import { hasSubgroupTile, PUT_ROWS, SUBGROUP_TILE, TILE_COLUMNS, TILE_ROWS } from '../common/subgroup_tile.ts';
import { swappedType, throughScratch } from '../common/swapped_weight.ts';
import { CONV2D_V5, WIDE_COLUMNS, WIDE_ROWS, WIDE_WORK, wideTile } from '../common/wide_tile_wgsl.ts';
import type { Winograd } from '../common/winograd.ts';
import { winogradDispatches, winogradFits, winogradProduct } from '../common/winograd.ts';
import { CONV2D_BACKWARD_INPUT_V1, CONV2D_BACKWARD_WEIGHT_V1, CONV2D_V1 } from './v1_wgsl.ts';
import { CONV2D_V3 } from './walk_gpu_wgsl.ts';
import { CONV2D_BACKWARD_WEIGHT_V4, CONV2D_V2, CONV2D_V4, CONV2D_WALK } from './walk_wgsl.ts';

/** Zeros around the image: top, bottom, left, right. */
export type Padding = readonly [number, number, number, number];
type Geometry = { readonly stride: number; readonly padding: Padding };
type Swapped = { readonly swapped?: boolean };
type Epilogue = { readonly bias: boolean; readonly residual: boolean };
type Conv2dAttrs = Geometry & Swapped & Epilogue;
type BackwardInputAttrs = Geometry & Swapped & { readonly height: number; readonly width: number };
type BackwardWeightAttrs = Geometry & { readonly kh: number; readonly kw: number };

/** Sizes of a convolution x [images,height,width,cin] → y [images,outHeight,outWidth,cout]. */
interface Sizes {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  readonly cin: number;
  readonly cout: number;
  readonly kh: number;
  readonly kw: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly stride: number;
  readonly top: number;
  readonly left: number;
}

function sizesOf(x: Shape, kernel: readonly [number, number], cout: number, { stride, padding }: Geometry): Sizes {
  const [images, height, width, cin] = [at(x, 0), at(x, 1), at(x, 2), at(x, 3)];
  const [kh, kw] = kernel;
  const [top, bottom, left, right] = padding;
  const outHeight = Math.floor((height + top + bottom - kh) / stride) + 1;
  const outWidth = Math.floor((width + left + right - kw) / stride) + 1;
  return { images, height, width, cin, cout, kh, kw, outHeight, outWidth, stride, top, left };
}

const rank4 = (type: TensorType | undefined, what: string): Shape => {
  if (type?.shape.length !== 4) {
    throw new Error(`${what} must have 4 dimensions`);
  }
  return type.shape;
};

/** The kernel's type as the op has it unless `swapped`. */
const ownLayout = (w: TensorType, { swapped }: Swapped): TensorType => (swapped ? swappedType(w) : w);

const kernelShape = (type: TensorType | undefined, attrs: Swapped): Shape => {
  rank4(type, 'the kernel');
  return type ? ownLayout(type, attrs).shape : [];
};

const forwardSizes = (site: OpSite<Conv2dAttrs>): Sizes => {
  const w = ownLayout(at(site.inputs, 1), site.attrs).shape;
  return sizesOf(at(site.inputs, 0).shape, [at(w, 0), at(w, 1)], at(w, 3), site.attrs);
};

/** dy, w [KH,KW,Cout,Cin] → the sizes of the convolution that made y. */
const backwardInputSizes = (dy: Shape, w: Shape, attrs: BackwardInputAttrs): Sizes =>
  sizesOf([at(dy, 0), attrs.height, attrs.width, at(w, 3)], [at(w, 0), at(w, 1)], at(w, 2), attrs);

const siteBackwardInputSizes = (site: OpSite<BackwardInputAttrs>): Sizes =>
  backwardInputSizes(at(site.inputs, 0).shape, ownLayout(at(site.inputs, 1), site.attrs).shape, site.attrs);

const backwardWeightSizes = (x: Shape, dy: Shape, attrs: BackwardWeightAttrs): Sizes =>
  sizesOf(x, [attrs.kh, attrs.kw], at(dy, 3), attrs);

const siteBackwardWeightSizes = (site: OpSite<BackwardWeightAttrs>): Sizes =>
  backwardWeightSizes(at(site.inputs, 0).shape, at(site.inputs, 1).shape, site.attrs);

const flopsOf = (s: Sizes): number => 2 * s.images * s.outHeight * s.outWidth * s.kh * s.kw * s.cin * s.cout;
const bytesOf = (site: OpSite): number => [...site.inputs, ...site.outputs].reduce((sum, t) => sum + byteSize(t), 0);

/** Calls `visit(pixel of y, pixel of x, tap)` for every pair that the kernel connects, in a fixed order. */
function eachTap(s: Sizes, visit: (out: number, source: number, tap: number) => void): void {
  for (let out = 0; out < s.images * s.outHeight * s.outWidth; out++) {
    const ox = out % s.outWidth;
    const oy = Math.floor(out / s.outWidth) % s.outHeight;
    const image = Math.floor(out / (s.outWidth * s.outHeight));
    for (let tap = 0; tap < s.kh * s.kw; tap++) {
      const iy = oy * s.stride + Math.floor(tap / s.kw) - s.top;
      const ix = ox * s.stride + (tap % s.kw) - s.left;
      if (iy >= 0 && iy < s.height && ix >= 0 && ix < s.width) {
        visit(out, (image * s.height + iy) * s.width + ix, tap);
      }
    }
  }
}

const dataOf = (arrays: readonly HostArray[], i: number): Float64Array => at(arrays, i).data;

function forwardReference(inputs: readonly HostArray[], site: OpSite<Conv2dAttrs>): Float64Array[] {
  const s = forwardSizes(site);
  const [x, w] = [dataOf(inputs, 0), dataOf(inputs, 1)];
  const y = new Float64Array(s.images * s.outHeight * s.outWidth * s.cout);
  const { bias, residual } = site.attrs;
  for (let i = 0; i < y.length; i++) {
    y[i] = (bias ? at(dataOf(inputs, 2), i % s.cout) : 0) + (residual ? at(dataOf(inputs, bias ? 3 : 2), i) : 0);
  }
  eachTap(s, (out, source, tap) => {
    for (let c = 0; c < s.cin; c++) {
      for (let o = 0; o < s.cout; o++) {
        const weight = at(w, site.attrs.swapped ? (tap * s.cout + o) * s.cin + c : (tap * s.cin + c) * s.cout + o);
        y[out * s.cout + o] = at(y, out * s.cout + o) + at(x, source * s.cin + c) * weight;
      }
    }
  });
  return [y];
}

function backwardInputReference(inputs: readonly HostArray[], site: OpSite<BackwardInputAttrs>): Float64Array[] {
  const s = siteBackwardInputSizes(site);
  const [dy, w] = [dataOf(inputs, 0), dataOf(inputs, 1)];
  const dx = new Float64Array(s.images * s.height * s.width * s.cin);
  eachTap(s, (out, source, tap) => {
    for (let o = 0; o < s.cout; o++) {
      for (let c = 0; c < s.cin; c++) {
        const weight = at(w, site.attrs.swapped ? (tap * s.cin + c) * s.cout + o : (tap * s.cout + o) * s.cin + c);
        dx[source * s.cin + c] = at(dx, source * s.cin + c) + at(dy, out * s.cout + o) * weight;
      }
    }
  });
  return [dx];
}

function backwardWeightReference(inputs: readonly HostArray[], site: OpSite<BackwardWeightAttrs>): Float64Array[] {
  const s = backwardWeightSizes(at(inputs, 0).shape, at(inputs, 1).shape, site.attrs);
  const [x, dy] = [dataOf(inputs, 0), dataOf(inputs, 1)];
  const dw = new Float64Array(s.kh * s.kw * s.cin * s.cout);
  eachTap(s, (out, source, tap) => {
    for (let c = 0; c < s.cin; c++) {
      for (let o = 0; o < s.cout; o++) {
        const i = (tap * s.cin + c) * s.cout + o;
        dw[i] = at(dw, i) + at(x, source * s.cin + c) * at(dy, out * s.cout + o);
      }
    }
  });
  return [dw];
}

/** What all kernels here are told: sizes as u32, padding as i32 because positions before it are negative. */
function params(s: Sizes): Record<string, Param> {
  return { ...s, top: { i32: s.top }, left: { i32: s.left } };
}

/** Distances of neighbours in the kernel, which has `Cout` last or `Cin`. */
const weightSteps = ({ cin, cout }: Sizes, outLast: boolean): { stepIn: number; stepOut: number } =>
  outLast ? { stepIn: cout, stepOut: 1 } : { stepIn: 1, stepOut: cin };

const readSwapped = <A extends Swapped>(attrs: A, index: number): A | null =>
  index === 1 ? { ...attrs, swapped: !attrs.swapped } : null;

const read = (name: string, input: number, vec: 1 | 4 = 1): Binding => ({ name, ref: { input }, access: 'read', vec });
const write = (name: string, vec: 1 | 4 = 1): Binding => ({ name, ref: { output: 0 }, access: 'write', vec });

const epilogueBindings = ({ bias, residual }: Epilogue, vec: 1 | 4): Binding[] => [
  ...(bias ? [read('bias', 2, vec)] : []),
  ...(residual ? [read('residual', bias ? 3 : 2, vec)] : []),
];

/** What CONV2D_WALK does: `cin` channels of source pixels to `cout` of `pixels`, times `groups`. */
interface Walk {
  readonly s: Sizes;
  readonly forward: boolean;
  readonly cin: number;
  readonly cout: number;
  readonly pixels: number;
  readonly groups: number;
  /** The kernel's last axis is `cin`. */
  readonly swapped: boolean;
}

interface Tile {
  readonly code: string;
  readonly constants?: Readonly<Record<string, number>>;
  /** What a workgroup makes. */
  readonly pixels: number;
  readonly channels: number;
  /** WGSL names of the source and the kernel, and how they are indexed. */
  readonly x: readonly [string, 1 | 4];
  readonly w: readonly [string, 1 | 4];
}

interface WalkKernel {
  readonly name: string;
  readonly runs: (caps: DeviceCaps) => boolean;
  /** Whether it is for this size; absent means always. */
  readonly fits?: (walk: Walk) => boolean;
  /** Reads swapped kernels as they lie; the others have them transposed into scratch. */
  readonly readsSwapped: boolean;
  readonly tile: (walk: Walk) => Tile;
}

/** A driver's own kind first: v5, v4 and v2 for CPU drivers, v3 for GPUs. */
const WALKS: readonly WalkKernel[] = [
  {
    name: 'v5',
    runs: hasSubgroupTile,
    fits: ({ s, cin, pixels }) => cin % 4 === 0 && pixels >= WIDE_ROWS / 2 && flopsOf(s) >= 2 * WIDE_WORK,
    readsSwapped: true,
    tile: ({ swapped }) => ({
      code: wideTile(swapped) + CONV2D_V5,
      pixels: WIDE_ROWS,
      channels: WIDE_COLUMNS,
      x: ['x', 4],
      w: ['b', 4],
    }),
  },
  {
    name: 'v4',
    runs: hasSubgroupTile,
    readsSwapped: false,
    tile: () => ({
      code: CONV2D_V4 + SUBGROUP_TILE,
      pixels: TILE_ROWS,
      channels: TILE_COLUMNS,
      x: ['x', 1],
      w: ['b', 4],
    }),
  },
  {
    name: 'v2',
    runs: (caps) => caps.software,
    readsSwapped: false,
    tile: () => ({ code: CONV2D_V2, pixels: 4, channels: 64, x: ['x', 1], w: ['w', 4] }),
  },
  {
    name: 'v3',
    runs: (caps) => caps.maxInvocations >= MAX_GPU_TILE_ROWS,
    readsSwapped: true,
    tile: ({ cin, cout, pixels, groups, swapped }) => {
      const rows = gpuTileRows(pixels, cout, groups);
      const { code, vecA, vecB } = operands(cin, swapped);
      return {
        code: GPU_TILE + code + CONV2D_V3,
        constants: { ROWS: rows },
        pixels: rows,
        channels: GPU_TILE_COLUMNS,
        x: ['a', vecA],
        w: ['b', vecB],
      };
    },
  },
];

/** The walk over a convolution of sizes `s`, forward or to its input's gradient. */
function walkOf(s: Sizes, direction: 'forward' | 'backward', swapped: boolean): Walk {
  const forward = direction === 'forward';
  const classes = forward ? 1 : s.stride;
  const [height, width, cout] = forward ? [s.outHeight, s.outWidth, s.cout] : [s.height, s.width, s.cin];
  const pixels = s.images * Math.ceil(height / classes) * Math.ceil(width / classes);
  return { s, forward, cin: forward ? s.cin : s.cout, cout, pixels, groups: classes * classes, swapped };
}

/** A convolution over taps with fused bias and residual (see CONV2D_WALK). */
function walkDispatch(walk: Walk, kernel: WalkKernel, epilogue: Epilogue): Dispatch[] {
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

/** The variants of WALKS, for results whose channels count in fours; v6 and v7 are Winograd's, for CPU drivers and for GPUs. */
function walkVariants<A extends Attrs & Swapped>(
  walk: (site: OpSite<A>) => Walk,
  epilogue: (attrs: A) => Epilogue,
): Record<string, Variant<A>> {
  const byPoints = (products: readonly string[], runs: (caps: DeviceCaps) => boolean): Variant<A> => ({
    supports: (site, caps) => {
      const p = winogradOf(walk(site));
      return runs(caps) && p !== null && winogradFits(p) && winogradProduct(p, products, caps) !== undefined;
    },
    dispatches: (site, caps) => {
      const { forward } = walk(site);
      const p = winogradOf(walk(site));
      const product = p && winogradProduct(p, products, caps);
      const label = forward ? 'conv2d.winograd' : 'conv2d_backward_input.winograd';
      return p && product ? winogradDispatches(label, p, product, epilogue(site.attrs)) : [];
    },
  });
  const walks = Object.fromEntries(
    WALKS.map((kernel) => {
      const variant: Variant<A> = {
        supports: (site, caps) => kernel.runs(caps) && walk(site).cout % 4 === 0 && (kernel.fits?.(walk(site)) ?? true),
        dispatches: (site) => walkDispatch(walk(site), kernel, epilogue(site.attrs)),
      };
      const unswapped = (attrs: A): A | null => (attrs.swapped ? { ...attrs, swapped: false } : null);
      return [kernel.name, kernel.readsSwapped ? variant : throughScratch(variant, unswapped)];
    }),
  );
  return { v6: byPoints(['v5', 'v4'], hasSubgroupTile), ...walks, v7: byPoints(['v3'], () => true) };
}

/** The walk by winograd.ts; null where the kernel is not 3x3 or the stride not 1. */
function winogradOf({ s, forward, cin, cout, swapped }: Walk): Winograd | null {
  if (s.kh !== 3 || s.kw !== 3 || s.stride !== 1) {
    return null;
  }
  const image = { images: s.images, cin, cout, swapped, turned: !forward };
  return forward
    ? {
        ...image,
        sourceHeight: s.height,
        sourceWidth: s.width,
        outHeight: s.outHeight,
        outWidth: s.outWidth,
        top: s.top,
        left: s.left,
      }
    : {
        ...image,
        sourceHeight: s.outHeight,
        sourceWidth: s.outWidth,
        outHeight: s.height,
        outWidth: s.width,
        top: 2 - s.top,
        left: 2 - s.left,
      };
}

const forwardWalk = (site: OpSite<Conv2dAttrs>): Walk =>
  walkOf(forwardSizes(site), 'forward', site.attrs.swapped ?? false);

const backwardWalk = (site: OpSite<BackwardInputAttrs>): Walk =>
  walkOf(siteBackwardInputSizes(site), 'backward', site.attrs.swapped ?? false);

const geometry = (stride: number, padding: Padding): Geometry => ({ stride, padding });
const plain = { bias: false, residual: false };

interface TestGeometry {
  readonly name: string;
  readonly x: Shape;
  readonly kernel: readonly [number, number];
  readonly cout: number;
  readonly g: Geometry;
  /** Too many inputs for finite differences: the smaller ones take those. */
  readonly big?: true;
}

const gradOf = ({ big }: Pick<TestGeometry, 'big'>): { grad?: readonly number[] } => (big ? { grad: [] } : {});

/** Geometries every one of the three ops is tested on: x, [KH,KW], Cout. */
const GEOMETRIES: readonly TestGeometry[] = [
  { name: '3x3', x: [1, 5, 6, 8], kernel: [3, 3], cout: 12, g: geometry(1, [1, 1, 1, 1]) },
  { name: '3x3 two images, odd', x: [2, 4, 5, 3], kernel: [3, 3], cout: 5, g: geometry(1, [1, 1, 1, 1]) },
  { name: 'stride 2', x: [1, 6, 6, 4], kernel: [3, 3], cout: 8, g: geometry(2, [1, 1, 1, 1]) },
  {
    name: 'stride 2, padded below and right',
    x: [1, 6, 8, 4],
    kernel: [3, 3],
    cout: 4,
    g: geometry(2, [0, 1, 0, 1]),
  },
  { name: '1x1 stride 2', x: [1, 5, 5, 4], kernel: [1, 1], cout: 4, g: geometry(2, [0, 0, 0, 0]) },
  { name: 'patches', x: [1, 8, 8, 3], kernel: [4, 4], cout: 16, g: geometry(4, [0, 0, 0, 0]) },
  { name: 'twice as large', x: [1, 8, 10, 8], kernel: [4, 4], cout: 4, g: geometry(2, [1, 1, 1, 1]) },
  { name: 'no padding, 2x3', x: [1, 5, 7, 4], kernel: [2, 3], cout: 4, g: geometry(1, [0, 0, 0, 0]) },
  { name: 'past the tiles', x: [1, 9, 8, 24], kernel: [3, 3], cout: 72, g: geometry(1, [1, 1, 1, 1]), big: true },
  { name: 'odd input channels, stride 2', x: [1, 7, 9, 5], kernel: [3, 3], cout: 8, g: geometry(2, [1, 1, 1, 1]) },
  { name: 'many workgroups', x: [1, 161, 154, 4], kernel: [2, 1], cout: 4, g: geometry(1, [0, 0, 0, 0]), big: true },
  {
    name: 'past the wide tiles',
    x: [1, 23, 25, 36],
    kernel: [3, 3],
    cout: 100,
    g: geometry(1, [1, 1, 1, 1]),
    big: true,
  },
  { name: 'wider than the pixel block', x: [1, 3, 19, 4], kernel: [3, 3], cout: 20, g: geometry(1, [1, 1, 1, 1]) },
];

function outShape(s: Sizes): Shape {
  return [s.images, s.outHeight, s.outWidth, s.cout];
}

export const conv2dOp: Op<Conv2dAttrs> = defineOp({
  name: 'conv2d',
  storesOnce: true,
  infer: ([xType, wType, ...rest], attrs) => {
    const x = rank4(xType, 'x');
    const w = kernelShape(wType, attrs);
    if (x[3] !== w[2]) {
      throw new Error(`x has ${x[3]} channels, the kernel takes ${w[2]}`);
    }
    const s = sizesOf(x, [at(w, 0), at(w, 1)], at(w, 3), attrs);
    if (s.outHeight < 1 || s.outWidth < 1) {
      throw new Error(`the image is smaller than the ${s.kh}x${s.kw} kernel`);
    }
    if (rest.length !== Number(attrs.bias) + Number(attrs.residual)) {
      throw new Error('bias and residual do not match the attributes');
    }
    if (attrs.bias && !sameShape(at(rest, 0).shape, [s.cout])) {
      throw new Error(`bias must be [${s.cout}]`);
    }
    if (attrs.residual && !sameShape(at(rest, attrs.bias ? 1 : 0).shape, outShape(s))) {
      throw new Error(`residual must be [${outShape(s).join(',')}]`);
    }
    return [{ dtype: xType?.dtype ?? 'f32', shape: outShape(s) }];
  },
  vjp: ({ inputs, attrs, dy }) => {
    const { stride, padding } = attrs;
    const x = at(inputs, 0);
    const w = at(inputs, 1);
    const turned = attrs.swapped ? w : swapLast(w);
    const gradW = (): Tensor => conv2dBackwardWeight.one([x, dy], { stride, padding, kh: w.dim(0), kw: w.dim(1) });
    return [
      () => conv2dBackwardInput.one([dy, turned], { stride, padding, height: x.dim(1), width: x.dim(2) }),
      attrs.swapped ? () => swapLast(gradW()) : gradW,
      ...(attrs.bias ? [() => sumRows(dy)] : []),
      ...(attrs.residual ? [() => dy] : []),
    ];
  },
  reference: forwardReference,
  readSwapped,
  variants: {
    ...walkVariants<Conv2dAttrs>(forwardWalk, (attrs) => attrs),
    v1: {
      supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => {
        const s = forwardSizes(site);
        const pixels = s.images * s.outHeight * s.outWidth;
        return [
          {
            label: 'conv2d.v1',
            code: CONV2D_V1 + epilogueCode(site.attrs),
            params: { ...params(s), pixels, ...weightSteps(s, !site.attrs.swapped) },
            bindings: [read('x', 0), read('w', 1), write('y'), ...epilogueBindings(site.attrs, 1)],
            workgroups: [Math.ceil(s.cout / 16), Math.ceil(pixels / 4), 1],
          },
        ];
      },
    },
  },
  cost: (site) => ({ flops: flopsOf(forwardSizes(site)), bytes: bytesOf(site) }),
  cases: [
    ...GEOMETRIES.map(
      ({ name, x, kernel, cout, g, ...size }): OpCase<Conv2dAttrs> => ({
        name,
        ...gradOf(size),
        inputs: [{ shape: x }, { shape: [...kernel, at(x, 3), cout] }],
        attrs: { ...g, ...plain },
      }),
    ),
    {
      name: 'bias and residual, f16 weights',
      inputs: [
        { shape: [1, 4, 4, 8] },
        { shape: [3, 3, 8, 12], dtype: 'f16' },
        { shape: [12], dtype: 'f16' },
        { shape: [1, 4, 4, 12] },
      ],
      attrs: { ...geometry(1, [1, 1, 1, 1]), bias: true, residual: true },
    },
    {
      name: 'swapped, stride 2, f16 weights',
      inputs: [{ shape: [1, 6, 5, 8] }, { shape: [3, 3, 12, 8], dtype: 'f16' }, { shape: [12] }],
      attrs: { ...geometry(2, [1, 1, 1, 1]), bias: true, residual: false, swapped: true },
    },
    {
      name: 'swapped, past the wide tiles, f16, bias, residual',
      inputs: [
        { shape: [2, 23, 22, 36], dtype: 'f16' },
        { shape: [3, 3, 68, 36], dtype: 'f16' },
        { shape: [68] },
        { shape: [2, 23, 22, 68] },
      ],
      attrs: { ...geometry(1, [1, 1, 1, 1]), bias: true, residual: true, swapped: true },
      grad: [],
    },
    {
      name: 'swapped, past the wide tiles, stride 2, f16, bias, residual',
      inputs: [
        { shape: [2, 45, 43, 48], dtype: 'f16' },
        { shape: [3, 3, 44, 48], dtype: 'f16' },
        { shape: [44] },
        { shape: [2, 23, 22, 44] },
      ],
      attrs: { ...geometry(2, [1, 1, 1, 1]), bias: true, residual: true, swapped: true },
      grad: [],
    },
    {
      name: 'swapped, odd channels',
      inputs: [{ shape: [1, 4, 5, 3] }, { shape: [3, 2, 5, 3] }],
      attrs: { ...geometry(1, [1, 1, 1, 1]), ...plain, swapped: true },
    },
    {
      name: 'swapped, past the tiles, odd input channels',
      inputs: [{ shape: [1, 9, 8, 19] }, { shape: [3, 3, 72, 19] }],
      attrs: { ...geometry(1, [1, 1, 1, 1]), ...plain, swapped: true },
      grad: [],
    },
    {
      name: 'bias, few channels',
      inputs: [{ shape: [1, 4, 5, 4] }, { shape: [3, 3, 4, 3] }, { shape: [3] }],
      attrs: { ...geometry(1, [1, 1, 1, 1]), bias: true, residual: false },
    },
  ],
});

export const conv2dBackwardInput: Op<BackwardInputAttrs> = defineOp({
  name: 'conv2d_backward_input',
  storesOnce: true,
  infer: ([dyType, wType], attrs) => {
    const dy = rank4(dyType, 'dy');
    const w = kernelShape(wType, attrs);
    const s = backwardInputSizes(dy, w, attrs);
    if (!sameShape(dy, outShape(s))) {
      throw new Error(`dy must be [${outShape(s).join(',')}]`);
    }
    return [{ dtype: dyType?.dtype ?? 'f32', shape: [s.images, s.height, s.width, s.cin] }];
  },
  // Linear in both: the same three convolutions once more.
  vjp: ({ inputs, attrs, dy: g }) => {
    const { stride, padding } = attrs;
    const dy = at(inputs, 0);
    const w = at(inputs, 1);
    const gradW = (): Tensor => conv2dBackwardWeight.one([g, dy], { stride, padding, kh: w.dim(0), kw: w.dim(1) });
    return [
      () => conv2dOp.one([g, attrs.swapped ? w : swapLast(w)], { stride, padding, ...plain }),
      attrs.swapped ? gradW : () => swapLast(gradW()),
    ];
  },
  reference: backwardInputReference,
  readSwapped,
  variants: {
    ...walkVariants<BackwardInputAttrs>(backwardWalk, () => plain),
    v1: {
      supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
      dispatches: (site) => {
        const s = siteBackwardInputSizes(site);
        const pixels = s.images * s.height * s.width;
        return [
          {
            label: 'conv2d_backward_input.v1',
            code: CONV2D_BACKWARD_INPUT_V1,
            params: { ...params(s), pixels, ...weightSteps(s, site.attrs.swapped ?? false) },
            bindings: [read('dy', 0), read('w', 1), write('dx')],
            workgroups: [Math.ceil(s.cin / 16), Math.ceil(pixels / 4), 1],
          },
        ];
      },
    },
  },
  cost: (site) => ({
    flops: flopsOf(siteBackwardInputSizes(site)),
    bytes: bytesOf(site),
  }),
  cases: [
    ...GEOMETRIES.map(({ name, x, kernel, cout, g, ...size }): OpCase<BackwardInputAttrs> => {
      const s = sizesOf(x, kernel, cout, g);
      return {
        name,
        ...gradOf(size),
        inputs: [{ shape: outShape(s) }, { shape: [...kernel, cout, at(x, 3)] }],
        attrs: { ...g, height: s.height, width: s.width },
      };
    }),
    {
      name: 'swapped, stride 2, f16 weights',
      inputs: [{ shape: [1, 3, 3, 8] }, { shape: [3, 3, 12, 8], dtype: 'f16' }],
      attrs: { ...geometry(2, [1, 1, 1, 1]), height: 6, width: 5, swapped: true },
    },
    {
      name: 'swapped, past the wide tiles, uneven padding, f16',
      inputs: [
        { shape: [2, 22, 22, 68], dtype: 'f16' },
        { shape: [3, 3, 36, 68], dtype: 'f16' },
      ],
      attrs: { ...geometry(1, [1, 0, 0, 2]), height: 23, width: 22, swapped: true },
      grad: [],
    },
    {
      name: 'swapped, past the wide tiles, stride 2, f16',
      inputs: [
        { shape: [2, 23, 22, 44], dtype: 'f16' },
        { shape: [3, 3, 48, 44], dtype: 'f16' },
      ],
      attrs: { ...geometry(2, [1, 1, 1, 1]), height: 45, width: 43, swapped: true },
      grad: [],
    },
    {
      name: 'swapped, odd channels',
      inputs: [{ shape: [1, 4, 6, 5] }, { shape: [3, 2, 3, 5] }],
      attrs: { ...geometry(1, [1, 1, 1, 1]), height: 4, width: 5, swapped: true },
    },
    {
      name: 'f16 weights',
      inputs: [{ shape: [1, 3, 4, 8] }, { shape: [3, 3, 8, 4], dtype: 'f16' }],
      attrs: { ...geometry(1, [1, 1, 1, 1]), height: 3, width: 4 },
    },
  ],
});

export const conv2dBackwardWeight: Op<BackwardWeightAttrs> = defineOp({
  name: 'conv2d_backward_weight',
  infer: ([xType, dyType], attrs) => {
    const x = rank4(xType, 'x');
    const dy = rank4(dyType, 'dy');
    const s = backwardWeightSizes(x, dy, attrs);
    if (!sameShape(dy, outShape(s))) {
      throw new Error(`dy must be [${outShape(s).join(',')}]`);
    }
    // Weights are trained in f32 whatever the images are stored in.
    return [{ dtype: 'f32', shape: [s.kh, s.kw, s.cin, s.cout] }];
  },
  vjp: ({ inputs, attrs, dy: g }) => {
    const { stride, padding } = attrs;
    const x = at(inputs, 0);
    const dy = at(inputs, 1);
    return [
      () => conv2dBackwardInput.one([dy, swapLast(g)], { stride, padding, height: x.dim(1), width: x.dim(2) }),
      () => conv2dOp.one([x, g], { stride, padding, ...plain }),
    ];
  },
  reference: backwardWeightReference,
  variants: {
    v4: {
      supports: (site, caps) => {
        const { cin, cout } = siteBackwardWeightSizes(site);
        return hasSubgroupTile(caps) && cin % TILE_ROWS === 0 && cout % 4 === 0;
      },
      dispatches: (site) => {
        const s = siteBackwardWeightSizes(site);
        const pixels = s.images * s.outHeight * s.outWidth;
        return [
          {
            label: 'conv2d_backward_weight.v4',
            code: CONV2D_BACKWARD_WEIGHT_V4 + SUBGROUP_TILE + PUT_ROWS,
            params: { ...params(s), pixels, cout4: s.cout / 4 },
            bindings: [read('x', 0, 4), read('b', 1, 4), write('dw', 4)],
            workgroups: [Math.ceil(s.cout / TILE_COLUMNS), s.cin / TILE_ROWS, s.kh * s.kw],
          },
        ];
      },
    },
    v1: {
      dispatches: (site) => {
        const s = siteBackwardWeightSizes(site);
        const rows = s.kh * s.kw * s.cin;
        return [
          {
            label: 'conv2d_backward_weight.v1',
            code: CONV2D_BACKWARD_WEIGHT_V1,
            params: { ...params(s), rows },
            bindings: [read('x', 0), read('dy', 1), write('dw')],
            workgroups: [Math.ceil(s.cout / 16), Math.ceil(rows / 4), 1],
          },
        ];
      },
    },
  },
  cost: (site) => ({
    flops: flopsOf(siteBackwardWeightSizes(site)),
    bytes: bytesOf(site),
  }),
  cases: [
    ...GEOMETRIES.map(({ name, x, kernel, cout, g, ...size }): OpCase<BackwardWeightAttrs> => {
      const s = sizesOf(x, kernel, cout, g);
      const inputs = [{ shape: x }, { shape: outShape(s) }];
      return { name, inputs, ...gradOf(size), attrs: { ...g, kh: s.kh, kw: s.kw } };
    }),
    {
      name: 'f16 images',
      inputs: [
        { shape: [1, 3, 4, 8], dtype: 'f16' },
        { shape: [1, 3, 4, 4], dtype: 'f16' },
      ],
      attrs: { ...geometry(1, [1, 1, 1, 1]), kh: 3, kw: 3 },
    },
  ],
});
