/**
 * Products on CPU drivers of operands in panels: what a workgroup of PANEL_PRODUCT reads, in its order. Rows that lie a power of
 * two apart would meet in the same few lines of the caches, and each would bring in more than is read of it.
 * Of a: [m / 32][k / 4][32][4]; of b: [n / 32][k][32]; k and n come in fours.
 */
import { PUT_PRODUCT, WIDE_TILE } from './wide_tile_wgsl.ts';

/** Steps of k that an invocation packs. */
export const PACK_STEPS = 64;

/** Eight rows of a [m][k]. */
export const PACK_ROWS = /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x * 8u + lane;
  if (row >= params.m) {
    return;
  }
  let k4 = params.k / 4u;
  let to = row / 32u * k4 * 32u + row % 32u;
  for (var k = group.y * params.steps / 4u; k < min(k4, (group.y + 1u) * params.steps / 4u); k++) {
    store_panels(to + 32u * k, load_a(row * k4 + k));
  }
}
`;

/** 32 columns of b [k][n]. */
export const PACK_COLUMNS = /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * 8u + lane;
  if (column >= params.n4) {
    return;
  }
  let to = group.x * params.k * 8u + lane;
  for (var k = group.y * params.steps; k < min(params.k, (group.y + 1u) * params.steps); k++) {
    store_panels(to + 8u * k, load_b(k * params.n4 + column));
  }
}
`;

/** The same of b [n][k]: turned in registers. */
export const PACK_COLUMNS_TRANSPOSED = /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * 8u + lane;
  if (column >= params.n4) {
    return;
  }
  let k4 = params.k / 4u;
  let to = group.x * params.k * 8u + lane;
  for (var k = group.y * params.steps / 4u; k < min(k4, (group.y + 1u) * params.steps / 4u); k++) {
    let i = 4u * column * k4 + k;
    let a = load_b(i);
    let b = load_b(i + k4);
    let c = load_b(i + 2u * k4);
    let d = load_b(i + 3u * k4);
    store_panels(to + 32u * k, vec4f(a.x, b.x, c.x, d.x));
    store_panels(to + 32u * k + 8u, vec4f(a.y, b.y, c.y, d.y));
    store_panels(to + 32u * k + 16u, vec4f(a.z, b.z, c.z, d.z));
    store_panels(to + 32u * k + 24u, vec4f(a.w, b.w, c.w, d.w));
  }
}
`;

/** y [batch][m][n] by WIDE_TILE, of as many panels of a and b for each product of the batch. */
export const PANEL_PRODUCT = /* wgsl */ `${WIDE_TILE}${PUT_PRODUCT}
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  place = vec3u(group.x * 8u + lane, group.y * 32u, group.z);
  let k4 = params.k / 4u;
  var a = (group.z * groups.y + group.y) * k4 * 32u + lane;
  var b = (group.z * groups.x + group.x) * k4 * 32u + lane;
  var sum = Wide();
  for (var k = 0u; k < k4; k++) {
    let rows = Lanes(load_a(a), load_a(a + 8u), load_a(a + 16u), load_a(a + 24u));
    let steps = Steps(load_b(b), load_b(b + 8u), load_b(b + 16u), load_b(b + 24u));
    sum = wide_step(sum, rows, steps);
    a += 32u;
    b += 32u;
  }
  put_wide(sum, params.m - place.y);
}
`;
