/**
 * WGSL of a tile of 32 rows x 32 columns of a product, computed by one subgroup of 8 invocations without barriers, for CPU drivers
 * (subgroup_tile.ts). lavapipe loads each scalar by some ten instructions and a branch, as long as 8 multiply-adds of 8 lanes, so
 * a large tile, which has many sums for each row and column that it loads, is fast. Its sums do not fit the registers, but spills
 * cost less than loads, because four steps of k are added between a sum's load and its store. Both operands are read in vec4s.
 */
export const WIDE_ROWS = 32;
export const WIDE_COLUMNS = 32;

/**
 * A lane holds columns 4 lane … of all rows. `wide_step(sum, a, b)` adds four steps of k: this lane's `a` are rows lane,
 * lane + 8, … along k, `b` its columns at each k. `put_wide(sum, rows)` calls `put(row, v)`, which the kernel defines, for the
 * first `rows` rows of the tile. `params.tile` is 32; with a constant the driver would unroll the loop, and compile for 2.4
 * instead of 0.9 s.
 */
export const WIDE_TILE = /* wgsl */ `
struct Rows { r0: vec4f, r1: vec4f, r2: vec4f, r3: vec4f, r4: vec4f, r5: vec4f, r6: vec4f, r7: vec4f }
struct Wide { a: Rows, b: Rows, c: Rows, d: Rows }
/** Four steps of k. */
struct Steps { x: vec4f, y: vec4f, z: vec4f, w: vec4f }
/** Four rows, eight apart. */
struct Lanes { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

fn wide_row(sum: vec4f, a: vec4f, b: Steps) -> vec4f {
  return fma(vec4f(a.w), b.w, fma(vec4f(a.z), b.z, fma(vec4f(a.y), b.y, fma(vec4f(a.x), b.x, sum))));
}

fn wide_rows(sum: Rows, a: vec4f, b: Steps) -> Rows {
  return Rows(
    wide_row(sum.r0, subgroupBroadcast(a, 0u), b),
    wide_row(sum.r1, subgroupBroadcast(a, 1u), b),
    wide_row(sum.r2, subgroupBroadcast(a, 2u), b),
    wide_row(sum.r3, subgroupBroadcast(a, 3u), b),
    wide_row(sum.r4, subgroupBroadcast(a, 4u), b),
    wide_row(sum.r5, subgroupBroadcast(a, 5u), b),
    wide_row(sum.r6, subgroupBroadcast(a, 6u), b),
    wide_row(sum.r7, subgroupBroadcast(a, 7u), b),
  );
}

fn wide_step(sum: Wide, a: Lanes, b: Steps) -> Wide {
  return Wide(
    wide_rows(sum.a, a.a, b), wide_rows(sum.b, a.b, b), wide_rows(sum.c, a.c, b), wide_rows(sum.d, a.d, b),
  );
}

fn put_wide(s: Wide, rows: u32) {
  let sums = array<vec4f, 32>(
    s.a.r0, s.a.r1, s.a.r2, s.a.r3, s.a.r4, s.a.r5, s.a.r6, s.a.r7,
    s.b.r0, s.b.r1, s.b.r2, s.b.r3, s.b.r4, s.b.r5, s.b.r6, s.b.r7,
    s.c.r0, s.c.r1, s.c.r2, s.c.r3, s.c.r4, s.c.r5, s.c.r6, s.c.r7,
    s.d.r0, s.d.r1, s.d.r2, s.d.r3, s.d.r4, s.d.r5, s.d.r6, s.d.r7,
  );
  for (var row = 0u; row < min(rows, params.tile); row++) {
    put(row, sums[row]);
  }
}
`;

/** `steps_b(start, k, column, k4, n4)`: steps 4 k … of columns 4 column … of the matrix [4 k4, 4 n4] that begins at vec4 `start`. */
const STEPS = /* wgsl */ `
fn steps_b(start: u32, k: u32, column: u32, k4: u32, n4: u32) -> Steps {
  let i = start + 4u * k * n4 + column;
  return Steps(load_b(i), load_b(i + n4), load_b(i + 2u * n4), load_b(i + 3u * n4));
}
`;

/** `steps_b` of a matrix stored as [4 n4, 4 k4]: transposed in registers, which costs nothing here. */
const STEPS_TRANSPOSED = /* wgsl */ `
fn steps_b(start: u32, k: u32, column: u32, k4: u32, n4: u32) -> Steps {
  let i = start + 4u * column * k4 + k;
  let a = load_b(i);
  let b = load_b(i + k4);
  let c = load_b(i + 2u * k4);
  let d = load_b(i + 3u * k4);
  return Steps(
    vec4f(a.x, b.x, c.x, d.x), vec4f(a.y, b.y, c.y, d.y), vec4f(a.z, b.z, c.z, d.z), vec4f(a.w, b.w, c.w, d.w),
  );
}
`;

/** WIDE_TILE with `steps_b` for the layout of b. */
export const wideTile = (transposeB: boolean): string => WIDE_TILE + (transposeB ? STEPS_TRANSPOSED : STEPS);

/** `place`, the tile's first column (in fours), row and product of the batch, and `put` for y [batch][m][n]. */
export const PUT_PRODUCT = /* wgsl */ `
var<private> place: vec3u;

fn put(r: u32, v: vec4f) {
  if (place.x < params.n4) {
    let i = (place.z * params.m + place.y + r) * params.n4 + place.x;
    store_y(i, v + bias_at(place.x) + residual_at(i));
  }
}
`;
