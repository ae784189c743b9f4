/** Attributes of the three convolution ops, the sizes of one use of them, and what several variants bind. */
import type { Binding, Param } from '../../tensor/dispatch.ts';
import type { OpSite } from '../../tensor/op.ts';
import type { Shape, TensorType } from '../../tensor/types.ts';
import { at, byteSize } from '../../tensor/types.ts';
import { read } from '../common/bindings.ts';
import { transposedType } from '../common/transposed_weight.ts';

/** Zeros around the image: top, bottom, left, right. */
export type Padding = readonly [number, number, number, number];
export type Geometry = { readonly stride: number; readonly padding: Padding };
/** Whether the last two axes of the weight are exchanged. */
export type WeightLayout = { readonly transposeWeight?: boolean };
/** Whether a bias and a residual are added to the result as it is stored. */
export type Epilogue = { readonly bias: boolean; readonly residual: boolean };
export const plain: Epilogue = { bias: false, residual: false };

export type Conv2dAttrs = Geometry & WeightLayout & Epilogue;
export type BackwardInputAttrs = Geometry & WeightLayout & { readonly height: number; readonly width: number };
export type BackwardWeightAttrs = Geometry & { readonly kh: number; readonly kw: number };

/** Sizes of a convolution x [images,height,width,cin] → y [images,outHeight,outWidth,cout]. */
export interface Sizes {
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

export function sizesOf(
  x: Shape,
  kernel: readonly [number, number],
  cout: number,
  { stride, padding }: Geometry,
): Sizes {
  const [images, height, width, cin] = [at(x, 0), at(x, 1), at(x, 2), at(x, 3)];
  const [kh, kw] = kernel;
  const [top, bottom, left, right] = padding;
  const outHeight = Math.floor((height + top + bottom - kh) / stride) + 1;
  const outWidth = Math.floor((width + left + right - kw) / stride) + 1;
  return { images, height, width, cin, cout, kh, kw, outHeight, outWidth, stride, top, left };
}

/** The shape of y. */
export function outShape(s: Sizes): Shape {
  return [s.images, s.outHeight, s.outWidth, s.cout];
}

export const rank4 = (type: TensorType | undefined, what: string): Shape => {
  if (type?.shape.length !== 4) {
    throw new Error(`${what} must have 4 dimensions`);
  }
  return type.shape;
};

/** The weight's type in the layout that the op declares. */
const declaredType = (w: TensorType, { transposeWeight }: WeightLayout): TensorType =>
  transposeWeight ? transposedType(w) : w;

export const kernelShape = (type: TensorType | undefined, attrs: WeightLayout): Shape => {
  rank4(type, 'the kernel');
  return type ? declaredType(type, attrs).shape : [];
};

export const forwardSizes = (site: OpSite<Conv2dAttrs>): Sizes => {
  const w = declaredType(at(site.inputs, 1), site.attrs).shape;
  return sizesOf(at(site.inputs, 0).shape, [at(w, 0), at(w, 1)], at(w, 3), site.attrs);
};

/** dy, w [KH,KW,Cout,Cin] → the sizes of the convolution whose input gradient is computed. */
export const backwardInputSizes = (dy: Shape, w: Shape, attrs: BackwardInputAttrs): Sizes =>
  sizesOf([at(dy, 0), attrs.height, attrs.width, at(w, 3)], [at(w, 0), at(w, 1)], at(w, 2), attrs);

export const siteBackwardInputSizes = (site: OpSite<BackwardInputAttrs>): Sizes =>
  backwardInputSizes(at(site.inputs, 0).shape, declaredType(at(site.inputs, 1), site.attrs).shape, site.attrs);

export const backwardWeightSizes = (x: Shape, dy: Shape, attrs: BackwardWeightAttrs): Sizes =>
  sizesOf(x, [attrs.kh, attrs.kw], at(dy, 3), attrs);

export const siteBackwardWeightSizes = (site: OpSite<BackwardWeightAttrs>): Sizes =>
  backwardWeightSizes(at(site.inputs, 0).shape, at(site.inputs, 1).shape, site.attrs);

export const flopsOf = (s: Sizes): number => 2 * s.images * s.outHeight * s.outWidth * s.kh * s.kw * s.cin * s.cout;
export const bytesOf = (site: OpSite): number =>
  [...site.inputs, ...site.outputs].reduce((sum, t) => sum + byteSize(t), 0);

/** Sizes as u32; padding as i32, because positions relative to it may be negative. */
export const sizeParams = (s: Sizes): Record<string, Param> => ({ ...s, top: { i32: s.top }, left: { i32: s.left } });

/** The inputs behind x and the weight. */
export const epilogueBindings = ({ bias, residual }: Epilogue, vec: 1 | 4): Binding[] => [
  ...(bias ? [read('bias', 2, vec)] : []),
  ...(residual ? [read('residual', bias ? 3 : 2, vec)] : []),
];
