/**
 * GroupNorm in three passes, scalar, the readable version for every adapter: partial sums of each group over chunks of pixels
 * (one invocation a chunk); their combination into a few coefficients of each channel, in a table; the result, one
 * invocation an element, from the table.
 */
import type { Binding, BufferRef, Dispatch } from '../../tensor/dispatch.ts';
import type { Variant } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { read, write } from '../common/bindings.ts';
import { DIVIDE } from '../common/divide.ts';
import { perElement } from '../common/per_element.ts';
import { canStoreOne } from '../common/site.ts';
import type { ChunkSums } from './chunk_sums.ts';
import { gradientSumsOfChunks, statisticsOfChunks } from './chunk_sums.ts';
import type { BackwardAttrs, Extent, GroupNormAttrs } from './shapes.ts';
import { activationCode, backwardExtent, forwardExtent } from './shapes.ts';

/** Pixels of a chunk. */
const CHUNK = 64;

/**
 * One invocation for each image and group: the statistics of its chunks combined (Chan, Golub and LeVeque 1983), and
 * y = activate(gain · x + shift) as the table [N, 2, C] of gain and shift.
 */
const COMBINE = `
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

/** The fraction of the group's elements that chunk k has. */
fn chunk_share(k: u32) -> f32 {
  let pixels = min(params.length, params.pixels - k * params.length);
  return f32(pixels * params.per_group) * params.share;
}
`;

const APPLY = `${DIVIDE}
fn run(i: u32) {
  let pixel = quotient(i, params.channels);
  let c = i - pixel * params.channels;
  let row = quotient(pixel, params.pixels) * 2u;
  let scale = load_table(row * params.channels + c);
  let shift = load_table((row + 1u) * params.channels + c);
  store_y(i, activate(load_x(i) * scale + shift));
}
`;

/**
 * The formula of backward.ts as dx = gain · dz + slope · x + offset, with z = gain · x + shift: the table [N, 4, C] of
 * gain, shift, slope and offset.
 */
const BACKWARD_COMBINE = `
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

const BACKWARD_APPLY = `${DIVIDE}
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

interface Pass {
  readonly code: string;
  readonly bindings: readonly Binding[];
}

/** The three passes; `coefficients` of each channel are in the table between the last two. */
function threePasses(
  label: string,
  { images, pixels, channels, groups, perGroup }: Extent,
  { dispatch, partial, chunks, length }: ChunkSums,
  { coefficients, eps, combine, apply }: { coefficients: number; eps: number; combine: Pass; apply: Pass },
): Dispatch[] {
  const table: BufferRef = { scratch: 1, type: { dtype: 'f32', shape: [images, coefficients, channels] } };
  return [
    dispatch,
    perElement({
      label: `${label}.combine`,
      code: combine.code,
      size: images * groups,
      params: {
        ...{ pixels, channels, groups, per_group: perGroup, chunks, length },
        share: { f32: 1 / (pixels * perGroup) },
        eps: { f32: eps },
      },
      bindings: [read('partial', partial), ...combine.bindings, write('table', table)],
      workgroup: 16,
    }),
    perElement({
      label: `${label}.apply`,
      code: apply.code,
      size: images * pixels * channels,
      constants: { T: 'f32' },
      params: { pixels, channels },
      bindings: [...apply.bindings, read('table', table)],
    }),
  ];
}

export const naive: Variant<GroupNormAttrs> = {
  name: 'naive',
  supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
  dispatches: (site) => {
    const label = 'group_norm.naive';
    const sums = statisticsOfChunks(site, { label, team: 'invocation', pixels: CHUNK });
    return threePasses(label, forwardExtent(site), sums, {
      coefficients: 2,
      eps: site.attrs.eps,
      combine: {
        code: COMBINE,
        bindings: [read('gamma', 1), read('beta', 2), write('stats', 1)],
      },
      apply: {
        code: activationCode(site.attrs) + APPLY,
        bindings: [read('x', 0), write('y', 0)],
      },
    });
  },
};

export const naiveBackward: Variant<BackwardAttrs> = {
  name: 'naive',
  supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
  dispatches: (site) => {
    const label = 'group_norm_backward.naive';
    const sums = gradientSumsOfChunks(site, { label, team: 'invocation', pixels: CHUNK });
    return threePasses(label, backwardExtent(site), sums, {
      coefficients: 4,
      eps: 0,
      combine: {
        code: BACKWARD_COMBINE,
        bindings: [read('stats', 1), read('gamma', 2), read('beta', 3)],
      },
      apply: {
        code: activationCode(site.attrs) + BACKWARD_APPLY,
        bindings: [read('x', 0), read('dy', 4), write('dx', 0)],
      },
    });
  },
};
