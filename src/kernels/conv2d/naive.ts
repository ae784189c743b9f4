/**
 * Convolution and its gradients for every adapter, the readable version: an invocation computes one element of the result as a
 * sum over taps and channels, or over pixels for the gradient of the weight.
 * Weights are [KH,KW,Cin,Cout] or [KH,KW,Cout,Cin]; `stepIn` and `stepOut` are the strides of Cin and Cout.
 */
import type { Variant } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { read, write } from '../common/bindings.ts';
import { epilogueCode } from '../common/epilogue_wgsl.ts';
import { canStoreOne } from '../common/site.ts';
import type { BackwardInputAttrs, BackwardWeightAttrs, Conv2dAttrs, Sizes } from './shapes.ts';
import {
  epilogueBindings,
  forwardSizes,
  siteBackwardInputSizes,
  siteBackwardWeightSizes,
  sizeParams,
} from './shapes.ts';

const FORWARD = /* wgsl */ `
@compute @workgroup_size(16, 4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let channel = id.x;
  let pixel = id.y;
  if (channel >= params.cout || pixel >= params.pixels) {
    return;
  }
  let ox = pixel % params.outWidth;
  let oy = (pixel / params.outWidth) % params.outHeight;
  let image = pixel / (params.outWidth * params.outHeight);
  var sum = 0.0;
  for (var ky = 0u; ky < params.kh; ky++) {
    let iy = i32(oy * params.stride + ky) - params.top;
    if (iy < 0 || iy >= i32(params.height)) {
      continue;
    }
    for (var kx = 0u; kx < params.kw; kx++) {
      let ix = i32(ox * params.stride + kx) - params.left;
      if (ix < 0 || ix >= i32(params.width)) {
        continue;
      }
      let from_x = ((image * params.height + u32(iy)) * params.width + u32(ix)) * params.cin;
      let from_w = (ky * params.kw + kx) * params.cin * params.cout + channel * params.stepOut;
      for (var c = 0u; c < params.cin; c++) {
        sum += load_x(from_x + c) * load_w(from_w + c * params.stepIn);
      }
    }
  }
  let i = pixel * params.cout + channel;
  store_y(i, sum + bias_at(channel) + residual_at(i));
}
`;

/** Taps that fall between strides are skipped. */
const BACKWARD_INPUT = /* wgsl */ `
@compute @workgroup_size(16, 4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let channel = id.x;
  let pixel = id.y;
  if (channel >= params.cin || pixel >= params.pixels) {
    return;
  }
  let ix = pixel % params.width;
  let iy = (pixel / params.width) % params.height;
  let image = pixel / (params.width * params.height);
  let stride = i32(params.stride);
  var sum = 0.0;
  for (var ky = 0u; ky < params.kh; ky++) {
    let y = i32(iy) + params.top - i32(ky);
    if (y < 0 || y % stride != 0 || y / stride >= i32(params.outHeight)) {
      continue;
    }
    for (var kx = 0u; kx < params.kw; kx++) {
      let x = i32(ix) + params.left - i32(kx);
      if (x < 0 || x % stride != 0 || x / stride >= i32(params.outWidth)) {
        continue;
      }
      let from_dy = ((image * params.outHeight + u32(y / stride)) * params.outWidth + u32(x / stride)) * params.cout;
      let from_w = (ky * params.kw + kx) * params.cout * params.cin + channel * params.stepIn;
      for (var c = 0u; c < params.cout; c++) {
        sum += load_dy(from_dy + c) * load_w(from_w + c * params.stepOut);
      }
    }
  }
  store_dx(pixel * params.cin + channel, sum);
}
`;

const BACKWARD_WEIGHT = /* wgsl */ `
@compute @workgroup_size(16, 4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let channel = id.x;
  let row = id.y;
  if (channel >= params.cout || row >= params.rows) {
    return;
  }
  let c = row % params.cin;
  let kx = (row / params.cin) % params.kw;
  let ky = row / (params.cin * params.kw);
  var sum = 0.0;
  for (var image = 0u; image < params.images; image++) {
    for (var oy = 0u; oy < params.outHeight; oy++) {
      let iy = i32(oy * params.stride + ky) - params.top;
      if (iy < 0 || iy >= i32(params.height)) {
        continue;
      }
      let from_x = (image * params.height + u32(iy)) * params.width;
      let from_dy = (image * params.outHeight + oy) * params.outWidth;
      for (var ox = 0u; ox < params.outWidth; ox++) {
        let ix = i32(ox * params.stride + kx) - params.left;
        if (ix >= 0 && ix < i32(params.width)) {
          sum += load_x((from_x + u32(ix)) * params.cin + c) * load_dy((from_dy + ox) * params.cout + channel);
        }
      }
    }
  }
  store_dw(row * params.cout + channel, sum);
}
`;

const weightSteps = ({ cin, cout }: Sizes, isCoutLast: boolean): { stepIn: number; stepOut: number } =>
  isCoutLast ? { stepIn: cout, stepOut: 1 } : { stepIn: 1, stepOut: cin };

const forward: Variant<Conv2dAttrs> = {
  name: 'naive',
  supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
  dispatches: (site) => {
    const s = forwardSizes(site);
    const pixels = s.images * s.outHeight * s.outWidth;
    return [
      {
        label: 'conv2d.naive',
        code: FORWARD + epilogueCode(site.attrs),
        params: { ...sizeParams(s), pixels, ...weightSteps(s, !site.attrs.transposeWeight) },
        bindings: [read('x', 0), read('w', 1), write('y', 0), ...epilogueBindings(site.attrs, 1)],
        workgroups: [Math.ceil(s.cout / 16), Math.ceil(pixels / 4), 1],
      },
    ];
  },
};

const backwardInput: Variant<BackwardInputAttrs> = {
  name: 'naive',
  supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
  dispatches: (site) => {
    const s = siteBackwardInputSizes(site);
    const pixels = s.images * s.height * s.width;
    return [
      {
        label: 'conv2d_backward_input.naive',
        code: BACKWARD_INPUT,
        params: { ...sizeParams(s), pixels, ...weightSteps(s, site.attrs.transposeWeight ?? false) },
        bindings: [read('dy', 0), read('w', 1), write('dx', 0)],
        workgroups: [Math.ceil(s.cin / 16), Math.ceil(pixels / 4), 1],
      },
    ];
  },
};

const backwardWeight: Variant<BackwardWeightAttrs> = {
  name: 'naive',
  dispatches: (site) => {
    const s = siteBackwardWeightSizes(site);
    const rows = s.kh * s.kw * s.cin;
    return [
      {
        label: 'conv2d_backward_weight.naive',
        code: BACKWARD_WEIGHT,
        params: { ...sizeParams(s), rows },
        bindings: [read('x', 0), read('dy', 1), write('dw', 0)],
        workgroups: [Math.ceil(s.cout / 16), Math.ceil(rows / 4), 1],
      },
    ];
  },
};

export const naive = { forward, backwardInput, backwardWeight };
