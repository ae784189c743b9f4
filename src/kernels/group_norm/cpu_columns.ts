/**
 * GroupNorm on CPU drivers, where every load and store costs the same wherever it goes. An invocation goes down a chunk of
 * pixels in one column of four channels and keeps the column's coefficients in registers: x is read twice in all, gain and
 * offset once a chunk. Three passes: sums of each column over its chunk; the statistics of each group; the result. Groups
 * may begin inside a column, because each of its four channels has its own group.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Binding, BufferRef, Dispatch } from '../../tensor/dispatch.ts';
import type { OpSite, Variant } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { read, write } from '../common/bindings.ts';
import { perElement } from '../common/per_element.ts';
import { lastOf, vecOf } from '../common/site.ts';
import type { BackwardAttrs, Extent, GroupNormAttrs } from './shapes.ts';
import { activationCode, backwardExtent, backwardInputs, forwardExtent } from './shapes.ts';

const COLUMN = `
struct Walk { image: u32, column: u32, start: u32, pixels: u32 }
/** Chunk and column of invocation i. */
fn walk(i: u32) -> Walk {
  let part = i / params.columns;
  let column = i - part * params.columns;
  let image = part / params.chunks;
  let first = (part - image * params.chunks) * params.length;
  let pixels = min(params.length, params.pixels - first);
  return Walk(image, column, (image * params.pixels + first) * params.columns + column, pixels);
}
`;

const COLUMN_STATISTICS = `${COLUMN}
/** Indices of the means of the four channels; each one's scale is at the next index. */
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

/** Mean of each channel over the chunk and the sum of squared distances from it, by way of distances from the first value. */
const SUMS = `${COLUMN}
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

/** Index of the first partial result of channel c in chunk k; the second is four further. */
const PARTIAL_AT = `
fn partial_at(image: u32, k: u32, c: u32) -> u32 {
  return ((image * params.chunks + k) * params.columns + c / 4u) * 8u + c % 4u;
}
fn pixels_of(k: u32) -> f32 {
  return f32(min(params.length, params.pixels - k * params.length));
}
`;

const COMBINE = `${PARTIAL_AT}
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

const APPLY = `${COLUMN_STATISTICS}
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

/** Σ g and Σ g n of each channel over the chunk, see backward.ts. */
const BACKWARD_SUMS = `${COLUMN_STATISTICS}
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

/** mean(g) and mean(g n) of each image and group. */
const BACKWARD_COMBINE = `${PARTIAL_AT}
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

const BACKWARD_APPLY = `${COLUMN_STATISTICS}
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

/** Pixels of a chunk: few, so that small images still spread over the cores; more where there are plenty. */
const chunkLength = (pixels: number): number => Math.min(pixels, Math.max(64, Math.ceil(pixels / 256)));

interface Pass {
  readonly code: string;
  readonly bindings: readonly Binding[];
}

/** The three passes, from the first one's results in `partial`. */
function threePasses(
  label: string,
  { images, pixels, channels, groups, perGroup }: Extent,
  activation: string,
  eps: number,
  passes: (partial: BufferRef) => { readonly sums: Pass; readonly combine: Pass; readonly apply: Pass },
): Dispatch[] {
  const length = chunkLength(pixels);
  const chunks = Math.ceil(pixels / length);
  const columns = channels / 4;
  const params = { pixels, columns, groups, per_group: perGroup, length, chunks };
  const share = { f32: 1 / (pixels * perGroup) };
  const dispatch = (name: string, size: number, { code, bindings }: Pass): Dispatch =>
    perElement({
      label: `${label}.${name}`,
      code,
      size,
      constants: { T: 'vec4<f32>' },
      params: { ...params, share, eps: { f32: eps } },
      bindings,
      workgroup: 16,
    });
  const partial: BufferRef = { scratch: 0, type: { dtype: 'f32', shape: [images, chunks, columns, 2, 4] } };
  const { sums, combine, apply } = passes(partial);
  const perColumn = (name: string, { code, bindings }: Pass): Dispatch =>
    dispatch(name, images * chunks * columns, { code: activation + code, bindings });
  return [perColumn('sums', sums), dispatch('combine', images * groups, combine), perColumn('apply', apply)];
}

const supports = (site: OpSite<GroupNormAttrs> | OpSite<BackwardAttrs>, caps: DeviceCaps): boolean =>
  caps.software && vecOf(lastOf(at(site.outputs, 0).shape)) === 4;

export const cpuColumns: Variant<GroupNormAttrs> = {
  name: 'cpu_columns',
  supports,
  dispatches: (site) => {
    const { attrs } = site;
    return threePasses('group_norm.cpu_columns', forwardExtent(site), activationCode(attrs), attrs.eps, (partial) => ({
      sums: { code: SUMS, bindings: [read('x', 0, 4), write('partial', partial, 4)] },
      combine: { code: COMBINE, bindings: [read('partial', partial), write('stats', 1)] },
      apply: {
        code: APPLY,
        bindings: [
          read('x', 0, 4),
          read('gamma', 1, 4),
          read('beta', 2, 4),
          read('stats', { output: 1 }),
          write('y', 0, 4),
        ],
      },
    }));
  },
};

export const cpuColumnsBackward: Variant<BackwardAttrs> = {
  name: 'cpu_columns',
  supports,
  dispatches: (site) => {
    const extent = backwardExtent(site);
    const means: BufferRef = { scratch: 1, type: { dtype: 'f32', shape: [extent.images, extent.groups, 2] } };
    return threePasses('group_norm_backward.cpu_columns', extent, activationCode(site.attrs), 0, (partial) => ({
      sums: { code: BACKWARD_SUMS, bindings: [...backwardInputs(4), write('partial', partial, 4)] },
      combine: { code: BACKWARD_COMBINE, bindings: [read('partial', partial), write('means', means)] },
      apply: {
        code: BACKWARD_APPLY,
        bindings: [...backwardInputs(4), read('means', means), write('dx', 0, 4)],
      },
    }));
  },
};
