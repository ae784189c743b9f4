/**
 * 2-D convolution over channels-last images: the op, its two gradients, which are ops of their own, and the function that models
 * call. The ops' weights are [KH,KW,Cin,Cout], for the input gradient [KH,KW,Cout,Cin]; with `transposeWeight` the last two
 * axes are exchanged. The function permutes PyTorch's [Cout,Cin,KH,KW] once, in the load stage; plans set
 * `transposeWeight` in order to keep one copy of a weight for both.
 */
import type { Op } from '../../tensor/op.ts';
import { defineOp } from '../../tensor/op.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at, sameShape } from '../../tensor/types.ts';
import type { Activation } from '../common/compositions.ts';
import { activate, sumRows, transposeLast } from '../common/compositions.ts';
import { matmul } from '../matmul/matmul.ts';
import { reshape } from '../reshape.ts';
import { pad, slice } from '../slice_pad.ts';
import { transpose } from '../transpose.ts';
import { BACKWARD_INPUT_CASES, BACKWARD_WEIGHT_CASES, FORWARD_CASES } from './cases.ts';
import { backwardInputReference, backwardWeightReference, forwardReference } from './reference.ts';
import type { BackwardInputAttrs, BackwardWeightAttrs, Conv2dAttrs, Padding, WeightLayout } from './shapes.ts';
import {
  backwardInputSizes,
  backwardWeightSizes,
  bytesOf,
  flopsOf,
  forwardSizes,
  kernelShape,
  outShape,
  plain,
  rank4,
  siteBackwardInputSizes,
  siteBackwardWeightSizes,
  sizesOf,
} from './shapes.ts';
import { BACKWARD_INPUT_VARIANTS, BACKWARD_WEIGHT_VARIANTS, FORWARD_VARIANTS } from './variants.ts';

const readTransposed = <A extends WeightLayout>(attrs: A, index: number): A | null =>
  index === 1 ? { ...attrs, transposeWeight: !attrs.transposeWeight } : null;

const conv2dOp: Op<Conv2dAttrs> = defineOp({
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
    const cinLast = attrs.transposeWeight ? w : transposeLast(w);
    const gradW = (): Tensor => conv2dBackwardWeight.one([x, dy], { stride, padding, kh: w.dim(0), kw: w.dim(1) });
    return [
      () => conv2dBackwardInput.one([dy, cinLast], { stride, padding, height: x.dim(1), width: x.dim(2) }),
      attrs.transposeWeight ? () => transposeLast(gradW()) : gradW,
      ...(attrs.bias ? [() => sumRows(dy)] : []),
      ...(attrs.residual ? [() => dy] : []),
    ];
  },
  reference: forwardReference,
  readTransposed,
  variants: FORWARD_VARIANTS,
  cost: (site) => ({ flops: flopsOf(forwardSizes(site)), bytes: bytesOf(site) }),
  cases: FORWARD_CASES,
});

/** The gradient of a 2-D convolution to its input: dy [N,OH,OW,O], weight [KH,KW,O,I] → dx [N,H,W,I]. It is a transposed convolution. */
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
  // The op is linear in both inputs, so its gradients are the other two ops.
  vjp: ({ inputs, attrs, dy: g }) => {
    const { stride, padding } = attrs;
    const dy = at(inputs, 0);
    const w = at(inputs, 1);
    const gradW = (): Tensor => conv2dBackwardWeight.one([g, dy], { stride, padding, kh: w.dim(0), kw: w.dim(1) });
    return [
      () => conv2dOp.one([g, attrs.transposeWeight ? w : transposeLast(w)], { stride, padding, ...plain }),
      attrs.transposeWeight ? gradW : () => transposeLast(gradW()),
    ];
  },
  reference: backwardInputReference,
  readTransposed,
  variants: BACKWARD_INPUT_VARIANTS,
  cost: (site) => ({
    flops: flopsOf(siteBackwardInputSizes(site)),
    bytes: bytesOf(site),
  }),
  cases: BACKWARD_INPUT_CASES,
});

/** The gradient of a 2-D convolution to its weight: x [N,H,W,I], dy [N,OH,OW,O] → dweight [KH,KW,I,O]. */
const conv2dBackwardWeight: Op<BackwardWeightAttrs> = defineOp({
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
      () => conv2dBackwardInput.one([dy, transposeLast(g)], { stride, padding, height: x.dim(1), width: x.dim(2) }),
      () => conv2dOp.one([x, g], { stride, padding, ...plain }),
    ];
  },
  reference: backwardWeightReference,
  variants: BACKWARD_WEIGHT_VARIANTS,
  cost: (site) => ({
    flops: flopsOf(siteBackwardWeightSizes(site)),
    bytes: bytesOf(site),
  }),
  cases: BACKWARD_WEIGHT_CASES,
});

/** How a convolution is done, and what follows it in the same kernel. */
export interface Conv2dOptions {
  readonly stride?: number;
  /** Zeros on every side, or [top, bottom, left, right]. Default 0. */
  readonly padding?: number | Padding;
  /** Added to the result; of its shape. */
  readonly residual?: Tensor;
  /** Applied last. */
  readonly activation?: Activation;
}

/**
 * 2-D convolution, lowered to what runs best: a 1x1 is a matrix product, so is one whose windows do not overlap (patch
 * embeddings), and few output channels (RGB) are padded to the four that vector kernels write.
 * x [N,H,W,Cin], `weight` [Cout,Cin,KH,KW] (PyTorch's layout), bias [Cout] or null → [N,OH,OW,Cout].
 * @throws Error when sizes do not fit.
 */
export function conv2d(x: Tensor, weight: Tensor, bias: Tensor | null, options: Conv2dOptions = {}): Tensor {
  const { stride = 1, padding = 0, residual, activation } = options;
  const sides: Padding = typeof padding === 'number' ? [padding, padding, padding, padding] : padding;
  const [cout, , kh, kw] = [weight.dim(0), weight.dim(1), weight.dim(2), weight.dim(3)];
  const isPatches = kh === stride && kw === stride && x.dim(1) % kh === 0 && x.dim(2) % kw === 0;
  if (isPatches && sides.every((p) => p === 0)) {
    return patchProduct(x, weight, bias, options);
  }
  const taps = transpose(weight, [2, 3, 1, 0]);
  const missing = residual ? 0 : -cout & 3;
  const padded = missing === 0 ? taps : pad(taps, [0, 0, 0, 0], [0, 0, 0, missing]);
  const inputs = [x, padded];
  if (bias) {
    inputs.push(missing === 0 ? bias : pad(bias, [0], [missing]));
  }
  if (residual) {
    inputs.push(residual);
  }
  const y = conv2dOp.one(inputs, { stride, padding: sides, bias: Boolean(bias), residual: Boolean(residual) });
  const unpadded = missing === 0 ? y : slice(y, [0, 0, 0, 0], [...y.shape.slice(0, 3), cout]);
  return activate(unpadded, activation);
}

/** A convolution whose windows lie side by side: each window is a row of a matrix product. */
function patchProduct(x: Tensor, weight: Tensor, bias: Tensor | null, options: Conv2dOptions): Tensor {
  const { residual, activation } = options;
  const [n, h, w, c] = [x.dim(0), x.dim(1), x.dim(2), x.dim(3)];
  const [cout, kh, kw] = [weight.dim(0), weight.dim(2), weight.dim(3)];
  const size = kh * kw * c;
  // [Cout, size] as a linear layer has it: the layout that the gradient reads is then the weight itself.
  const matrix = reshape(kh * kw === 1 ? weight : transpose(weight, [0, 2, 3, 1]), [cout, size]);
  const windows = kh * kw === 1 ? x : transpose(reshape(x, [n, h / kh, kh, w / kw, kw, c]), [0, 1, 3, 2, 4, 5]);
  return matmul(reshape(windows, [n, h / kh, w / kw, size]), matrix, {
    bias,
    ...(residual ? { residual } : {}),
    ...(activation ? { activation } : {}),
    transposeB: true,
  });
}
