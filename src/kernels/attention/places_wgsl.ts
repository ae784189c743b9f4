/**
 * WGSL that makes kernels independent of how q, k and v are packed: they use `load_q(q_at(…) + d)` and
 * `store_dk(k_at(…) + d, …)`. HEAD is the size of a head and `Element` the type of what is loaded (f32, or vec4f, where
 * HEAD counts vec4s). See site.ts for the params.
 */
import type { OpSite } from '../../tensor/op.ts';
import type { AttentionAttrs, BackwardAttrs, Packing, Part, Wants } from './site.ts';
import { siteSizes } from './site.ts';

/** First element of a head's row; `row_at` indexes the rows' log-sum-exps. */
const PLACES = /* wgsl */ `
fn q_at(batch: u32, t: u32, head: u32) -> u32 {
  return (batch * params.queries + t) * params.q_row + head * HEAD;
}

fn k_at(batch: u32, s: u32, head: u32) -> u32 {
  return (batch * params.keys + s) * params.kv_row + params.k_from + head * HEAD;
}

fn v_at(batch: u32, s: u32, head: u32) -> u32 {
  return (batch * params.keys + s) * params.kv_row + params.v_from + head * HEAD;
}

fn y_at(batch: u32, t: u32, head: u32) -> u32 {
  return ((batch * params.queries + t) * params.heads + head) * HEAD;
}

fn row_at(batch: u32, t: u32, head: u32) -> u32 {
  return (batch * params.heads + head) * params.queries + t;
}
`;

const LOADS: Readonly<Record<Packing, string>> = {
  none: '',
  kv: /* wgsl */ `
fn load_k(i: u32) -> Element { return load_kv(i); }
fn load_v(i: u32) -> Element { return load_kv(i); }
`,
  qkv: /* wgsl */ `
fn load_q(i: u32) -> Element { return load_qkv(i); }
fn load_k(i: u32) -> Element { return load_qkv(i); }
fn load_v(i: u32) -> Element { return load_qkv(i); }
`,
};

const STORES: Readonly<Record<Packing, string>> = {
  none: '',
  kv: /* wgsl */ `
fn store_dk(i: u32, v: Element) { store_dkv(i, v); }
fn store_dv(i: u32, v: Element) { store_dkv(i, v); }
`,
  qkv: /* wgsl */ `
fn store_dq(i: u32, v: Element) { store_dqkv(i, v); }
fn store_dk(i: u32, v: Element) { store_dqkv(i, v); }
fn store_dv(i: u32, v: Element) { store_dqkv(i, v); }
`,
};

/** `attends(b * S + s)`: whether key s of batch b takes part. */
const KEY_MASK = 'fn attends(i: u32) -> bool { return load_mask(i) > 0.5; }\n';
const NO_KEY_MASK = 'fn attends(i: u32) -> bool { return true; }\n';

export function placesCode(site: OpSite<AttentionAttrs> | OpSite<BackwardAttrs>): string {
  return PLACES + LOADS[siteSizes(site).packing] + (site.attrs.mask ? KEY_MASK : NO_KEY_MASK);
}

/** What takes the place of loads and stores that a part has no buffer for; compilers drop the work that led to it. */
const NONE_OF_DK = 'fn store_dk(i: u32, v: Element) {}\n';
const NONE_OF_DV = 'fn store_dv(i: u32, v: Element) {}\n';
const NONE_OF_V_AND_Y = /* wgsl */ `
fn load_v(i: u32) -> Element { return Element(); }
fn load_y(i: u32) -> Element { return Element(); }
`;

/** The same with stores of the gradients that a dispatch computes. */
export function gradientPlacesCode(site: OpSite<BackwardAttrs>, part: Part): string {
  const { packing } = siteSizes(site);
  const stores = packing === 'kv' && part === 'query' ? '' : STORES[packing];
  const missing = { all: '', query: '', keys: '', dk: NONE_OF_DV, dv: NONE_OF_DK + NONE_OF_V_AND_Y }[part];
  return placesCode(site) + stores + missing;
}

/**
 * Both gradients are one dispatch: the first `query_groups` workgroups of x compute dq, the others dk and dv. A kernel
 * defines `backward_query` and `backward_keys`, and what no one wants is left out.
 */
export const BACKWARD_MAIN: Readonly<Record<Wants, string>> = {
  query: /* wgsl */ `
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  backward_query(group, lane);
}
`,
  keys: /* wgsl */ `
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  backward_keys(group, lane);
}
`,
  all: /* wgsl */ `
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (group.x < params.query_groups) {
    backward_query(group, lane);
  } else {
    backward_keys(group - vec3u(params.query_groups, 0u, 0u), lane);
  }
}
`,
};
