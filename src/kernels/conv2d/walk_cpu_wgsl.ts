/** WGSL of the convolution on CPU drivers, both directions. Needs CONV2D_WALK, which says what is computed. */

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
