/**
 * 2-D convolution over channels-last images, and its two gradients, which are ops of their own.
 * Kernels are [KH,KW,Cin,Cout] inside, and [KH,KW,Cout,Cin] for the input gradient, or with `transposeWeight` each the other's; the
 * wrapper (layer.ts) permutes PyTorch's [Cout,Cin,KH,KW] once, in the load stage. Plans that keep weights once set `transposeWeight`.
 */
import type { Op } from '../../tensor/op.ts';
import { defineOp } from '../../tensor/op.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at, sameShape } from '../../tensor/types.ts';
import { sumRows, transposeLast } from '../common/linalg_basic.ts';
import { BACKWARD_INPUT_CASES, BACKWARD_WEIGHT_CASES, FORWARD_CASES } from './cases.ts';
import { backwardInputReference, backwardWeightReference, forwardReference } from './reference.ts';
import type { BackwardInputAttrs, BackwardWeightAttrs, Conv2dAttrs, WeightLayout } from './sizes.ts';
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
} from './sizes.ts';
import { BACKWARD_INPUT_VARIANTS, BACKWARD_WEIGHT_VARIANTS, FORWARD_VARIANTS } from './variants.ts';

const readTransposed = <A extends WeightLayout>(attrs: A, index: number): A | null =>
  index === 1 ? { ...attrs, transposeWeight: !attrs.transposeWeight } : null;

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
    const turned = attrs.transposeWeight ? w : transposeLast(w);
    const gradW = (): Tensor => conv2dBackwardWeight.one([x, dy], { stride, padding, kh: w.dim(0), kw: w.dim(1) });
    return [
      () => conv2dBackwardInput.one([dy, turned], { stride, padding, height: x.dim(1), width: x.dim(2) }),
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
