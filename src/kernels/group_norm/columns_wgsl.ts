/** WGSL of GroupNorm by columns of four channels, for CPU drivers (see columns.ts). */

const WALK = `
struct Walk { image: u32, column: u32, start: u32, pixels: u32 }
/** Chunk and four channels of invocation i. */
fn walk(i: u32) -> Walk {
  let part = i / params.columns;
  let column = i - part * params.columns;
  let image = part / params.chunks;
  let first = (part - image * params.chunks) * params.length;
  let pixels = min(params.length, params.pixels - first);
  return Walk(image, column, (image * params.pixels + first) * params.columns + column, pixels);
}
`;

/** Walks with the statistics of the four channels. */
const NORMALIZED_WALK = `${WALK}
/** Where the four channels have their means; what belongs to them is one further. */
fn groups_of(w: Walk) -> vec4u {
  return (w.image * params.groups + (4u * w.column + vec4u(0u, 1u, 2u, 3u)) / params.per_group) * 2u;
}
fn means_at(g: vec4u) -> vec4f {
  return vec4f(load_stats(g.x), load_stats(g.y), load_stats(g.z), load_stats(g.w));
}
fn scales_at(g: vec4u) -> vec4f {
  return means_at(g + 1u);
}
`;

/** Mean of each channel over the chunk, and the squares around it, from sums around the first value. */
export const STATISTICS = `${WALK}
fn run(i: u32) {
  let w = walk(i);
  let origin = load_x(w.start);
  var sum = vec4f();
  var squares = vec4f();
  var at = w.start;
  for (var k = 0u; k < w.pixels; k++) {
    let d = load_x(at) - origin;
    sum += d;
    squares += d * d;
    at += params.columns;
  }
  let mean = sum / f32(w.pixels);
  store_partial(2u * i, origin + mean);
  store_partial(2u * i + 1u, squares - sum * mean);
}
`;

/** Partial results of channel c in chunk k: the first of the two; the second is four further. */
const PARTIAL_AT = `
fn partial_at(image: u32, k: u32, c: u32) -> u32 {
  return ((image * params.chunks + k) * params.columns + c / 4u) * 8u + c % 4u;
}
fn pixels_of(k: u32) -> f32 {
  return f32(min(params.length, params.pixels - k * params.length));
}
`;

export const COMBINE = `${PARTIAL_AT}
fn run(i: u32) {
  let image = i / params.groups;
  let first = (i - image * params.groups) * params.per_group;
  var mean = 0.0;
  for (var k = 0u; k < params.chunks; k++) {
    var sum = 0.0;
    for (var c = first; c < first + params.per_group; c++) {
      sum += load_partial(partial_at(image, k, c));
    }
    mean += sum * pixels_of(k) * params.share;
  }
  var variance = 0.0;
  for (var k = 0u; k < params.chunks; k++) {
    for (var c = first; c < first + params.per_group; c++) {
      let d = load_partial(partial_at(image, k, c)) - mean;
      variance += (load_partial(partial_at(image, k, c) + 4u) + d * d * pixels_of(k)) * params.share;
    }
  }
  let scale = 1.0 / sqrt(variance + params.eps);
  store_stats(2u * i, mean);
  store_stats(2u * i + 1u, scale);
}
`;

export const APPLY = `${NORMALIZED_WALK}
fn run(i: u32) {
  let w = walk(i);
  let g = groups_of(w);
  let mean = means_at(g);
  let scale = scales_at(g);
  let gain = load_gamma(w.column) * scale;
  let shift = load_beta(w.column) - mean * gain;
  var at = w.start;
  for (var k = 0u; k < w.pixels; k++) {
    store_y(at, activate(load_x(at) * gain + shift));
    at += params.columns;
  }
}
`;

/** With dz = dy · slope(z), g = gamma dz, n = normalised x: Σ g and Σ g n of each channel over the chunk. */
export const BACKWARD_SUMS = `${NORMALIZED_WALK}
fn run(i: u32) {
  let w = walk(i);
  let g = groups_of(w);
  let mean = means_at(g);
  let scale = scales_at(g);
  let gamma = load_gamma(w.column);
  let beta = load_beta(w.column);
  var sum = vec4f();
  var dot = vec4f();
  var at = w.start;
  for (var k = 0u; k < w.pixels; k++) {
    let n = (load_x(at) - mean) * scale;
    let dz = load_dy(at) * activate_slope(n * gamma + beta);
    sum += dz;
    dot += dz * n;
    at += params.columns;
  }
  store_partial(2u * i, gamma * sum);
  store_partial(2u * i + 1u, gamma * dot);
}
`;

/** dx = scale (g - mean(g) - n mean(g n)): both means, for each image and group. */
export const BACKWARD_COMBINE = `${PARTIAL_AT}
fn run(i: u32) {
  let image = i / params.groups;
  let first = (i - image * params.groups) * params.per_group;
  var g = 0.0;
  var gn = 0.0;
  for (var k = 0u; k < params.chunks; k++) {
    for (var c = first; c < first + params.per_group; c++) {
      g += load_partial(partial_at(image, k, c));
      gn += load_partial(partial_at(image, k, c) + 4u);
    }
  }
  store_means(2u * i, g * params.share);
  store_means(2u * i + 1u, gn * params.share);
}
`;

export const BACKWARD_APPLY = `${NORMALIZED_WALK}
fn run(i: u32) {
  let w = walk(i);
  let g = groups_of(w);
  let mean = means_at(g);
  let scale = scales_at(g);
  let mean_g = vec4f(load_means(g.x), load_means(g.y), load_means(g.z), load_means(g.w));
  let mean_gn = vec4f(load_means(g.x + 1u), load_means(g.y + 1u), load_means(g.z + 1u), load_means(g.w + 1u));
  let gain = load_gamma(w.column) * scale;
  let shift = load_beta(w.column) - mean * gain;
  let slope = -scale * scale * mean_gn;
  let offset = -scale * mean_g - slope * mean;
  var at = w.start;
  for (var k = 0u; k < w.pixels; k++) {
    let x = load_x(at);
    store_dx(at, load_dy(at) * activate_slope(x * gain + shift) * gain + x * slope + offset);
    at += params.columns;
  }
}
`;
