/**
 * Convolution and its input gradient as one walk over taps, so that one text serves both.
 * Output pixels lie on a grid (qy, qx) at q * classes + class; the tap k of one reads source pixel
 * q * reach + (class + sign * (k - padding)) / classes, and nothing where that does not divide.
 * Forward: classes 1, reach = stride, sign 1. Input gradient: classes = stride, reach 1, sign -1.
 * x is the source [N,sourceHeight,sourceWidth,cin], y the result [N,outHeight,outWidth,4*cout4], w [KH,KW,cin,4*cout4].
 */

/** Where the pixels of this workgroup are; `pixel` counts (image, qy, qx) in order, `group` is the class. */
export const CONV2D_WALK = /* wgsl */ `
struct Place { image: u32, y: i32, x: i32 }

fn place_of(pixel: u32) -> Place {
  let per_image = params.gridHeight * params.gridWidth;
  let inside = pixel % per_image;
  return Place(pixel / per_image, i32(inside / params.gridWidth), i32(inside % params.gridWidth));
}

/** First element of the source pixel that a tap at offset (dy, dx) reads; -1 outside the image. */
fn source_of(place: Place, dy: i32, dx: i32) -> i32 {
  let y = place.y * params.reach + dy;
  let x = place.x * params.reach + dx;
  let inside = y >= 0 && y < i32(params.sourceHeight) && x >= 0 && x < i32(params.sourceWidth)
    && place.image < params.images;
  let i = ((i32(place.image) * i32(params.sourceHeight) + y) * i32(params.sourceWidth) + x) * i32(params.cin);
  return select(-1, i, inside);
}

/** Row of y (in pixels) of a place; -1 where there is none. */
fn result_of(place: Place, class_y: u32, class_x: u32) -> i32 {
  let y = place.y * i32(params.classes) + i32(class_y);
  let x = place.x * i32(params.classes) + i32(class_x);
  let inside = y < i32(params.outHeight) && x < i32(params.outWidth) && place.image < params.images;
  return select(-1, (i32(place.image) * i32(params.outHeight) + y) * i32(params.outWidth) + x, inside);
}

/** Offset of tap k, times classes. */
fn offset_of(class_: u32, k: u32, padding: i32) -> i32 {
  return i32(class_) + params.sign * (i32(k) - padding);
}
`;

/** A subgroup makes 8 pixels x 32 channels, see SUBGROUP_TILE. */
export const CONV2D_V4 = /* wgsl */ `
var<private> column: u32;

fn put(r: i32, v: vec4f) {
  if (r >= 0 && column < params.cout4) {
    let i = u32(r) * params.cout4 + column;
    store_y(i, v + bias_at(column) + residual_at(i));
  }
}

fn value(source: i32, c: u32) -> f32 {
  return select(0.0, load_x(u32(max(source, 0)) + min(c, params.cin - 1u)), source >= 0 && c < params.cin);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  column = group.x * 8u + lane;
  let column_b = min(column, params.cout4 - 1u);
  let class_y = group.z / params.classes;
  let class_x = group.z % params.classes;
  let place = place_of(group.y * 8u + lane);
  let classes = i32(params.classes);
  var sum = Rows();
  for (var ky = 0u; ky < params.kh; ky++) {
    let dy = offset_of(class_y, ky, params.top);
    if (dy % classes != 0) {
      continue;
    }
    for (var kx = 0u; kx < params.kw; kx++) {
      let dx = offset_of(class_x, kx, params.left);
      if (dx % classes != 0) {
        continue;
      }
      let source = source_of(place, dy / classes, dx / classes);
      let p0 = subgroupBroadcast(source, 0u);
      let p1 = subgroupBroadcast(source, 1u);
      let p2 = subgroupBroadcast(source, 2u);
      let p3 = subgroupBroadcast(source, 3u);
      let p4 = subgroupBroadcast(source, 4u);
      let p5 = subgroupBroadcast(source, 5u);
      let p6 = subgroupBroadcast(source, 6u);
      let p7 = subgroupBroadcast(source, 7u);
      let from_w = (ky * params.kw + kx) * params.cin * params.cout4 + column_b;
      let last = from_w + (params.cin - 1u) * params.cout4;
      for (var c = 0u; c < params.cin; c += 8u) {
        let k = c + lane;
        let low = vec4f(value(p0, k), value(p1, k), value(p2, k), value(p3, k));
        let high = vec4f(value(p4, k), value(p5, k), value(p6, k), value(p7, k));
        sum = accumulate(sum, low, high, from_w + c * params.cout4, params.cout4, last);
      }
    }
  }
  let result = result_of(place, class_y, class_x);
  put(subgroupBroadcast(result, 0u), sum.r0);
  put(subgroupBroadcast(result, 1u), sum.r1);
  put(subgroupBroadcast(result, 2u), sum.r2);
  put(subgroupBroadcast(result, 3u), sum.r3);
  put(subgroupBroadcast(result, 4u), sum.r4);
  put(subgroupBroadcast(result, 5u), sum.r5);
  put(subgroupBroadcast(result, 6u), sum.r6);
  put(subgroupBroadcast(result, 7u), sum.r7);
}
`;

/** An invocation holds 4 pixels x 8 channels in registers: for CPU drivers without subgroups of 8. */
export const CONV2D_V2 = /* wgsl */ `
fn put(r: i32, column: u32, v: vec4f) {
  if (r >= 0 && column < params.cout4) {
    let i = u32(r) * params.cout4 + column;
    store_y(i, v + bias_at(column) + residual_at(i));
  }
}

fn value(source: i32, c: u32) -> f32 {
  return select(0.0, load_x(u32(max(source, 0)) + c), source >= 0);
}

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x * 2u;
  let second = min(column + 1u, params.cout4 - 1u);
  if (column >= params.cout4) {
    return;
  }
  let class_y = id.z / params.classes;
  let class_x = id.z % params.classes;
  let place0 = place_of(id.y * 4u);
  let place1 = place_of(id.y * 4u + 1u);
  let place2 = place_of(id.y * 4u + 2u);
  let place3 = place_of(id.y * 4u + 3u);
  let classes = i32(params.classes);
  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  var t0 = vec4f();
  var t1 = vec4f();
  var t2 = vec4f();
  var t3 = vec4f();
  for (var ky = 0u; ky < params.kh; ky++) {
    let dy = offset_of(class_y, ky, params.top);
    if (dy % classes != 0) {
      continue;
    }
    for (var kx = 0u; kx < params.kw; kx++) {
      let dx = offset_of(class_x, kx, params.left);
      if (dx % classes != 0) {
        continue;
      }
      let p0 = source_of(place0, dy / classes, dx / classes);
      let p1 = source_of(place1, dy / classes, dx / classes);
      let p2 = source_of(place2, dy / classes, dx / classes);
      let p3 = source_of(place3, dy / classes, dx / classes);
      let from_w = (ky * params.kw + kx) * params.cin * params.cout4;
      for (var c = 0u; c < params.cin; c++) {
        let b = load_w(from_w + c * params.cout4 + column);
        let d = load_w(from_w + c * params.cout4 + second);
        let x = vec4f(value(p0, c), value(p1, c), value(p2, c), value(p3, c));
        s0 = fma(vec4f(x.x), b, s0);
        s1 = fma(vec4f(x.y), b, s1);
        s2 = fma(vec4f(x.z), b, s2);
        s3 = fma(vec4f(x.w), b, s3);
        t0 = fma(vec4f(x.x), d, t0);
        t1 = fma(vec4f(x.y), d, t1);
        t2 = fma(vec4f(x.z), d, t2);
        t3 = fma(vec4f(x.w), d, t3);
      }
    }
  }
  let r0 = result_of(place0, class_y, class_x);
  let r1 = result_of(place1, class_y, class_x);
  let r2 = result_of(place2, class_y, class_x);
  let r3 = result_of(place3, class_y, class_x);
  put(r0, column, s0);
  put(r1, column, s1);
  put(r2, column, s2);
  put(r3, column, s3);
  put(r0, column + 1u, t0);
  put(r1, column + 1u, t1);
  put(r2, column + 1u, t2);
  put(r3, column + 1u, t3);
}
`;

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
