/** WGSL of GroupNorm in three passes (see passes.ts), over T. */
import { DIVIDE } from '../common/divide.ts';

/** A team is (image, group, chunk of pixels); sizes of channels are counted in T. */
const TEAM = `
struct Part { group: u32, image: u32, first: u32, end: u32, base: u32 }
fn part(team: u32) -> Part {
  let group = team / params.chunks % params.groups;
  let image = team / params.chunks / params.groups;
  let first = team % params.chunks * params.length;
  let end = min(first + params.length, params.pixels);
  return Part(group, image, first, end, image * params.pixels * params.channels + group * params.per_group);
}
`;

/** Mean of the chunk and the squares around it. */
export const STATISTICS = `${TEAM}
fn run(team: u32, lane: u32) {
  let p = part(team);
  let count = f32((p.end - p.first) * params.per_group * WIDTH);
  var sum = T();
  for (var pixel = p.first + lane; pixel < p.end; pixel += LANES) {
    let start = p.base + pixel * params.channels;
    for (var i = start; i < start + params.per_group; i++) {
      sum += load_x(i);
    }
  }
  let mean = team_sum(total(sum), lane) / count;
  var squares = T();
  for (var pixel = p.first + lane; pixel < p.end; pixel += LANES) {
    let start = p.base + pixel * params.channels;
    for (var i = start; i < start + params.per_group; i++) {
      let d = load_x(i) - mean;
      squares += d * d;
    }
  }
  let around = team_sum(total(squares), lane);
  if (lane == 0u) {
    store_partial(2u * team, mean);
    store_partial(2u * team + 1u, around);
  }
}
`;

/** One invocation an image and group: combines its chunks (Chan et al.), writes statistics and [N, 2, C] scale, shift. */
export const COMBINE = `
fn run(i: u32) {
  let group = i % params.groups;
  let image = i / params.groups;
  var mean = 0.0;
  for (var k = 0u; k < params.chunks; k++) {
    mean += load_partial(2u * (i * params.chunks + k)) * chunk_share(k);
  }
  var variance = 0.0;
  for (var k = 0u; k < params.chunks; k++) {
    let d = load_partial(2u * (i * params.chunks + k)) - mean;
    variance += load_partial(2u * (i * params.chunks + k) + 1u) * params.share + d * d * chunk_share(k);
  }
  let scale = 1.0 / sqrt(variance + params.eps);
  store_stats(2u * i, mean);
  store_stats(2u * i + 1u, scale);
  for (var c = group * params.per_group; c < (group + 1u) * params.per_group; c++) {
    let gain = load_gamma(c) * scale;
    store_table(2u * image * params.channels + c, gain);
    store_table((2u * image + 1u) * params.channels + c, load_beta(c) - mean * gain);
  }
}

/** How much of the group's elements chunk k has. */
fn chunk_share(k: u32) -> f32 {
  let pixels = min(params.length, params.pixels - k * params.length);
  return f32(pixels * params.per_group) * params.share;
}
`;

export const APPLY = `${DIVIDE}
fn run(i: u32) {
  let pixel = quotient(i, params.channels);
  let c = i - pixel * params.channels;
  let row = quotient(pixel, params.pixels) * 2u;
  let scale = load_table(row * params.channels + c);
  let shift = load_table((row + 1u) * params.channels + c);
  store_y(i, activate(load_x(i) * scale + shift));
}
`;

/** With dz = dy · slope(z), g = gamma dz, n = normalised x: Σ g and Σ g n of the chunk. */
export const BACKWARD_SUMS = `${TEAM}
fn run(team: u32, lane: u32) {
  let p = part(team);
  let statistics = 2u * (p.image * params.groups + p.group);
  let mean = load_stats(statistics);
  let scale = load_stats(statistics + 1u);
  var sum = T();
  var dot = T();
  for (var pixel = p.first + lane; pixel < p.end; pixel += LANES) {
    let start = p.base + pixel * params.channels;
    for (var k = 0u; k < params.per_group; k++) {
      let c = p.group * params.per_group + k;
      let gamma = load_gamma(c);
      let n = (load_x(start + k) - mean) * scale;
      let g = gamma * load_dy(start + k) * activate_slope(n * gamma + load_beta(c));
      sum += g;
      dot += g * n;
    }
  }
  let g = team_sum(total(sum), lane);
  let gn = team_sum(total(dot), lane);
  if (lane == 0u) {
    store_partial(2u * team, g);
    store_partial(2u * team + 1u, gn);
  }
}
`;

/**
 * dx = scale (g - mean(g) - n mean(g n)), as gain · dz + slope · x + offset; [N, 4, C]: gain, shift (to find z again),
 * slope, offset.
 */
export const BACKWARD_COMBINE = `
fn run(i: u32) {
  let group = i % params.groups;
  let image = i / params.groups;
  let mean = load_stats(2u * i);
  let scale = load_stats(2u * i + 1u);
  var g = 0.0;
  var gn = 0.0;
  for (var k = 0u; k < params.chunks; k++) {
    g += load_partial(2u * (i * params.chunks + k));
    gn += load_partial(2u * (i * params.chunks + k) + 1u);
  }
  let slope = -scale * scale * gn * params.share;
  let offset = -scale * g * params.share - slope * mean;
  for (var c = group * params.per_group; c < (group + 1u) * params.per_group; c++) {
    let gain = load_gamma(c) * scale;
    let row = 4u * image;
    store_table(row * params.channels + c, gain);
    store_table((row + 1u) * params.channels + c, load_beta(c) - mean * gain);
    store_table((row + 2u) * params.channels + c, slope);
    store_table((row + 3u) * params.channels + c, offset);
  }
}
`;

export const BACKWARD_APPLY = `${DIVIDE}
fn run(i: u32) {
  let pixel = quotient(i, params.channels);
  let c = i - pixel * params.channels;
  let row = quotient(pixel, params.pixels) * 4u;
  let x = load_x(i);
  let gain = load_table(row * params.channels + c);
  let z = x * gain + load_table((row + 1u) * params.channels + c);
  let slope = load_table((row + 2u) * params.channels + c);
  let offset = load_table((row + 3u) * params.channels + c);
  store_dx(i, load_dy(i) * activate_slope(z) * gain + x * slope + offset);
}
`;

/** Per channel, over images and pixels: Σ dz n and Σ dz. */
export const GAINS = `
fn terms(row: u32, c: u32) -> vec2<f32> {
  let i = row * params.width + c;
  let statistics = 2u * (quotient(row, params.pixels) * params.groups + quotient(c, params.per_group));
  let n = (load_x(i) - load_stats(statistics)) * load_stats(statistics + 1u);
  let dz = load_dy(i) * activate_slope(n * load_gamma(c) + load_beta(c));
  return vec2<f32>(dz * n, dz);
}
`;
