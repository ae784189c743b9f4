/**
 * Weights of 8 bits (`weightBits: 8`): what products and convolutions of the step read stays on the GPU as int8 with a scale for each
 * row, and is expanded to its own type right before the nodes that read it, into a buffer that other values share. So kernels
 * read what they always read. Rounding happens as rows arrive (rounded_rows.ts).
 */

import type { Dispatch } from '../dispatch.ts';
import type { Node } from '../graph.ts';
import { gridOf } from '../grid.ts';
import type { Op } from '../op.ts';
import { madeByPlanner } from '../rewrite/fuse.ts';
import type { Tensor } from '../tensor.ts';
import type { TensorType } from '../types.ts';
import { at, byteSize, bytesPerElement, sizeOf } from '../types.ts';
import type { InputBuffer } from './input_buffers.ts';
import { aligned } from './memory.ts';
import { lastStage } from './streaming.ts';

/** Elements from which on rounding is worth a dispatch at each reading. */
const WORTHWHILE = 1 << 16;
/** The fewest bytes that such a weight is stored in. */
export const INT8_BYTES = WORTHWHILE * 2;
const WORKGROUP = 64;

/** A buffer of int8 values and, behind them, the scales of its rows. */
export interface Int8Buffer {
  readonly bytes: number;
  /** The first byte of the scales. */
  readonly scales: number;
  /** In memory element i belongs to row ⌊i / inner⌋ mod rows. */
  readonly rows: number;
  readonly inner: number;
}

/** Those of `weights` that are kept in 8 bits, by key. */
export function int8Weights(
  weights: readonly InputBuffer[],
  order: readonly Node[],
  uses: ReadonlyMap<string, readonly number[]>,
  find: (t: Tensor) => string,
): Map<string, Int8Buffer> {
  const made = new Map<string, Int8Buffer>();
  for (const weight of weights) {
    const readers = (uses.get(weight.key) ?? []).map((i) => at(order, i));
    const multiplied = readers.every((node) => multiplies(node, weight.key, find));
    const buffer = multiplied && lastStage(order, uses, weight.key) === 'step' ? int8Buffer(weight) : null;
    if (buffer) {
      made.set(weight.key, buffer);
    }
  }
  return made;
}

/** Whether a node reads a value as the weight of a product or convolution, or only in another layout. */
function multiplies(node: Node, key: string, find: (t: Tensor) => string): boolean {
  const op = node.op?.inner?.op ?? node.op;
  return node.inputs.every(
    (t, i) => find(t) !== key || Boolean(op?.permutation || op?.fusesPair || op?.readTransposed?.(node.attrs, i)),
  );
}

/** null: too small, or its rows cannot be packed where it lies. */
function int8Buffer({ type, parts }: InputBuffer): Int8Buffer | null {
  const size = sizeOf(type.shape);
  const all = parts.map(({ node }) => rowsOf(node));
  const { inner } = at(all, 0);
  // A row of several blocks is found by its number in the block, which would differ from part to part.
  const fits =
    inner % 4 === 0 &&
    all.every((part) => part.inner === inner && (part.outer === 1 || all.length === 1)) &&
    parts.every(({ node }) => at(node.outputs, 0).shape.length > 1);
  const rows = all.reduce((n, part) => n + part.rows, 0);
  const scales = aligned(size);
  return fits && type.dtype !== 'i32' && size >= WORTHWHILE ? { bytes: scales + rows * 4, scales, rows, inner } : null;
}

/** A row, as it is written, is in memory `inner` elements in each of `outer` blocks. */
function rowsOf({ held, outputs }: Node): { outer: number; rows: number; inner: number } {
  const { shape } = at(outputs, 0);
  const axis = held?.indexOf(0) ?? 0;
  return { outer: sizeOf(shape.slice(0, axis)), rows: at(shape, axis), inner: sizeOf(shape.slice(axis + 1)) };
}

/** Where a part that would lie at byte `offset` of the whole weight has its values and its scales. */
export function int8Place(
  { scales, inner }: Int8Buffer,
  { dtype }: TensorType,
  offset: number,
): { offset: number; scales: number } {
  const first = offset / bytesPerElement(dtype);
  return { offset: first, scales: scales + (first / inner) * 4 };
}

const EXPAND = `
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let i = id.x + id.y * groups.x * WG;
  if (i >= params.size) {
    return;
  }
  let q = load_q(i);
  let values = vec4<i32>(q << 24u, q << 16u, q << 8u, q) >> vec4<u32>(24u);
  store_y(i, vec4<f32>(values) * load_scale((i / params.inner4) % params.rows));
}
`;

export interface Expansion {
  /** What runs, as a node of the module that reads the weight. */
  readonly node: Node;
  readonly dispatch: Dispatch;
  /** Of the values (four to a word), the scales and the result. */
  readonly types: readonly [TensorType, TensorType, TensorType];
}

/** What expands a weight for `reader`. */
export function expansion({ node, type }: InputBuffer, { rows, inner }: Int8Buffer, reader: Node): Expansion {
  const size = sizeOf(type.shape) / 4;
  const types = [{ dtype: 'i32', shape: [size] }, { dtype: 'f32', shape: [rows] }, type] as const;
  const op: Op = {
    name: 'int8_weight',
    infer: () => [type],
    reference: madeByPlanner,
    variants: [],
    cost: () => ({ flops: size * 4, bytes: types.reduce((n, t) => n + byteSize(t), 0) }),
    cases: [],
    call: madeByPlanner,
    one: madeByPlanner,
  };
  return {
    node: { ...node, op, inputs: [], outputs: [type], stage: reader.stage, path: reader.path },
    dispatch: {
      label: 'int8_weight',
      code: EXPAND,
      constants: { WG: WORKGROUP },
      params: { size, inner4: inner / 4, rows },
      bindings: [
        { name: 'q', ref: { input: 0 }, access: 'read' },
        { name: 'scale', ref: { input: 1 }, access: 'read' },
        { name: 'y', ref: { output: 0 }, access: 'write', vec: 4 },
      ],
      workgroups: gridOf(Math.ceil(size / WORKGROUP)),
    },
    types,
  };
}
