/** WGSL that cpu_rows.ts and cpu_rows_backward.ts share. */

/** Vectors of a lane's four rows, and arithmetic of them with vectors spread over the lanes. */
export const ROW_VECTORS = /* wgsl */ `
const LOG2_E = 1.4426950408889634;
const LN_2 = 0.6931471805599453;

/** One element of each of four rows. Not a vec4f: there the driver would copy all four to set one that it does not know. */
alias Each = array<f32, 4>;
/** Elements 4 i … 4 i + 3 of four rows. */
alias Four = array<Each, 4>;
alias Rows = array<Four, HEAD>;
/** A vector spread over the lanes: lane l has vec4s 8 c + l. */
alias Spread = array<vec4f, PARTS>;

fn vector(x: Each) -> vec4f {
  return vec4f(x[0], x[1], x[2], x[3]);
}

/** Sets four elements of one row: vec4 i / 4 of row i % 4. */
fn set_row(x: ptr<function, Rows>, i: u32, v: vec4f) {
  (*x)[i / 4u][0][i % 4u] = v.x;
  (*x)[i / 4u][1][i % 4u] = v.y;
  (*x)[i / 4u][2][i % 4u] = v.z;
  (*x)[i / 4u][3][i % 4u] = v.w;
}

fn row_of(x: ptr<function, Rows>, i: u32) -> vec4f {
  return vec4f((*x)[i / 4u][0][i % 4u], (*x)[i / 4u][1][i % 4u], (*x)[i / 4u][2][i % 4u], (*x)[i / 4u][3][i % 4u]);
}

fn dots_4(x: ptr<function, Four>, k: vec4f, start: vec4f) -> vec4f {
  let two = fma(vector((*x)[1]), vec4f(k.y), fma(vector((*x)[0]), vec4f(k.x), start));
  return fma(vector((*x)[3]), vec4f(k.w), fma(vector((*x)[2]), vec4f(k.z), two));
}

fn dots_32(x: ptr<function, Rows>, part: u32, k: vec4f, start: vec4f) -> vec4f {
  let i = 8u * part;
  var sum = start;
  if (i + 0u < HEAD) {
    sum = dots_4(&(*x)[i + 0u], subgroupBroadcast(k, 0u), sum);
  }
  if (i + 1u < HEAD) {
    sum = dots_4(&(*x)[i + 1u], subgroupBroadcast(k, 1u), sum);
  }
  if (i + 2u < HEAD) {
    sum = dots_4(&(*x)[i + 2u], subgroupBroadcast(k, 2u), sum);
  }
  if (i + 3u < HEAD) {
    sum = dots_4(&(*x)[i + 3u], subgroupBroadcast(k, 3u), sum);
  }
  if (i + 4u < HEAD) {
    sum = dots_4(&(*x)[i + 4u], subgroupBroadcast(k, 4u), sum);
  }
  if (i + 5u < HEAD) {
    sum = dots_4(&(*x)[i + 5u], subgroupBroadcast(k, 5u), sum);
  }
  if (i + 6u < HEAD) {
    sum = dots_4(&(*x)[i + 6u], subgroupBroadcast(k, 6u), sum);
  }
  if (i + 7u < HEAD) {
    sum = dots_4(&(*x)[i + 7u], subgroupBroadcast(k, 7u), sum);
  }
  return sum;
}

/** The index of a part, which must be valid even in code for longer heads. */
fn part(c: u32) -> u32 {
  return min(c, PARTS - 1u);
}

/** start + x · k of each row. */
fn all_dots(x: ptr<function, Rows>, k: ptr<function, Spread>, start: vec4f) -> vec4f {
  var sum = dots_32(x, 0u, (*k)[0], start);
  if (PARTS > 1u) {
    sum = dots_32(x, 1u, (*k)[part(1u)], sum);
  }
  if (PARTS > 2u) {
    sum = dots_32(x, 2u, (*k)[part(2u)], sum);
  }
  if (PARTS > 3u) {
    sum = dots_32(x, 3u, (*k)[part(3u)], sum);
  }
  return sum;
}

/** A number for each row and each of four keys. */
struct Weights {
  a: vec4f,
  b: vec4f,
  c: vec4f,
  d: vec4f,
}

fn shifted(w: Weights, next: vec4f) -> Weights {
  return Weights(w.b, w.c, w.d, next);
}

fn weighed(p: Weights, a: f32, b: f32, c: f32, d: f32, start: Each) -> Each {
  let v = fma(p.d, vec4f(d), fma(p.c, vec4f(c), fma(p.b, vec4f(b), fma(p.a, vec4f(a), vector(start)))));
  return Each(v.x, v.y, v.z, v.w);
}

fn add_4(sum: ptr<function, Four>, p: Weights, a: vec4f, b: vec4f, c: vec4f, d: vec4f) {
  (*sum)[0] = weighed(p, a.x, b.x, c.x, d.x, (*sum)[0]);
  (*sum)[1] = weighed(p, a.y, b.y, c.y, d.y, (*sum)[1]);
  (*sum)[2] = weighed(p, a.z, b.z, c.z, d.z, (*sum)[2]);
  (*sum)[3] = weighed(p, a.w, b.w, c.w, d.w, (*sum)[3]);
}

/** sum += p v for each row, of vec4s 8 part … 8 part + 7 of four spread vectors. */
fn add_32(sum: ptr<function, Rows>, part: u32, p: Weights, a: vec4f, b: vec4f, c: vec4f, d: vec4f) {
  let i = 8u * part;
  if (i + 0u < HEAD) {
    add_4(&(*sum)[i + 0u], p, subgroupBroadcast(a, 0u), subgroupBroadcast(b, 0u), subgroupBroadcast(c, 0u),
      subgroupBroadcast(d, 0u));
  }
  if (i + 1u < HEAD) {
    add_4(&(*sum)[i + 1u], p, subgroupBroadcast(a, 1u), subgroupBroadcast(b, 1u), subgroupBroadcast(c, 1u),
      subgroupBroadcast(d, 1u));
  }
  if (i + 2u < HEAD) {
    add_4(&(*sum)[i + 2u], p, subgroupBroadcast(a, 2u), subgroupBroadcast(b, 2u), subgroupBroadcast(c, 2u),
      subgroupBroadcast(d, 2u));
  }
  if (i + 3u < HEAD) {
    add_4(&(*sum)[i + 3u], p, subgroupBroadcast(a, 3u), subgroupBroadcast(b, 3u), subgroupBroadcast(c, 3u),
      subgroupBroadcast(d, 3u));
  }
  if (i + 4u < HEAD) {
    add_4(&(*sum)[i + 4u], p, subgroupBroadcast(a, 4u), subgroupBroadcast(b, 4u), subgroupBroadcast(c, 4u),
      subgroupBroadcast(d, 4u));
  }
  if (i + 5u < HEAD) {
    add_4(&(*sum)[i + 5u], p, subgroupBroadcast(a, 5u), subgroupBroadcast(b, 5u), subgroupBroadcast(c, 5u),
      subgroupBroadcast(d, 5u));
  }
  if (i + 6u < HEAD) {
    add_4(&(*sum)[i + 6u], p, subgroupBroadcast(a, 6u), subgroupBroadcast(b, 6u), subgroupBroadcast(c, 6u),
      subgroupBroadcast(d, 6u));
  }
  if (i + 7u < HEAD) {
    add_4(&(*sum)[i + 7u], p, subgroupBroadcast(a, 7u), subgroupBroadcast(b, 7u), subgroupBroadcast(c, 7u),
      subgroupBroadcast(d, 7u));
  }
}

/** The vec4 of a part that a lane loads; past the head, its last. */
fn place_in(part: u32, lane: u32) -> u32 {
  return min(8u * part + lane, HEAD - 1u);
}

/** The lane's rows in a workgroup's 32. */
fn rows_of(group: u32, lane: u32) -> vec4u {
  return vec4u(32u * group + lane) + vec4u(0u, 8u, 16u, 24u);
}

/** For each row, whether causality lets it attend to key s. */
fn seen_by(t: vec4u, s: u32) -> vec4<bool> {
  return (vec4u(s) <= t) | vec4<bool>(params.causal == 0u);
}
`;
