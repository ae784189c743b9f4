/**
 * WGSL of the transforms of winograd.ts: an invocation transforms one tile of four channels. It transforms one row at a time along
 * x and adds the result, with the coefficients of y, to all points, which stay in registers. `params.first` is the first
 * of the tiles that the scratch holds. Loops over rows and points end at parameters, so that drivers do not unroll them:
 * unrolled, they would keep the compilers of CPU drivers busy for many seconds.
 */

/** Indices of a point's elements, stored as one matrix a point: source [tiles][4 cin4], weight [cin][4 cout4]. */
export const MATRICES = /* wgsl */ `
fn source_at(point: u32, tile: u32, c: u32) -> u32 {
  return (point * params.tiles + tile) * params.cin4 + c;
}
fn kernel_at(point: u32, c: u32, column: u32) -> u32 {
  return (point * params.cin4 * 4u + c) * params.cout4 + column;
}
`;

/** The same, stored as panels (common/panels_wgsl.ts): source [tiles / 32][cin4][32][4], weight [cout4 / 8][cin][8][4]. */
export const PANELS = /* wgsl */ `
fn source_at(point: u32, tile: u32, c: u32) -> u32 {
  return ((point * params.rowPanels + tile / 32u) * params.cin4 + c) * 32u + tile % 32u;
}
fn kernel_at(point: u32, c: u32, column: u32) -> u32 {
  return ((point * params.columnPanels + column / 8u) * params.cin4 * 4u + c) * 8u + column % 8u;
}
`;

/** 6x6 points, and the addition of a row of six to them. */
const SIX_ROWS = /* wgsl */ `
struct Six { a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f }
struct Points { a: Six, b: Six, c: Six, d: Six, e: Six, f: Six }

fn scaled(k: f32, x: Six, sum: Six) -> Six {
  let v = vec4f(k);
  return Six(
    fma(v, x.a, sum.a), fma(v, x.b, sum.b), fma(v, x.c, sum.c), fma(v, x.d, sum.d), fma(v, x.e, sum.e), fma(v, x.f, sum.f),
  );
}

fn add_row(sum: Points, x: Six, low: vec3f, high: vec3f) -> Points {
  return Points(
    scaled(low.x, x, sum.a), scaled(low.y, x, sum.b), scaled(low.z, x, sum.c),
    scaled(high.x, x, sum.d), scaled(high.y, x, sum.e), scaled(high.z, x, sum.f),
  );
}

fn points_of(s: Points) -> array<vec4f, 36> {
  return array<vec4f, 36>(
    s.a.a, s.a.b, s.a.c, s.a.d, s.a.e, s.a.f, s.b.a, s.b.b, s.b.c, s.b.d, s.b.e, s.b.f,
    s.c.a, s.c.b, s.c.c, s.c.d, s.c.e, s.c.f, s.d.a, s.d.b, s.d.c, s.d.d, s.d.e, s.d.f,
    s.e.a, s.e.b, s.e.c, s.e.d, s.e.e, s.e.f, s.f.a, s.f.b, s.f.c, s.f.d, s.f.e, s.f.f,
  );
}
`;

/** G g Gᵀ: the 3x3 weight of one input and four output channels at 36 points. */
export const WEIGHT_TRANSFORM = /* wgsl */ `${SIX_ROWS}
/** The columns of G: elements 0 to 2 and 3 to 5. */
const LOW = array<vec3f, 3>(vec3f(1.0 / 4.0, -1.0 / 6.0, -1.0 / 6.0), vec3f(0.0, -1.0 / 6.0, 1.0 / 6.0), vec3f(0.0, -1.0 / 6.0, -1.0 / 6.0));
const HIGH = array<vec3f, 3>(vec3f(1.0 / 24.0, 1.0 / 24.0, 0.0), vec3f(1.0 / 12.0, -1.0 / 12.0, 0.0), vec3f(1.0 / 6.0, 1.0 / 6.0, 1.0));

fn weights(row: u32, column: u32, c: u32, o: u32) -> vec4f {
  let tap = select(row * 3u + column, 8u - row * 3u - column, params.turned == 1u);
  let i = tap * params.cin4 * params.cout4 * 16u + c * params.rowStep + o * params.columnStep;
  return vec4f(
    load_w(i), load_w(i + params.columnStep), load_w(i + 2u * params.columnStep), load_w(i + 3u * params.columnStep),
  );
}

fn along(a: vec4f, b: vec4f, c: vec4f) -> Six {
  let outer = (a + c) / 6.0;
  let far = a / 24.0 + c / 6.0;
  return Six(a / 4.0, -outer - b / 6.0, b / 6.0 - outer, far + b / 12.0, far - b / 12.0, c);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x / params.cout4;
  let column = id.x % params.cout4;
  if (c >= params.cin4 * 4u) {
    return;
  }
  var sum = Points();
  for (var i = 0u; i < params.rows; i++) {
    let row = along(weights(i, 0u, c, column * 4u), weights(i, 1u, c, column * 4u), weights(i, 2u, c, column * 4u));
    sum = add_row(sum, row, LOW[i], HIGH[i]);
  }
  let all = points_of(sum);
  for (var point = 0u; point < params.points; point++) {
    store_u(kernel_at(point, c, column), all[point]);
  }
}
`;

/** Bᵀ d B: a tile of 6x6 source pixels at 36 points. */
export const SOURCE_TRANSFORM = /* wgsl */ `${SIX_ROWS}
/** The columns of Bᵀ: elements 0 to 2 and 3 to 5. */
const LOW = array<vec3f, 6>(
  vec3f(4.0, 0.0, 0.0), vec3f(0.0, -4.0, 4.0), vec3f(-5.0, -4.0, -4.0), vec3f(0.0, 1.0, -1.0), vec3f(1.0, 1.0, 1.0), vec3f(),
);
const HIGH = array<vec3f, 6>(
  vec3f(), vec3f(-2.0, 2.0, 4.0), vec3f(-1.0, -1.0, 0.0), vec3f(2.0, -2.0, -5.0), vec3f(1.0, 1.0, 0.0), vec3f(0.0, 0.0, 1.0),
);

fn along(a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f) -> Six {
  return Six(
    4.0 * a - 5.0 * c + e,
    d + e - 4.0 * (b + c),
    4.0 * (b - c) + e - d,
    2.0 * (d - b) + e - c,
    2.0 * (b - d) + e - c,
    4.0 * b - 5.0 * d + f,
  );
}

fn pixel(image: u32, y: i32, x: i32, c: u32) -> vec4f {
  let inside = y >= 0 && y < i32(params.height) && x >= 0 && x < i32(params.width);
  let row = image * params.height + u32(clamp(y, 0, i32(params.height) - 1));
  let i = (row * params.width + u32(clamp(x, 0, i32(params.width) - 1))) * params.cin4 + c;
  return select(vec4f(), load_x(i), inside);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let tile = id.x / params.cin4;
  let c = id.x % params.cin4;
  if (tile >= params.tiles) {
    return;
  }
  let place = params.first + tile;
  let image = place / (params.across * params.down);
  let top = i32(place / params.across % params.down * 4u) - params.top;
  let x = i32(place % params.across * 4u) - params.left;
  var sum = Points();
  for (var i = 0u; i < params.rows; i++) {
    let y = top + i32(i);
    let row = along(
      pixel(image, y, x, c), pixel(image, y, x + 1, c), pixel(image, y, x + 2, c), pixel(image, y, x + 3, c),
      pixel(image, y, x + 4, c), pixel(image, y, x + 5, c),
    );
    sum = add_row(sum, row, LOW[i], HIGH[i]);
  }
  let all = points_of(sum);
  for (var point = 0u; point < params.points; point++) {
    store_points(source_at(point, tile, c), all[point]);
  }
}
`;

/** Aᵀ m A: 36 points back to 4x4 pixels, then bias and residual. m is [36][tiles][4 cout4]. */
export const RESULT_TRANSFORM = /* wgsl */ `
struct Four { a: vec4f, b: vec4f, c: vec4f, d: vec4f }
struct Pixels { a: Four, b: Four, c: Four, d: Four }

/** The columns of Aᵀ. */
const COLUMNS = array<vec4f, 6>(
  vec4f(1.0, 0.0, 0.0, 0.0), vec4f(1.0, 1.0, 1.0, 1.0), vec4f(1.0, -1.0, 1.0, -1.0), vec4f(1.0, 2.0, 4.0, 8.0),
  vec4f(1.0, -2.0, 4.0, -8.0), vec4f(0.0, 0.0, 0.0, 1.0),
);

fn along(a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f) -> Four {
  let near = b + c;
  let far = d + e;
  return Four(a + near + far, b - c + 2.0 * (d - e), near + 4.0 * far, b - c + 8.0 * (d - e) + f);
}

fn scaled(k: f32, x: Four, sum: Four) -> Four {
  let v = vec4f(k);
  return Four(fma(v, x.a, sum.a), fma(v, x.b, sum.b), fma(v, x.c, sum.c), fma(v, x.d, sum.d));
}

fn point(i: u32, j: u32, tile: u32, c: u32) -> vec4f {
  return load_m(((i * 6u + j) * params.tiles + tile) * params.cout4 + c);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let tile = id.x / params.cout4;
  let c = id.x % params.cout4;
  if (tile >= params.tiles) {
    return;
  }
  var s = Pixels();
  for (var i = 0u; i < params.rows; i++) {
    let row = along(
      point(i, 0u, tile, c), point(i, 1u, tile, c), point(i, 2u, tile, c), point(i, 3u, tile, c), point(i, 4u, tile, c),
      point(i, 5u, tile, c),
    );
    let k = COLUMNS[i];
    s = Pixels(scaled(k.x, row, s.a), scaled(k.y, row, s.b), scaled(k.z, row, s.c), scaled(k.w, row, s.d));
  }
  let all = array<vec4f, 16>(
    s.a.a, s.a.b, s.a.c, s.a.d, s.b.a, s.b.b, s.b.c, s.b.d, s.c.a, s.c.b, s.c.c, s.c.d, s.d.a, s.d.b, s.d.c, s.d.d,
  );
  let place = params.first + tile;
  let image = place / (params.across * params.down);
  let top = place / params.across % params.down * 4u;
  let left = place % params.across * 4u;
  for (var i = 0u; i < params.pixels; i++) {
    let y = top + i / 4u;
    let x = left + i % 4u;
    if (y < params.height && x < params.width) {
      let at = ((image * params.height + y) * params.width + x) * params.cout4 + c;
      store_y(at, all[i] + bias_at(c) + residual_at(at));
    }
  }
}
`;
