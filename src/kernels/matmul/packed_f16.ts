/**
 * packed_f16: for GPUs without matrix units that multiply f16 numbers in pairs. The tile of gpu_tile (common/gpu_tile_wgsl.ts), staged
 * in f16; 16 products at a time are summed in f16, and these sums are added in f32. A sum of 16 above 65,504 overflows, and steps
 * below 6e-8 are lost, so nothing takes this variant unless the tuner or a wish does.
 */

import type { Variant } from '../../tensor/op.ts';
import { PUT_SUMS, TILE_SLOT, TILE_TYPES } from '../common/gpu_tile_wgsl.ts';
import { gpuTile, tiledMatmul } from './gpu_tile.ts';
import type { MatmulAttrs } from './problem.ts';
import { areOperands, hasMatrices } from './subgroup_matrix.ts';

/** As GPU_TILE of common/gpu_tile_wgsl.ts, which says what each function does. */
const PACKED_TILE = /* wgsl */ `${TILE_TYPES}
alias Half = vec4<f16>;
/** Partial sums of rows in two blocks of four, four columns each. */
alias Partial = array<Half, 8>;

var<workgroup> tile_a: array<Half, 4 * ROWS>;
var<workgroup> tile_b: array<Half, 256>;
${TILE_SLOT}
fn put_a(item: u32, rows: Quad) {
  let q = turned(rows);
  let k = (item & 3u) * 4u;
  tile_a[slot(k, item >> 2u, ROWS / 4u)] = Half(q.a);
  tile_a[slot(k + 1u, item >> 2u, ROWS / 4u)] = Half(q.b);
  tile_a[slot(k + 2u, item >> 2u, ROWS / 4u)] = Half(q.c);
  tile_a[slot(k + 3u, item >> 2u, ROWS / 4u)] = Half(q.d);
}

fn put_b(k: u32, column: u32, q: Quad) {
  tile_b[slot(k, column, 16u)] = Half(q.a);
  tile_b[slot(k + 1u, column, 16u)] = Half(q.b);
  tile_b[slot(k + 2u, column, 16u)] = Half(q.c);
  tile_b[slot(k + 3u, column, 16u)] = Half(q.d);
}

/** The 16 steps of k for column x. */
fn partial_sums(x: u32, y: u32) -> Partial {
  var p = Partial();
  for (var k = 0u; k < 16u; k++) {
    let a = tile_a[slot(k, y, ROWS / 4u)];
    let c = tile_a[slot(k, y + ROWS / 8u, ROWS / 4u)];
    let b = tile_b[slot(k, x, 16u)];
    p[0] = fma(Half(a.x), b, p[0]);
    p[1] = fma(Half(a.y), b, p[1]);
    p[2] = fma(Half(a.z), b, p[2]);
    p[3] = fma(Half(a.w), b, p[3]);
    p[4] = fma(Half(c.x), b, p[4]);
    p[5] = fma(Half(c.y), b, p[5]);
    p[6] = fma(Half(c.z), b, p[6]);
    p[7] = fma(Half(c.w), b, p[7]);
  }
  return p;
}

/** One half of the columns after the other: partial sums of both would take twice the registers. */
fn multiply(s: ptr<function, Sums>, index: u32) {
  let x = index & 7u;
  let y = index >> 3u;
  let p = partial_sums(x, y);
  s[0] += vec4f(p[0]);
  s[1] += vec4f(p[1]);
  s[2] += vec4f(p[2]);
  s[3] += vec4f(p[3]);
  s[4] += vec4f(p[4]);
  s[5] += vec4f(p[5]);
  s[6] += vec4f(p[6]);
  s[7] += vec4f(p[7]);
  let q = partial_sums(x + 8u, y);
  s[8] += vec4f(q[0]);
  s[9] += vec4f(q[1]);
  s[10] += vec4f(q[2]);
  s[11] += vec4f(q[3]);
  s[12] += vec4f(q[4]);
  s[13] += vec4f(q[5]);
  s[14] += vec4f(q[6]);
  s[15] += vec4f(q[7]);
}
${PUT_SUMS}`;

export const packedF16: Variant<MatmulAttrs> = {
  name: 'packed_f16',
  supports: (site, caps) =>
    caps.f16 && areOperands(site, 'f16') && !hasMatrices(site, caps) && (gpuTile.supports?.(site, caps) ?? true),
  dispatches: (site) => tiledMatmul(site, { label: 'matmul.packed_f16', tile: PACKED_TILE }),
};
