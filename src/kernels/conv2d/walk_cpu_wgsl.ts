/** WGSL of the convolution on CPU drivers, both directions. Needs CONV2D_WALK, which says what is computed. */

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
  let results = array<i32, 4>(
    result_of(place0, class_y, class_x), result_of(place1, class_y, class_x), result_of(place2, class_y, class_x),
    result_of(place3, class_y, class_x),
  );
  let sums = array<vec4f, 8>(s0, s1, s2, s3, t0, t1, t2, t3);
  // params.tile is 8: stores unrolled by the driver would be most of the compilation.
  for (var i = 0u; i < params.tile; i++) {
    put(results[i % 4u], column + i / 4u, sums[i]);
  }
}
`;
