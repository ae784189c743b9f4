/** The dispatches of each node in its chosen variant, the values that they bind, and the dispatch that dequantizes a weight. */
import type { DeviceCaps } from '../device/device_caps.ts';
import type { Binding, Dispatch } from '../dispatch.ts';
import { type Node, outputKey, siteOf } from '../graph.ts';
import { gridOf } from '../grid.ts';
import { variantNamed } from '../op.ts';
import { generatedOp } from '../rewrite/generated_op.ts';
import { type Choice, chooseVariant } from '../tuning/choose.ts';
import type { TensorType } from '../types.ts';
import { at, byteSize, sizeOf } from '../types.ts';
import type { DedicatedBuffers, SharedLookup } from './buffers.ts';
import type { InputBuffer, Int8Storage } from './input_buffers.ts';
import type { ValueKey } from './liveness.ts';
import type { PlanSpec } from './plan_spec.ts';

/** One of the dispatches of a node. */
export interface NodeDispatch {
  readonly node: Node;
  readonly dispatch: Dispatch;
  /** Position of the node in the order. */
  readonly position: number;
  /** Index of the node's first scratch memory among that of all nodes. */
  readonly firstScratch: number;
}

/** Memory that the dispatches of one node share. */
export interface Scratch {
  readonly type: TensorType;
  readonly position: number;
}

/** The dispatches of all nodes, in order. */
export interface Dispatches {
  readonly dispatches: readonly NodeDispatch[];
  readonly scratch: readonly Scratch[];
  /** The chosen variants, by op and site. */
  readonly choices: ReadonlyMap<string, Choice>;
}

/** Chooses a variant for each node and returns the dispatches. @throws Error when an op numbers its scratch memory with gaps */
export function nodeDispatches(
  order: readonly Node[],
  caps: DeviceCaps,
  { variants: forced = {}, tuning }: PlanSpec,
): Dispatches {
  const choices = new Map<string, Choice>();
  const all: NodeDispatch[] = [];
  const scratch: Scratch[] = [];
  order.forEach((node, position) => {
    if (!node.op || node.op.isView) {
      return;
    }
    const site = siteOf(node);
    const choice = chooseVariant(node.op, site, caps, { forced, ...(tuning ? { tuning } : {}) });
    choices.set(`${choice.op} ${choice.site}`, choice);
    const dispatches = variantNamed(node.op, choice.variant)?.dispatches(site, caps) ?? [];
    const firstScratch = scratch.length;
    const types = new Map<number, TensorType>();
    for (const dispatch of dispatches) {
      for (const { ref } of dispatch.bindings) {
        if ('scratch' in ref) {
          types.set(ref.scratch, ref.type);
        }
      }
      all.push({ node, dispatch, firstScratch, position });
    }
    for (let i = 0; i < types.size; i++) {
      const type = types.get(i);
      if (!type) {
        throw new Error(`${node.op.name} numbers its scratch buffers with gaps`);
      }
      scratch.push({ type, position });
    }
  });
  return { dispatches: all, scratch, choices };
}

/** The value that a binding shows: in a shared buffer (index of the shared value) or in a dedicated one (index of the buffer). */
export interface BoundValue {
  readonly type: TensorType;
  readonly access: Binding['access'];
  readonly target: { readonly shared: number } | { readonly dedicated: number };
}

/** Returns the value behind each binding of a dispatch. @param scratchBase index of the first scratch among the shared values */
export function boundValues(
  { node, dispatch, firstScratch, position }: NodeDispatch,
  valueKey: ValueKey,
  dedicated: DedicatedBuffers,
  shared: SharedLookup,
  scratchBase: number,
): BoundValue[] {
  return dispatch.bindings.map(({ ref, access }) => {
    if ('scratch' in ref) {
      return { type: ref.type, access, target: { shared: scratchBase + firstScratch + ref.scratch } };
    }
    const isInput = 'input' in ref;
    const type = isInput ? at(node.inputs, ref.input).type : at(node.outputs, ref.output);
    const key = isInput ? valueKey(at(node.inputs, ref.input)) : outputKey(node, ref.output);
    const index = shared.find(key, position);
    return { type, access, target: index === undefined ? { dedicated: dedicated.indexOf(key) } : { shared: index } };
  });
}

/** Returns the pairs of shared values that one dispatch reads and writes: they must not lie in one buffer. */
export function conflictsOf(values: readonly BoundValue[]): [number, number][] {
  const indices = (reads: boolean): number[] =>
    values.flatMap(({ access, target }) =>
      (access === 'read') === reads && 'shared' in target ? [target.shared] : [],
    );
  return indices(true).flatMap((read) => indices(false).map((written): [number, number] => [read, written]));
}

const WORKGROUP = 64;

const DEQUANTIZE = `
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

/** A step that dequantizes a weight, but for its buffers. */
export interface Dequantization {
  /** A node for reports, in the module of the reader. */
  readonly node: Node;
  readonly dispatch: Dispatch;
  /** Types of the int8 values (four to a word), the scales and the result. */
  readonly types: readonly [TensorType, TensorType, TensorType];
}

/** Returns the dispatch that dequantizes a weight before node `reader`. */
export function dequantization(
  { node, type }: InputBuffer,
  { rows, inner }: Int8Storage,
  reader: Node,
): Dequantization {
  const size = sizeOf(type.shape) / 4;
  const types = [{ dtype: 'i32', shape: [size] }, { dtype: 'f32', shape: [rows] }, type] as const;
  const op = generatedOp({
    name: 'int8_weight',
    infer: () => [type],
    reference: () => {
      throw new Error('the dequantization of a weight is in no trace, so the interpreter never runs it');
    },
    variants: [],
    cost: () => ({ flops: size * 4, bytes: types.reduce((n, t) => n + byteSize(t), 0) }),
  });
  const { stage, path, backward } = reader;
  return {
    node: { ...node, op, inputs: [], outputs: [type], stage, path, backward },
    dispatch: {
      label: 'int8_weight',
      code: DEQUANTIZE,
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
