/** WGSL of a tile of 4 rows x 8 columns of a product in one invocation's registers, for CPU drivers without subgroups of 8 and for few rows. */
export const NARROW_ROWS = 4;
/** Columns of a workgroup of 8 invocations. */
export const NARROW_COLUMNS = 64;

/**
 * `narrow_step(sum, a, b, c)` adds one step of k: `a` are the rows, `b` and `c` the columns. `put_narrow(sum)` calls
 * `put(row, column, v)`, which the kernel defines, for each row and each of the two vec4s of columns. `params.tile` is 8;
 * with a constant the driver would unroll the stores, and they would take most of the time of compilation.
 */
export const NARROW_TILE = /* wgsl */ `
struct Half { r0: vec4f, r1: vec4f, r2: vec4f, r3: vec4f }
struct Narrow { b: Half, c: Half }

fn half_step(sum: Half, a: vec4f, b: vec4f) -> Half {
  return Half(
    fma(vec4f(a.x), b, sum.r0), fma(vec4f(a.y), b, sum.r1), fma(vec4f(a.z), b, sum.r2), fma(vec4f(a.w), b, sum.r3),
  );
}

fn narrow_step(sum: Narrow, a: vec4f, b: vec4f, c: vec4f) -> Narrow {
  return Narrow(half_step(sum.b, a, b), half_step(sum.c, a, c));
}

fn put_narrow(s: Narrow) {
  let sums = array<vec4f, 8>(s.b.r0, s.b.r1, s.b.r2, s.b.r3, s.c.r0, s.c.r1, s.c.r2, s.c.r3);
  for (var i = 0u; i < params.tile; i++) {
    put(i % 4u, i / 4u, sums[i]);
  }
}
`;
