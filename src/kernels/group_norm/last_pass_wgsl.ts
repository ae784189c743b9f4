/** WGSL of the second of two passes of GroupNorm on GPUs, over T: partial sums combined, then some rows of pixels. */
import { DIVIDE } from '../common/divide.ts';

/** A workgroup's lanes as (slice of the chunks, group): what two passes combine. */
export const SLICES = `${DIVIDE}
var<workgroup> slice_values: array<f32, WG>;
/** By group: mean, scale; backward, also the means of g and of g n. */
var<workgroup> combined: array<vec4<f32>, WG>;

struct Slice { image: u32, part: u32, group: u32, first: u32, number: u32, end: u32 }
/** Which partial sums a lane adds: \`first\` of its group and, of its chunks, every \`WG / groups\`-th from \`number\` on. */
fn slice_of(team: u32, lane: u32) -> Slice {
  let image = team / params.parts;
  let group = lane % params.groups;
  let number = lane / params.groups;
  let first = (image * params.groups + group) * params.chunks;
  return Slice(image, team - image * params.parts, group, first, number, select(0u, params.chunks, number < WG / params.groups));
}

struct Rows { start: u32, count: u32 }
/** The elements (in T) that a workgroup writes. */
fn rows_of(s: Slice) -> Rows {
  let row = s.part * params.rows;
  let start = (s.image * params.pixels + row) * params.channels;
  return Rows(start, min(params.rows, params.pixels - row) * params.channels);
}

fn sum_slices(v: f32, lane: u32) -> f32 {
  slice_values[lane] = v;
  workgroupBarrier();
  var sum = 0.0;
  for (var k = lane % params.groups; k < WG / params.groups * params.groups; k += params.groups) {
    sum += slice_values[k];
  }
  workgroupBarrier();
  return sum;
}

/** Number k of what \`combined\` has for channel c (in T). */
fn number_at(c: u32, k: u32) -> T {
  if (SPLIT == 0u) {
    return T(combined[quotient(c, params.per_group)][k]);
  }
  return split_number(c, k);
}
`;

/** Four channels whose groups may differ. */
export const SPLIT_VECTOR = `
fn split_number(c: u32, k: u32) -> T {
  return T(
    combined[quotient(4u * c, params.group_size)][k],
    combined[quotient(4u * c + 1u, params.group_size)][k],
    combined[quotient(4u * c + 2u, params.group_size)][k],
    combined[quotient(4u * c + 3u, params.group_size)][k],
  );
}
`;
export const SPLIT_SCALAR = `
fn split_number(c: u32, k: u32) -> T { return combined[quotient(c, params.group_size)][k]; }
`;

export const FORWARD_LAST = `
/** How much of the group's elements chunk k has. */
fn chunk_share(k: u32) -> f32 {
  return f32(min(params.chunk, params.pixels - k * params.chunk) * params.group_size) * params.share;
}

fn run(team: u32, lane: u32) {
  let s = slice_of(team, lane);
  let slices = WG / params.groups;
  var m = 0.0;
  for (var k = s.number; k < s.end; k += slices) {
    m += load_partial(2u * (s.first + k)) * chunk_share(k);
  }
  let mean = sum_slices(m, lane);
  var v = 0.0;
  for (var k = s.number; k < s.end; k += slices) {
    let d = load_partial(2u * (s.first + k)) - mean;
    v += load_partial(2u * (s.first + k) + 1u) * params.share + d * d * chunk_share(k);
  }
  let scale = 1.0 / sqrt(sum_slices(v, lane) + params.eps);
  if (s.number == 0u) {
    combined[s.group] = vec4<f32>(mean, scale, 0.0, 0.0);
    if (s.part == 0u) {
      let k = 2u * (s.image * params.groups + s.group);
      store_stats(k, mean);
      store_stats(k + 1u, scale);
    }
  }
  workgroupBarrier();
  let rows = rows_of(s);
  for (var e = lane; e < rows.count; e += LANES) {
    let i = rows.start + e;
    let c = e - quotient(e, params.channels) * params.channels;
    store_y(i, activate((load_x(i) - number_at(c, 0u)) * number_at(c, 1u) * load_gamma(c) + load_beta(c)));
  }
}
`;

export const BACKWARD_LAST = `
fn run(team: u32, lane: u32) {
  let s = slice_of(team, lane);
  let slices = WG / params.groups;
  var a = 0.0;
  var b = 0.0;
  for (var k = s.number; k < s.end; k += slices) {
    a += load_partial(2u * (s.first + k));
    b += load_partial(2u * (s.first + k) + 1u);
  }
  let mean_g = sum_slices(a, lane) * params.share;
  let mean_gn = sum_slices(b, lane) * params.share;
  if (s.number == 0u) {
    let k = 2u * (s.image * params.groups + s.group);
    combined[s.group] = vec4<f32>(load_stats(k), load_stats(k + 1u), mean_g, mean_gn);
  }
  workgroupBarrier();
  let rows = rows_of(s);
  for (var e = lane; e < rows.count; e += LANES) {
    let i = rows.start + e;
    let c = e - quotient(e, params.channels) * params.channels;
    let scale = number_at(c, 1u);
    let n = (load_x(i) - number_at(c, 0u)) * scale;
    let gamma = load_gamma(c);
    let g = gamma * load_dy(i) * activate_slope(n * gamma + load_beta(c));
    store_dx(i, scale * (g - number_at(c, 2u) - n * number_at(c, 3u)));
  }
}
`;
