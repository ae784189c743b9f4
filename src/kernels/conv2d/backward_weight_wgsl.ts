/** WGSL of the gradient to a convolution's kernel on CPU drivers, in the tiles of common/subgroup_tile.ts. */

/** A subgroup makes 8 input channels x 32 output channels of one tap of dw, over all output pixels in order. */
export const CONV2D_BACKWARD_WEIGHT_V4 = /* wgsl */ `
var<private> column: u32;

fn put(row: u32, v: vec4f) {
  if (column < params.cout4) {
    store_dw(row * params.cout4 + column, v);
  }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  column = group.x * 8u + lane;
  let column_b = min(column, params.cout4 - 1u);
  let channel = group.y * 8u;
  let tap = group.z;
  let ky = i32(tap / params.kw);
  let kx = i32(tap % params.kw);
  let last = (params.pixels - 1u) * params.cout4 + column_b;
  var sum = Rows();
  for (var p = 0u; p < params.pixels; p += 8u) {
    let pixel = p + lane;
    let ox = i32(pixel % params.outWidth);
    let oy = i32((pixel / params.outWidth) % params.outHeight);
    let image = i32(pixel / (params.outWidth * params.outHeight));
    let y = oy * i32(params.stride) + ky - params.top;
    let x = ox * i32(params.stride) + kx - params.left;
    let inside = pixel < params.pixels && y >= 0 && y < i32(params.height) && x >= 0 && x < i32(params.width);
    let source = select(0, ((image * i32(params.height) + y) * i32(params.width) + x) * i32(params.cin), inside);
    let i = (u32(source) + channel) / 4u;
    let low = select(vec4f(), load_x(i), inside);
    let high = select(vec4f(), load_x(i + 1u), inside);
    sum = accumulate(sum, low, high, p * params.cout4 + column_b, params.cout4, last);
  }
  put_rows(tap * params.cin + channel, sum);
}
`;
