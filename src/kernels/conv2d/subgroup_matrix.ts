/**
 * Implicit GEMM on matrix units: tiles of common/matrix_tile.ts, whose rows are pixels and whose columns are channels of the
 * result. K_STEP input channels of one tap are multiplied at a time. subgroup_matrix_split: the same for f32 operands, by tiles of
 * common/split_tile.ts.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import { type MatrixTile, matrixShape, matrixTile, matrixTileCode, tileWork } from '../common/matrix_tile.ts';
import { SPLIT_PRODUCTS, splitTile, splitTileCode } from '../common/split_tile.ts';
import { type ConvolutionVariants, TAPS, tileVariants } from './implicit_gemm.ts';

const HOOKS = /* wgsl */ `
var<private> first_pixel: u32;
var<private> first_column: u32;
var<private> phase: vec2u;
var<private> first_kx: u32;
var<private> ky: u32;
var<private> kx: u32;
var<private> channel: u32;
// Of the pixels of the invocation's rows: where the tap at offset 0 reads, and its index among the source's pixels.
var<private> source_y: array<i32, A_ITEMS>;
var<private> source_x: array<i32, A_ITEMS>;
var<private> source_pixel: array<i32, A_ITEMS>;

${TAPS}fn step_count(group: vec3u) -> u32 {
  let y = first_tap(group.z / params.classes, params.kh, params.top);
  let x = first_tap(group.z % params.classes, params.kw, params.left);
  return taps_from(y, params.kh) * taps_from(x, params.kw) * ((params.cin + K_STEP - 1u) / K_STEP);
}

fn begin(group: vec3u, index: u32) {
  first_pixel = group.y * TILE_ROWS;
  first_column = group.x * TILE_COLUMNS;
  phase = vec2u(group.z / params.classes, group.z % params.classes);
  ky = first_tap(phase.x, params.kh, params.top);
  first_kx = first_tap(phase.y, params.kw, params.left);
  kx = first_kx;
  for (var i = 0u; i < A_ITEMS; i++) {
    let place = place_of(first_pixel + a_row(i, index));
    // Rows behind the last image read outside of any image.
    source_y[i] = select(-0x1000000, place.y * params.reach, place.image < params.images);
    source_x[i] = place.x * params.reach;
    source_pixel[i] = (i32(place.image) * i32(params.sourceHeight) + place.y * params.reach) * i32(params.sourceWidth)
      + source_x[i];
  }
}

fn advance() {
  channel += K_STEP;
  if (channel >= params.cin) {
    channel = 0u;
    kx += params.classes;
    if (kx >= params.kw) {
      kx = first_kx;
      ky += params.classes;
    }
  }
}

fn has_row(row: u32) -> bool {
  return first_pixel + row < params.images * params.gridHeight * params.gridWidth;
}

fn fetch_a(item: u32, index: u32) -> Four {
  let dy = offset_of(phase.x, ky, params.top) / i32(params.classes);
  let dx = offset_of(phase.y, kx, params.left) / i32(params.classes);
  let y = source_y[item] + dy;
  let x = source_x[item] + dx;
  let c = channel + a_k(index);
  let inside = y >= 0 && y < i32(params.sourceHeight) && x >= 0 && x < i32(params.sourceWidth) && c < params.cin;
  let pixel = source_pixel[item] + dy * i32(params.sourceWidth) + dx;
  return select(Four(), a[select(0u, (u32(pixel) * params.cin + c) / 4u, inside)], inside);
}

fn put(row: u32, c: u32, v: vec4f) {
  let r = result_of(place_of(first_pixel + row), phase.x, phase.y);
  let column = first_column / 4u + c;
  if (r >= 0 && column < params.cout4) {
    let i = u32(r) * params.cout4 + column;
    store_y(i, v + bias_at(column) + residual_at(i));
  }
}
`;

const WEIGHT_BY_COLUMNS = /* wgsl */ `
fn fetch_b(item: u32, index: u32) -> Four {
  let c = min(channel + b_line(item, index), params.cin - 1u);
  let line = (ky * params.kw + kx) * params.cin + c;
  return b[line * params.cout4 + min(first_column / 4u + b_four(index), params.cout4 - 1u)];
}
`;

const WEIGHT_BY_STEPS = /* wgsl */ `
fn fetch_b(item: u32, index: u32) -> Four {
  let column = min(first_column + b_line(item, index), params.cout4 * 4u - 1u);
  let line = (ky * params.kw + kx) * params.cout4 * 4u + column;
  return b[(line * params.cin + min(channel + b_four(index) * 4u, params.cin - 4u)) / 4u];
}
`;

/** One of both: for f16 operands, or for f32 operands as sums of two f16 numbers. */
function onMatrixUnits(
  name: string,
  operands: 'f16' | 'f32',
  tileFor: (m: number, n: number, batch: number, caps: DeviceCaps) => MatrixTile | null,
  codeOf: (hooks: string, transposed: boolean, caps: DeviceCaps) => string,
): ConvolutionVariants {
  return tileVariants({
    name,
    runs: (caps) => matrixShape(caps) !== null,
    fits: ({ cin, cout, pixels, phases }, caps) => cin % 4 === 0 && tileFor(pixels, cout, phases, caps) !== null,
    operands,
    readsTransposed: true,
    kernel: ({ s, cin, cout, pixels, phases, transposeWeight }, caps) => {
      const tile = tileFor(pixels, cout, phases, caps);
      if (!tile) {
        throw new Error('a convolution on matrix units needs f16 matrices in subgroups');
      }
      const hooks = HOOKS + (transposeWeight ? WEIGHT_BY_STEPS : WEIGHT_BY_COLUMNS);
      return {
        code: codeOf(hooks, transposeWeight, caps),
        constants: tile.constants,
        pixels: tile.rows,
        channels: tile.columns,
        x: ['a', 4],
        w: ['b', 4],
        // Each tap belongs to one phase, so all phases together have each tap once.
        matrixWork: tileWork(
          tile,
          { m: pixels, n: cout, k: cin, parts: s.kh * s.kw, batch: 1 },
          operands === 'f32' ? SPLIT_PRODUCTS : 1,
        ),
      };
    },
  });
}

export const subgroupMatrix = onMatrixUnits('subgroup_matrix', 'f16', matrixTile, matrixTileCode);

export const subgroupMatrixSplit = onMatrixUnits('subgroup_matrix_split', 'f32', splitTile, (hooks, transposed, caps) =>
  splitTileCode(hooks, 'along k', transposed ? 'along k' : 'across k', caps),
);
