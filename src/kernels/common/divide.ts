/**
 * WGSL of `quotient(n, d)`, n / d for n < 2³¹ and d > 0, by floating point. CPU drivers do vector integer division lane by lane (40 ns
 * each on lavapipe, a hundred times the rest of an elementwise kernel); this is a few vector instructions anywhere.
 * The first quotient is off by at most n 2⁻²² / d; the remainder, small and exact, corrects it, and what is left is
 * at most one.
 */
export const DIVIDE = `
fn quotient(n: u32, d: u32) -> u32 {
  let inverse = 1.0 / f32(i32(d));
  var q = i32(f32(i32(n)) * inverse);
  q += i32(floor(f32(i32(n) - q * i32(d)) * inverse));
  let rest = i32(n) - q * i32(d);
  return u32(q + select(0, 1, rest >= i32(d)) - select(0, 1, rest < 0));
}
`;
