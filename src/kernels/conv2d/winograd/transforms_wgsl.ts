/**
 * The transforms of winograd.ts, an invocation for a tile of four channels; MATRICES or PANELS say where the points lie. `first`
 * is the first of the tiles that the scratch holds. Their loops end at parameters (always 6 and 4), so
 * that drivers keep them: unrolled, CPU drivers would compile them for many seconds.
 */

/** Of each point a matrix: source [tiles][4 cin4], kernel [cin][4 cout4]. */
export const MATRICES = /* wgsl */ `
fn source_at(point: u32, tile: u32, c: u32) -> u32 {
  return (point * params.tiles + tile) * params.cin4 + c;
}
fn kernel_at(point: u32, c: u32, column: u32) -> u32 {
  return (point * params.cin4 * 4u + c) * params.cout4 + column;
}
`;

/** Of each point panels of both (common/panels_wgsl.ts): source [tiles / 32][cin4][32][4], kernel [cout4 / 8][cin][8][4]. */
export const PANELS = /* wgsl */ `
fn source_at(point: u32, tile: u32, c: u32) -> u32 {
  return ((point * params.rowPanels + tile / 32u) * params.cin4 + c) * 32u + tile % 32u;
}
fn kernel_at(point: u32, c: u32, column: u32) -> u32 {
  return ((point * params.columnPanels + column / 8u) * params.cin4 * 4u + c) * 8u + column % 8u;
}
`;

/** The 3x3 kernel of one input and four output channels, at 36 points: G g Gᵀ. */
export const WINOGRAD_KERNEL = /* wgsl */ `
fn weights(row: u32, column: u32, c: u32, o: u32) -> vec4f {
  let tap = select(row * 3u + column, 8u - row * 3u - column, params.turned == 1u);
  let i = tap * params.cin4 * params.cout4 * 16u + c * params.rowStep + o * params.columnStep;
  return vec4f(
    load_w(i), load_w(i + params.columnStep), load_w(i + 2u * params.columnStep), load_w(i + 3u * params.columnStep),
  );
}

fn spread(a: vec4f, b: vec4f, c: vec4f) -> array<vec4f, 6> {
  let outer = (a + c) / 6.0;
  let far = a / 24.0 + c / 6.0;
  return array<vec4f, 6>(a / 4.0, -outer - b / 6.0, b / 6.0 - outer, far + b / 12.0, far - b / 12.0, c);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x / params.cout4;
  let column = id.x % params.cout4;
  if (c >= params.cin4 * 4u) {
    return;
  }
  var rows: array<vec4f, 18>;
  for (var i = 0u; i < params.six / 2u; i++) {
    let s = spread(
      weights(i, 0u, c, column * 4u), weights(i, 1u, c, column * 4u), weights(i, 2u, c, column * 4u),
    );
    for (var j = 0u; j < params.six; j++) {
      rows[i * 6u + j] = s[j];
    }
  }
  for (var j = 0u; j < params.six; j++) {
    let s = spread(rows[j], rows[6u + j], rows[12u + j]);
    for (var i = 0u; i < params.six; i++) {
      store_u(kernel_at(i * 6u + j, c, column), s[i]);
    }
  }
}
`;

/** A tile of 6x6 source pixels at 36 points: Bᵀ d B. */
export const WINOGRAD_SOURCE = /* wgsl */ `
fn spread(a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f) -> array<vec4f, 6> {
  return array<vec4f, 6>(
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
  let y = i32(place / params.across % params.down * 4u) - params.top;
  let x = i32(place % params.across * 4u) - params.left;
  var d: array<vec4f, 36>;
  for (var i = 0u; i < params.six; i++) {
    let at_y = y + i32(i);
    let s = spread(
      pixel(image, at_y, x, c), pixel(image, at_y, x + 1, c), pixel(image, at_y, x + 2, c),
      pixel(image, at_y, x + 3, c), pixel(image, at_y, x + 4, c), pixel(image, at_y, x + 5, c),
    );
    for (var j = 0u; j < params.six; j++) {
      d[i * 6u + j] = s[j];
    }
  }
  for (var j = 0u; j < params.six; j++) {
    let s = spread(d[j], d[6u + j], d[12u + j], d[18u + j], d[24u + j], d[30u + j]);
    for (var i = 0u; i < params.six; i++) {
      store_points(source_at(i * 6u + j, tile, c), s[i]);
    }
  }
}
`;

/** Back from 36 points to 4x4 pixels: Aᵀ m A, then bias and residual. m is [36][tiles][4 cout4]. */
export const WINOGRAD_RESULT = /* wgsl */ `
fn gather(a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f) -> array<vec4f, 4> {
  let near = b + c;
  let far = d + e;
  return array<vec4f, 4>(a + near + far, b - c + 2.0 * (d - e), near + 4.0 * far, b - c + 8.0 * (d - e) + f);
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
  var d: array<vec4f, 24>;
  for (var i = 0u; i < params.six; i++) {
    let s = gather(
      point(i, 0u, tile, c), point(i, 1u, tile, c), point(i, 2u, tile, c),
      point(i, 3u, tile, c), point(i, 4u, tile, c), point(i, 5u, tile, c),
    );
    for (var j = 0u; j < params.four; j++) {
      d[i * 4u + j] = s[j];
    }
  }
  let place = params.first + tile;
  let image = place / (params.across * params.down);
  let y = place / params.across % params.down * 4u;
  let x = place % params.across * 4u;
  for (var j = 0u; j < params.four; j++) {
    let s = gather(d[j], d[4u + j], d[8u + j], d[12u + j], d[16u + j], d[20u + j]);
    for (var i = 0u; i < params.four; i++) {
      if (y + i < params.height && x + j < params.width) {
        let at = ((image * params.height + y + i) * params.width + x + j) * params.cout4 + c;
        store_y(at, s[i] + bias_at(c) + residual_at(at));
      }
    }
  }
}
`;
