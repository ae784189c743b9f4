/** WGSL of what a product or convolution adds to each sum as it stores it: a bias and a residual, its epilogue. */

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
