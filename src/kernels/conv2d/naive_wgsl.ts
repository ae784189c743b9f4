/**
 * WGSL of convolution over [N,H,W,C] with kernels [KH,KW,Cin,Cout] or [KH,KW,Cout,Cin] (`stepIn`, `stepOut`: the distances of
 * neighbours along either); `top`, `left` are the padding there.
 */

/** One invocation an element of y: a sum over taps and input channels. */
export const CONV2D_NAIVE = /* wgsl */ `
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

/** One invocation an element of dx [N,H,W,Cin]. Taps that fall between strides are skipped. */
export const CONV2D_BACKWARD_INPUT_NAIVE = /* wgsl */ `
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

/** One invocation an element of dw [KH,KW,Cin,Cout]: a sum over all output pixels, in order. */
export const CONV2D_BACKWARD_WEIGHT_NAIVE = /* wgsl */ `
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
