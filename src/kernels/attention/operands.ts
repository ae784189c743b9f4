/**
 * The operands of the attention kernels: bindings, params and WGSL that make a kernel independent of how q, k and v are
 * packed. A kernel uses `load_q(q_at(…) + d)` and `store_dk(k_at(…) + d, …)`. HEAD is the size of a head and `Element` the
 * type of what is loaded (f32, or vec4f, where HEAD and all indices count vec4s).
 */
import type { Binding, Param } from '../../tensor/dispatch.ts';
import type { OpSite } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { read, write } from '../common/bindings.ts';
import type { AttentionAttrs, AttentionSite, BackwardAttrs, Gradients, Packing } from './shapes.ts';
import { differentiatedOperands, OPERAND_NAMES, siteSizes } from './shapes.ts';

type Vec = 1 | 4;

/** The gradients that one dispatch of the backward op computes: all that the op returns, or fewer where buffers are few. */
export type GradientShare = Gradients | 'dk' | 'dv';

export function forwardBindings(site: OpSite<AttentionAttrs>, vec: Vec): Binding[] {
  const { packing } = siteSizes(site);
  const operands = OPERAND_NAMES[packing].map((name, i) => read(name, i, vec));
  return [...operands, ...maskBinding(site), write('y', 0, vec), write('lse', 1)];
}

export const maskBinding = (site: AttentionSite): Binding[] =>
  site.attrs.mask ? [read('mask', site.inputs.length - 1)] : [];

const WRITTEN: Readonly<Record<GradientShare, readonly string[]>> = {
  all: ['dq', 'dk', 'dv', 'dkv', 'dqkv'],
  query: ['dq', 'dqkv'],
  keys: ['dk', 'dv', 'dkv', 'dqkv'],
  dk: ['dk'],
  dv: ['dv'],
};

/** dv = pᵀ dy does not depend on these. */
const NOT_FOR_DV: readonly string[] = ['v', 'y'];

export function backwardBindings(site: OpSite<BackwardAttrs>, share: GradientShare, vec: Vec): Binding[] {
  const names = OPERAND_NAMES[siteSizes(site).packing];
  const n = names.length;
  const reads = [
    ...names.map((name, i) => read(name, i, vec)),
    read('y', n, vec),
    read('dy', n + 1, vec),
    read('lse', n + 2),
    ...maskBinding(site),
  ];
  const writes = differentiatedOperands(site).map((operand, i) => write(`d${at(names, operand)}`, i, vec));
  return [
    ...reads.filter(({ name }) => share !== 'dv' || !NOT_FOR_DV.includes(name)),
    ...writes.filter(({ name }) => WRITTEN[share].includes(name)),
  ];
}

/** Sizes, and in elements of `vec` the strides of rows and the first elements of k and v. */
export function attentionParams(site: AttentionSite, vec: Vec): Record<string, Param> {
  const { queries, keys, heads, head, packing } = siteSizes(site);
  const width = (heads * head) / vec;
  const strides = {
    none: { q_row: width, kv_row: width, k_from: 0, v_from: 0 },
    kv: { q_row: width, kv_row: 2 * width, k_from: 0, v_from: width },
    qkv: { q_row: 3 * width, kv_row: 3 * width, k_from: width, v_from: 2 * width },
  }[packing];
  const { causal, scale } = site.attrs;
  return { queries, keys, heads, causal: Number(causal), scale: { f32: scale }, ...strides };
}

/** Index of the first element of a head's row of q, k, v or y; `row_at`: index of the row's log-sum-exp. */
export const INDEXING = /* wgsl */ `
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

/** `attends(b * S + s)`: whether key s of batch b may be attended to. */
const KEY_MASK = 'fn attends(i: u32) -> bool { return load_mask(i) > 0.5; }\n';
const NO_KEY_MASK = 'fn attends(i: u32) -> bool { return true; }\n';

export const maskCode = (site: AttentionSite): string => (site.attrs.mask ? KEY_MASK : NO_KEY_MASK);

/** Indices, loads and the key mask. */
export const operandsCode = (site: AttentionSite): string => INDEXING + LOADS[siteSizes(site).packing] + maskCode(site);

/** Stand-ins for loads and stores of tensors that a dispatch does not bind; compilers drop the work that led to them. */
const NO_DK = 'fn store_dk(i: u32, v: Element) {}\n';
const NO_DV = 'fn store_dv(i: u32, v: Element) {}\n';
const NO_V_AND_Y = /* wgsl */ `
fn load_v(i: u32) -> Element { return Element(); }
fn load_y(i: u32) -> Element { return Element(); }
`;

/** `operandsCode`, and the stores of the gradients that a dispatch computes. */
export function gradientsCode(site: OpSite<BackwardAttrs>, share: GradientShare): string {
  const { packing } = siteSizes(site);
  const stores = packing === 'kv' && share === 'query' ? '' : STORES[packing];
  const missing = { all: '', query: '', keys: '', dk: NO_DV, dv: NO_DK + NO_V_AND_Y }[share];
  return operandsCode(site) + stores + missing;
}
