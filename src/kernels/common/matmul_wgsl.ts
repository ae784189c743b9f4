/** WGSL of the matrix product: a [batch][m][k], b [batch][k][n], y [batch][m][n]. */

const BIAS = 'fn bias_at(column: u32) -> f32 { return load_bias(column); }\n';
const NO_BIAS = 'fn bias_at(column: u32) -> f32 { return 0.0; }\n';
const RESIDUAL = 'fn residual_at(i: u32) -> f32 { return load_residual(i); }\n';
const NO_RESIDUAL = 'fn residual_at(i: u32) -> f32 { return 0.0; }\n';
const BIAS4 = 'fn bias_at(column: u32) -> vec4f { return load_bias(column); }\n';
const NO_BIAS4 = 'fn bias_at(column: u32) -> vec4f { return vec4f(); }\n';
const RESIDUAL4 = 'fn residual_at(i: u32) -> vec4f { return load_residual(i); }\n';
const NO_RESIDUAL4 = 'fn residual_at(i: u32) -> vec4f { return vec4f(); }\n';

/** `bias_at(column)` and `residual_at(i)`, zero where there is none; with `vec` 4 both count vec4s. */
export function epilogueCode(has: { readonly bias: boolean; readonly residual: boolean }, vec: 1 | 4 = 1): string {
  return vec === 4
    ? (has.bias ? BIAS4 : NO_BIAS4) + (has.residual ? RESIDUAL4 : NO_RESIDUAL4)
    : (has.bias ? BIAS : NO_BIAS) + (has.residual ? RESIDUAL : NO_RESIDUAL);
}

/** One invocation an element. */
export const MATMUL_V1 = /* wgsl */ `
@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  let row = id.y;
  if (column >= params.n || row >= params.m) {
    return;
  }
  let from_a = id.z * params.stepA + row * params.k;
  let from_b = id.z * params.stepB + column;
  var sum = 0.0;
  for (var i = 0u; i < params.k; i++) {
    sum += load_a(from_a + i) * load_b(from_b + i * params.n);
  }
  let i = (id.z * params.m + row) * params.n + column;
  store_y(i, sum + bias_at(column) + residual_at(i));
}
`;
