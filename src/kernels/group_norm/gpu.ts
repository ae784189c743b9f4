/**
 * GroupNorm for GPUs, where a dispatch costs more than arithmetic. Small images: one workgroup a group does all.
 * Large ones: partial sums by chunks of pixels, then a pass whose workgroups combine them once more each.
 */
import type { Binding, BufferRef, Dispatch, Param } from '../../tensor/op.ts';
import { DIVIDE } from '../common/divide.ts';
import { vecOf } from '../common/site.ts';
import { teamDispatch } from '../common/team.ts';

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
const SPLIT_VECTOR = `
fn split_number(c: u32, k: u32) -> T {
  return T(
    combined[quotient(4u * c, params.group_size)][k],
    combined[quotient(4u * c + 1u, params.group_size)][k],
    combined[quotient(4u * c + 2u, params.group_size)][k],
    combined[quotient(4u * c + 3u, params.group_size)][k],
  );
}
`;
const SPLIT_SCALAR = `
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

interface Given {
  readonly label: string;
  readonly extent: Extent;
  readonly eps: number;
  /** WGSL of the activation. */
  readonly activation: string;
  readonly operands: readonly Operand[];
}

/** A binding; `wide`: read in T. */
export interface Operand extends Pick<Binding, 'name' | 'ref' | 'access'> {
  readonly wide: boolean;
}

/** For a kernel whose T has `vec` elements. */
export const bind = (operands: readonly Operand[], vec: 1 | 4): Binding[] =>
  operands.map(({ wide, ...operand }) => ({ ...operand, vec: wide ? vec : 1 }));

export function onePass(code: string, { label, extent, eps, activation, operands }: Given): Dispatch[] {
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
  { label, extent, eps, activation, operands }: Given,
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
    code: activation + SLICES + split + code,
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
