/**
 * GroupNorm on GPUs for large images. First pass: one workgroup adds up 1024 pixels of one group (chunk_sums.ts). Second
 * pass: each workgroup combines the partial sums of all groups of its image once more, in workgroup memory, and then
 * writes some rows of pixels. Reading the few partial sums again is cheaper than a dispatch in between.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Binding, Dispatch } from '../../tensor/dispatch.ts';
import type { OpSite, Variant } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { read } from '../common/bindings.ts';
import { DIVIDE } from '../common/divide.ts';
import { canStoreOne, vecOf } from '../common/site.ts';
import { teamDispatch } from '../common/team.ts';
import type { ChunkSums } from './chunk_sums.ts';
import { gradientSumsOfChunks, statisticsOfChunks } from './chunk_sums.ts';
import type { BackwardAttrs, Extent, GroupNormAttrs } from './shapes.ts';
import { activationCode, backwardBindings, backwardExtent, forwardBindings, forwardExtent } from './shapes.ts';

const WORKGROUP = 256;
/** Pixels of a chunk. */
const CHUNK = 1024;
/** A workgroup of the second pass writes at least so many elements: many beside the partial sums that it reads. */
const MIN_WRITTEN = 1 << 14;
/** It writes so many that an image takes at most this many workgroups. */
const MAX_WORKGROUPS = 512;

/** Combining partial sums: lanes are (slice of the chunks, group). */
const COMBINE = `${DIVIDE}
var<workgroup> slice_values: array<f32, WG>;
/** By group: mean and scale; in the backward pass also mean(g) and mean(g n). */
var<workgroup> combined: array<vec4<f32>, WG>;

struct Slice { image: u32, part: u32, group: u32, first: u32, number: u32, end: u32 }
/** The partial sums that a lane adds: its group's begin at \`first\`, and it takes every \`WG / groups\`-th from \`number\` on. */
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

/** Component k of \`combined\` for channel c (in T). */
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

const FORWARD = `
/** The fraction of the group's elements that chunk k has. */
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

/** The formula is in backward.ts. */
const BACKWARD = `
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

function supports(site: OpSite<GroupNormAttrs> | OpSite<BackwardAttrs>, extent: Extent, caps: DeviceCaps): boolean {
  const { channels, groups } = extent;
  const isStorable = vecOf(channels) === 4 || canStoreOne(at(site.outputs, 0), caps);
  return isStorable && caps.maxInvocations >= WORKGROUP && groups <= WORKGROUP;
}

/** Both passes: the chunks' sums, then `code`, which is the forward or the backward kernel. */
function twoPasses(
  label: string,
  { images, pixels, channels, groups, perGroup }: Extent,
  { dispatch, partial, chunks }: ChunkSums,
  last: { activation: string; code: string; eps: number; bindings: (vec: 1 | 4) => readonly Binding[] },
): Dispatch[] {
  const vec = vecOf(channels);
  const written = Math.max(MIN_WRITTEN, (pixels * channels) / MAX_WORKGROUPS);
  const rows = Math.min(pixels, Math.max(1, Math.ceil(written / channels)));
  const parts = Math.ceil(pixels / rows);
  const lastPass = teamDispatch({
    label: `${label}.last`,
    code: last.activation + COMBINE + (vec === 4 ? SPLIT_VECTOR : SPLIT_SCALAR) + last.code,
    team: 'workgroup',
    vec,
    teams: images * parts,
    constants: { SPLIT: Number(perGroup % vec !== 0) },
    params: {
      pixels,
      channels: channels / vec,
      groups,
      per_group: Math.max(1, Math.floor(perGroup / vec)),
      group_size: perGroup,
      chunk: CHUNK,
      chunks,
      rows,
      parts,
      share: { f32: 1 / (pixels * perGroup) },
      eps: { f32: last.eps },
    },
    bindings: [read('partial', partial), ...last.bindings(vec)],
    workgroup: WORKGROUP,
  });
  return [dispatch, lastPass];
}

export const gpuTwoPass: Variant<GroupNormAttrs> = {
  name: 'gpu_two_pass',
  supports: (site, caps) => supports(site, forwardExtent(site), caps),
  dispatches: (site) => {
    const label = 'group_norm.gpu_two_pass';
    const sums = statisticsOfChunks(site, { label, team: 'workgroup', pixels: CHUNK });
    const activation = activationCode(site.attrs);
    const last = { activation, code: FORWARD, eps: site.attrs.eps, bindings: forwardBindings };
    return twoPasses(label, forwardExtent(site), sums, last);
  },
};

export const gpuTwoPassBackward: Variant<BackwardAttrs> = {
  name: 'gpu_two_pass',
  supports: (site, caps) => supports(site, backwardExtent(site), caps),
  dispatches: (site) => {
    const label = 'group_norm_backward.gpu_two_pass';
    const sums = gradientSumsOfChunks(site, { label, team: 'workgroup', pixels: CHUNK });
    const last = { activation: activationCode(site.attrs), code: BACKWARD, eps: 0, bindings: backwardBindings };
    return twoPasses(label, backwardExtent(site), sums, last);
  },
};
