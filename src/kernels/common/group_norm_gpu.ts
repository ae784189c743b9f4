/**
 * GroupNorm for GPUs, where a dispatch costs more than arithmetic. Small images: one workgroup a group does all.
 * Large ones: partial sums by chunks of pixels, then a pass whose workgroups combine them once more each.
 */
import type { Binding, BufferRef, Dispatch, Param } from '../../tensor/op.ts';
import { DIVIDE } from './divide.ts';
import { vecOf } from './site.ts';
import { teamDispatch } from './team.ts';

export interface Extent {
  readonly images: number;
  readonly pixels: number;
  readonly channels: number;
  readonly groups: number;
  readonly perGroup: number;
}

/** Elements of a group that one workgroup still gets through about as fast as a second dispatch would start. */
export const ONE_PASS_ELEMENTS = 1 << 17;
const WORKGROUP = 256;
/** Pixels of a partial sum. */
export const CHUNK = 1024;
/** Elements of x that a workgroup of the last pass writes: many beside the partial sums that it reads. */
const LEAST_WRITTEN = 1 << 14;
const MOST_WORKGROUPS = 512;

const GROUP_WALK = `${DIVIDE}
/** Element e of a group, from its first. */
fn place(e: u32) -> u32 {
  let pixel = quotient(e, params.per_group);
  return pixel * params.channels + e - pixel * params.per_group;
}
fn channel(group: u32, e: u32) -> u32 {
  return group * params.per_group + e - quotient(e, params.per_group) * params.per_group;
}
`;

export const FORWARD_ONE = `${GROUP_WALK}
fn run(team: u32, lane: u32) {
  let image = team / params.groups;
  let group = team - image * params.groups;
  let base = image * params.pixels * params.channels + group * params.per_group;
  let count = params.pixels * params.per_group;
  var sum = T();
  for (var e = lane; e < count; e += LANES) {
    sum += load_x(base + place(e));
  }
  let mean = team_sum(total(sum), lane) * params.share;
  var squares = T();
  for (var e = lane; e < count; e += LANES) {
    let d = load_x(base + place(e)) - mean;
    squares += d * d;
  }
  let scale = 1.0 / sqrt(team_sum(total(squares), lane) * params.share + params.eps);
  for (var e = lane; e < count; e += LANES) {
    let i = base + place(e);
    let c = channel(group, e);
    store_y(i, activate((load_x(i) - mean) * scale * load_gamma(c) + load_beta(c)));
  }
  if (lane == 0u) {
    store_stats(2u * team, mean);
    store_stats(2u * team + 1u, scale);
  }
}
`;

export const BACKWARD_ONE = `${GROUP_WALK}
fn run(team: u32, lane: u32) {
  let image = team / params.groups;
  let group = team - image * params.groups;
  let base = image * params.pixels * params.channels + group * params.per_group;
  let count = params.pixels * params.per_group;
  let mean = load_stats(2u * team);
  let scale = load_stats(2u * team + 1u);
  var sum = T();
  var dot = T();
  for (var e = lane; e < count; e += LANES) {
    let i = base + place(e);
    let c = channel(group, e);
    let n = (load_x(i) - mean) * scale;
    let g = load_gamma(c) * load_dy(i) * activate_slope(n * load_gamma(c) + load_beta(c));
    sum += g;
    dot += g * n;
  }
  let mean_g = team_sum(total(sum), lane) * params.share;
  let mean_gn = team_sum(total(dot), lane) * params.share;
  for (var e = lane; e < count; e += LANES) {
    let i = base + place(e);
    let c = channel(group, e);
    let n = (load_x(i) - mean) * scale;
    let g = load_gamma(c) * load_dy(i) * activate_slope(n * load_gamma(c) + load_beta(c));
    store_dx(i, scale * (g - mean_g - n * mean_gn));
  }
}
`;

/** A workgroup's lanes as (slice of the chunks, group): what two passes combine. */
const SLICES = `${DIVIDE}
var<workgroup> slice_values: array<f32, WG>;
/** By group: mean and scale; backward, means of g and g n. */
var<workgroup> combined: array<vec2<f32>, WG>;

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

/** What \`combined\` has for channel c (in T). */
fn pair_at(c: u32) -> array<T, 2> {
  if (SPLIT == 0u) {
    let pair = combined[quotient(c, params.per_group)];
    return array<T, 2>(T(pair.x), T(pair.y));
  }
  return split_pair(c);
}
`;

/** Four channels whose groups may differ. */
const SPLIT_VECTOR = `
fn split_pair(c: u32) -> array<T, 2> {
  let a = combined[quotient(4u * c, params.group_size)];
  let b = combined[quotient(4u * c + 1u, params.group_size)];
  let d = combined[quotient(4u * c + 2u, params.group_size)];
  let e = combined[quotient(4u * c + 3u, params.group_size)];
  return array<T, 2>(T(a.x, b.x, d.x, e.x), T(a.y, b.y, d.y, e.y));
}
`;
const SPLIT_SCALAR = `
fn split_pair(c: u32) -> array<T, 2> {
  let a = combined[quotient(c, params.group_size)];
  return array<T, 2>(a.x, a.y);
}
`;

export const FORWARD_LAST = `
/** How much of the group's elements chunk k has. */
fn chunk_share(k: u32) -> f32 {
  return f32(min(params.chunk, params.pixels - k * params.chunk) * params.group_size) * params.share;
}

fn run(team: u32, lane: u32) {
  let image = team / params.parts;
  let part = team - image * params.parts;
  let group = lane % params.groups;
  let slice = lane / params.groups;
  let slices = WG / params.groups;
  let first = (image * params.groups + group) * params.chunks;
  let end = select(0u, params.chunks, slice < slices);
  var m = 0.0;
  for (var k = slice; k < end; k += slices) {
    m += load_partial(2u * (first + k)) * chunk_share(k);
  }
  let mean = sum_slices(m, lane);
  var v = 0.0;
  for (var k = slice; k < end; k += slices) {
    let d = load_partial(2u * (first + k)) - mean;
    v += load_partial(2u * (first + k) + 1u) * params.share + d * d * chunk_share(k);
  }
  let scale = 1.0 / sqrt(sum_slices(v, lane) + params.eps);
  if (slice == 0u) {
    combined[group] = vec2<f32>(mean, scale);
    if (part == 0u) {
      store_stats(2u * (image * params.groups + group), mean);
      store_stats(2u * (image * params.groups + group) + 1u, scale);
    }
  }
  workgroupBarrier();
  let row = part * params.rows;
  let start = (image * params.pixels + row) * params.channels;
  let count = min(params.rows, params.pixels - row) * params.channels;
  for (var e = lane; e < count; e += LANES) {
    let c = e - quotient(e, params.channels) * params.channels;
    let pair = pair_at(c);
    store_y(start + e, activate((load_x(start + e) - pair[0]) * pair[1] * load_gamma(c) + load_beta(c)));
  }
}
`;

export const BACKWARD_LAST = `
/** By group: mean and scale of x. */
var<workgroup> statistics: array<vec2<f32>, WG>;

fn statistics_at(c: u32) -> array<T, 2> {
  if (SPLIT == 0u) {
    let pair = statistics[quotient(c, params.per_group)];
    return array<T, 2>(T(pair.x), T(pair.y));
  }
  return split_statistics(c);
}

fn run(team: u32, lane: u32) {
  let image = team / params.parts;
  let part = team - image * params.parts;
  let group = lane % params.groups;
  let slice = lane / params.groups;
  let slices = WG / params.groups;
  let first = (image * params.groups + group) * params.chunks;
  let end = select(0u, params.chunks, slice < slices);
  var a = 0.0;
  var b = 0.0;
  for (var k = slice; k < end; k += slices) {
    a += load_partial(2u * (first + k));
    b += load_partial(2u * (first + k) + 1u);
  }
  let mean_g = sum_slices(a, lane) * params.share;
  let mean_gn = sum_slices(b, lane) * params.share;
  if (slice == 0u) {
    combined[group] = vec2<f32>(mean_g, mean_gn);
    let k = 2u * (image * params.groups + group);
    statistics[group] = vec2<f32>(load_stats(k), load_stats(k + 1u));
  }
  workgroupBarrier();
  let row = part * params.rows;
  let start = (image * params.pixels + row) * params.channels;
  let count = min(params.rows, params.pixels - row) * params.channels;
  for (var e = lane; e < count; e += LANES) {
    let c = e - quotient(e, params.channels) * params.channels;
    let means = pair_at(c);
    let s = statistics_at(c);
    let n = (load_x(start + e) - s[0]) * s[1];
    let gamma = load_gamma(c);
    let g = gamma * load_dy(start + e) * activate_slope(n * gamma + load_beta(c));
    store_dx(start + e, s[1] * (g - means[0] - n * means[1]));
  }
}
`;

const asStatistics = (code: string): string =>
  code.replace('fn split_pair', 'fn split_statistics').replaceAll('combined[', 'statistics[');

interface Given {
  readonly label: string;
  readonly extent: Extent;
  readonly eps?: number;
  /** WGSL of the activation. */
  readonly activation: string;
  /** `single`: read one element at a time. */
  readonly operands: readonly (Pick<Binding, 'name' | 'ref' | 'access'> & { readonly single?: boolean })[];
}

const bind = (operands: Given['operands'], vec: 1 | 4): Binding[] =>
  operands.map(({ name, ref, access, single }) => ({ name, ref, access, vec: single ? 1 : vec }));

export function onePass(code: string, { label, extent, eps = 0, activation, operands }: Given): Dispatch[] {
  const { images, pixels, channels, groups, perGroup } = extent;
  const vec = vecOf(perGroup);
  return [
    teamDispatch({
      label,
      code: activation + code,
      team: 'workgroup',
      vec,
      teams: images * groups,
      params: {
        pixels,
        channels: channels / vec,
        groups,
        per_group: perGroup / vec,
        share: { f32: 1 / (pixels * perGroup) },
        eps: { f32: eps },
      },
      bindings: bind(operands, vec),
      workgroup: WORKGROUP,
    }),
  ];
}

/** The second of two passes; `partial` is what the first made, `CHUNK` pixels at a time. */
export function lastPass(
  code: string,
  { label, extent, eps = 0, activation, operands }: Given,
  partial: BufferRef,
): Dispatch {
  const { images, pixels, channels, groups, perGroup } = extent;
  const vec = vecOf(channels);
  const written = Math.max(LEAST_WRITTEN, (pixels * channels) / MOST_WORKGROUPS);
  const rows = Math.min(pixels, Math.max(1, Math.ceil(written / channels)));
  const parts = Math.ceil(pixels / rows);
  const isSplit = perGroup % vec !== 0;
  const split = vec === 4 ? SPLIT_VECTOR : SPLIT_SCALAR;
  const params: Record<string, Param> = {
    pixels,
    channels: channels / vec,
    groups,
    per_group: Math.max(1, Math.floor(perGroup / vec)),
    group_size: perGroup,
    chunk: CHUNK,
    chunks: Math.ceil(pixels / CHUNK),
    rows,
    parts,
    share: { f32: 1 / (pixels * perGroup) },
    eps: { f32: eps },
  };
  return teamDispatch({
    label,
    code: activation + SLICES + split + (code === BACKWARD_LAST ? asStatistics(split) : '') + code,
    team: 'workgroup',
    vec,
    teams: images * parts,
    constants: { SPLIT: Number(isSplit) },
    params,
    bindings: [{ name: 'partial', ref: partial, access: 'read' }, ...bind(operands, vec)],
    workgroup: WORKGROUP,
  });
}

/** Whether a workgroup has a lane for each group. */
export const hasLanes = (extent: Extent, maxInvocations: number): boolean =>
  maxInvocations >= WORKGROUP && extent.groups <= WORKGROUP;
