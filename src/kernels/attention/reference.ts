/** Attention and its gradients in f64 on the CPU, written for reading: the oracle of the kernels. */
import type { HostArray, OpSite } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import type { AttentionAttrs, AttentionSizes, BackwardAttrs } from './shapes.ts';
import { differentiatedOperands, operandCount, siteSizes } from './shapes.ts';

/** q, k and v as three arrays, whatever their packing. */
function unpacked(inputs: readonly HostArray[], { heads, head, packing }: AttentionSizes): Float64Array[] {
  const width = heads * head;
  const part = (input: number, index: number, parts: number): Float64Array => {
    const { data } = at(inputs, input);
    return data.filter((_, i) => Math.floor(i / width) % parts === index);
  };
  return {
    none: () => [part(0, 0, 1), part(1, 0, 1), part(2, 0, 1)],
    kv: () => [part(0, 0, 1), part(1, 0, 2), part(1, 1, 2)],
    qkv: () => [part(0, 0, 3), part(0, 1, 3), part(0, 2, 3)],
  }[packing]();
}

/** The rows of `parts`, `width` elements each, side by side: the inverse. */
function packed(parts: readonly Float64Array[], width: number): Float64Array {
  const n = parts.length;
  return Float64Array.from({ length: n * at(parts, 0).length }, (_, i) => {
    const [row, within] = [Math.floor(i / (n * width)), i % (n * width)];
    return at(at(parts, Math.floor(within / width)), row * width + (within % width));
  });
}

/** Calls `visit` for each query row: with the index of its first element in q, and with the keys that it sees and their scores. */
function eachRow(
  [q, k]: readonly Float64Array[],
  allowed: Float64Array | null,
  { batch, queries, keys, heads, head }: AttentionSizes,
  { causal, scale }: AttentionAttrs,
  visit: (row: number, q: number, keys: { key: number; score: number }[]) => void,
): void {
  for (let row = 0; row < batch * heads * queries; row++) {
    const t = row % queries;
    const h = Math.floor(row / queries) % heads;
    const b = Math.floor(row / (queries * heads));
    const from = ((b * queries + t) * heads + h) * head;
    const seen: { key: number; score: number }[] = [];
    for (let s = 0; s < (causal ? Math.min(keys, t + 1) : keys); s++) {
      if (!allowed || at(allowed, b * keys + s) > 0.5) {
        const key = ((b * keys + s) * heads + h) * head;
        seen.push({ key, score: scale * dot(q ?? [], from, k ?? [], key, head) });
      }
    }
    visit(row, from, seen);
  }
}

const maskOf = (inputs: readonly HostArray[], { mask }: AttentionAttrs): Float64Array | null =>
  mask ? at(inputs, inputs.length - 1).data : null;

function dot(x: ArrayLike<number>, i: number, y: ArrayLike<number>, j: number, n: number): number {
  let sum = 0;
  for (let d = 0; d < n; d++) {
    sum += at(x, i + d) * at(y, j + d);
  }
  return sum;
}

/** y[j..] += factor x[i..] over n elements. */
function addScaled(y: Float64Array, j: number, factor: number, x: Float64Array, i: number, n: number): void {
  for (let d = 0; d < n; d++) {
    y[j + d] = at(y, j + d) + factor * at(x, i + d);
  }
}

/** y and the log-sum-exp of each row; a row without any key gives y = 0, lse = 0. */
export function attentionReference(inputs: readonly HostArray[], site: OpSite<AttentionAttrs>): Float64Array[] {
  const sizes = siteSizes(site);
  const { batch, queries, heads, head } = sizes;
  const operands = unpacked(inputs, sizes);
  const y = new Float64Array(batch * queries * heads * head);
  const lse = new Float64Array(batch * heads * queries);
  eachRow(operands, maskOf(inputs, site.attrs), sizes, site.attrs, (row, from, seen) => {
    if (seen.length > 0) {
      const highest = Math.max(...seen.map((x) => x.score));
      const log = highest + Math.log(seen.reduce((sum, x) => sum + Math.exp(x.score - highest), 0));
      lse[row] = log;
      for (const { key, score } of seen) {
        addScaled(y, from, Math.exp(score - log), at(operands, 2), key, head);
      }
    }
  });
  return [y, lse];
}

/** The gradients asked for, in the form of their operands. */
export function attentionBackwardReference(inputs: readonly HostArray[], site: OpSite<BackwardAttrs>): Float64Array[] {
  const sizes = siteSizes(site);
  const { head, heads } = sizes;
  const [q, k, v] = unpacked(inputs, sizes);
  const count = operandCount(inputs, site.attrs);
  const [y, dy, lse] = [0, 1, 2].map((i) => at(inputs, count + i).data);
  if (!q || !k || !v || !y || !dy || !lse) {
    throw new Error('attention_backward needs its operands, y, dy and lse');
  }
  const { scale } = site.attrs;
  const [dq, dk, dv] = [new Float64Array(q.length), new Float64Array(k.length), new Float64Array(k.length)];
  eachRow([q, k], maskOf(inputs, site.attrs), sizes, site.attrs, (row, from, seen) => {
    const delta = dot(y, from, dy, from, head);
    for (const { key, score } of seen) {
      const p = Math.exp(score - at(lse, row));
      const ds = p * (dot(dy, from, v, key, head) - delta) * scale;
      addScaled(dq, from, ds, k, key, head);
      addScaled(dk, key, ds, q, from, head);
      addScaled(dv, key, p, dy, from, head);
    }
  });
  const width = heads * head;
  const gradients = {
    none: () => [dq, dk, dv],
    kv: () => [dq, packed([dk, dv], width)],
    qkv: () => [packed([dq, dk, dv], width)],
  }[sizes.packing]();
  return differentiatedOperands(site).map((operand) => at(gradients, operand));
}
