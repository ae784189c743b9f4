/** WGSL of the matrix product: a [batch][m][k], b [batch][k][n], y [batch][m][n]. */

const BIAS = 'fn bias_at(column: u32) -> f32 { return load_bias(column); }\n';
const NO_BIAS = 'fn bias_at(column: u32) -> f32 { return 0.0; }\n';
const RESIDUAL = 'fn residual_at(i: u32) -> f32 { return load_residual(i); }\n';
const NO_RESIDUAL = 'fn residual_at(i: u32) -> f32 { return 0.0; }\n';
const BIAS4 = 'fn bias_at(column: u32) -> vec4f { return load_bias(column); }\n';
const NO_BIAS4 = 'fn bias_at(column: u32) -> vec4f { return vec4f(); }\n';
const RESIDUAL4 = 'fn residual_at(i: u32) -> vec4f { return load_residual(i); }\n';
const NO_RESIDUAL4 = 'fn residual_at(i: u32) -> vec4f { return vec4f(); }\n';

/** A bias of its own for each product of a batch, by the element of y: once an element, beside the whole sum over k. */
const BIASES = `
fn residual_at(i: u32) -> f32 {
  let row = i / params.n;
  return load_bias(row / params.m * params.n + i - row * params.n) + other_residual_at(i);
}
`;
const BIASES4 = `
fn residual_at(i: u32) -> vec4f {
  let row = i / params.n4;
  return load_bias(row / params.m * params.n4 + i - row * params.n4) + other_residual_at(i);
}
`;

/** As `epilogueCode`, where the bias is [batch,n]. */
export function batchEpilogueCode(has: { readonly residual: boolean }, vec: 1 | 4): string {
  const rest = epilogueCode({ bias: false, residual: has.residual }, vec);
  return rest.replace('fn residual_at', 'fn other_residual_at') + (vec === 4 ? BIASES4 : BIASES);
}

/** `bias_at(column)` and `residual_at(i)`, zero where there is none; with `vec` 4 both count vec4s. */
export function epilogueCode(has: { readonly bias: boolean; readonly residual: boolean }, vec: 1 | 4 = 1): string {
  return vec === 4
    ? (has.bias ? BIAS4 : NO_BIAS4) + (has.residual ? RESIDUAL4 : NO_RESIDUAL4)
    : (has.bias ? BIAS : NO_BIAS) + (has.residual ? RESIDUAL : NO_RESIDUAL);
}

/** One invocation an element; `rowB`, `columnB` are the distances of b's neighbours along k and n. */
export const MATMUL_NAIVE = /* wgsl */ `
@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  let row = id.y;
  if (column >= params.n || row >= params.m) {
    return;
  }
  let from_a = id.z * params.stepA + row * params.k;
  let from_b = id.z * params.stepB + column * params.columnB;
  var sum = 0.0;
  for (var i = 0u; i < params.k; i++) {
    sum += load_a(from_a + i) * load_b(from_b + i * params.rowB);
  }
  let i = (id.z * params.m + row) * params.n + column;
  store_y(i, sum + bias_at(column) + residual_at(i));
}
`;

/** See NARROW_TILE. `n4` = n / 4. */
export const MATMUL_CPU_TILE_4X8 = /* wgsl */ `
var<private> place: vec3u;

fn put(r: u32, c: u32, v: vec4f) {
  let row = place.y + r;
  let column = place.x + c;
  if (row < params.m && column < params.n4) {
    let i = (place.z * params.m + row) * params.n4 + column;
    store_y(i, v + bias_at(column) + residual_at(i));
  }
}

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  place = vec3u(id.x * 2u, id.y * 4u, id.z);
  if (place.x >= params.n4) {
    return;
  }
  let second = min(place.x + 1u, params.n4 - 1u);
  let rows = min(place.y + vec4u(0u, 1u, 2u, 3u), vec4u(params.m - 1u));
  let from_a = id.z * params.stepA + rows * params.k;
  let from_b = id.z * params.stepB / 4u;
  var sum = Narrow();
  for (var k = 0u; k < params.k; k++) {
    let a = vec4f(load_a(from_a.x + k), load_a(from_a.y + k), load_a(from_a.z + k), load_a(from_a.w + k));
    let i = from_b + k * params.n4;
    sum = narrow_step(sum, a, load_b(i + place.x), load_b(i + second));
  }
  put_narrow(sum);
}
`;

/** What MATMUL_GPU_TILE does to rows of a before it multiplies them: nothing. */
export const ROWS_AS_THEY_ARE = /* wgsl */ `
fn prepare(group: vec3u, start: u32, row: u32, index: u32) {}
fn normed(q: Quad, k: u32) -> Quad { return q; }
`;

/** What is a product's own in a kernel that makes a tile of y. */
export const MATMUL_TILE = /* wgsl */ `
var<private> row0: u32;
var<private> column0: u32;
var<private> z: u32;

fn k_end() -> u32 { return params.k; }
fn columns4() -> u32 { return params.n4; }

fn put(row: u32, column: u32, v: vec4f) {
  if (row0 + row < params.m && column0 + column < params.n4) {
    let i = (z * params.m + row0 + row) * params.n4 + column0 + column;
    store_y(i, v + bias_at(column0 + column) + residual_at(i));
  }
}

/** Rows row … row + 3 of a at k … k + 3. */
fn fetch_a(start: u32, row: u32, k: u32) -> Quad {
  let last = params.m - 1u;
  return Quad(
    four_a(start + min(row, last) * params.k + k, k, params.k),
    four_a(start + min(row + 1u, last) * params.k + k, k, params.k),
    four_a(start + min(row + 2u, last) * params.k + k, k, params.k),
    four_a(start + min(row + 3u, last) * params.k + k, k, params.k),
  );
}
`;

/** A workgroup makes a tile of y, see GPU_TILE. */
export const MATMUL_GPU_TILE = /* wgsl */ `
${MATMUL_TILE}
@compute @workgroup_size(ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  z = group.z;
  row0 = group.y * ROWS;
  column0 = group.x * 16u;
  let from_a = group.z * params.stepA;
  let from_b = group.z * params.stepB;
  let row = group.y * ROWS + (index >> 2u) * 4u;
  let k_a = (index & 3u) * 4u;
  let column = item_column(index);
  let k_b = item_k(index);
  let column_b = min(group.x * 16u + column, params.n4 - 1u);
  var sums = Sums();
  prepare(group, from_a, row, index);
  var a = normed(fetch_a(from_a, row, k_a), k_a);
  var b = Quad();
  if (index < 64u) {
    b = fetch_b(from_b, k_b, column_b);
  }
  for (var k = 0u; k < params.k; k += 16u) {
    put_a(index, a);
    if (index < 64u) {
      put_b(k_b, column, b);
    }
    workgroupBarrier();
    if (k + 16u < params.k) {
      a = normed(fetch_a(from_a, row, k + 16u + k_a), k + 16u + k_a);
      if (index < 64u) {
        b = fetch_b(from_b, k + 16u + k_b, column_b);
      }
    }
    multiply(&sums, index);
    workgroupBarrier();
  }
  put_sums(&sums, index);
}
`;
