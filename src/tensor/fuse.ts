/**
 * Rewrite before planning: chains of elementwise ops become one pass over memory.
 * Works on nodes, not on the graph, so the trace (and the interpreter's view of it) stays as it was written.
 */
import type { Node } from './graph.ts';
import type { Dispatch, HostArray, Op, OpSite, Param } from './op.ts';
import type { Tensor } from './tensor.ts';
import type { Shape } from './types.ts';
import { at, byteSize, sameShape, sizeOf } from './types.ts';

/** Storage buffers a fused kernel may read; WebGPU guarantees 8 in all, one is the output. */
const MAX_INPUTS = 7;
const MAX_OPS = 32;
const WORKGROUP = 64;

const keyOf = (t: Tensor): string => `${t.node.id}.${t.index}`;

interface Group {
  /** Original nodes, in order; the last one gives the result. */
  readonly nodes: readonly Node[];
  /** What the group reads from outside. */
  readonly inputs: readonly Tensor[];
}

const isElementwise = (node: Node): boolean => node.op?.scalar !== undefined && node.outputs.length === 1;

/**
 * `order` with every fusable chain replaced by one node, in the place of its last member.
 * A member is swallowed when only the chain reads it, it is of the same stage and shape, and it is not in `kept`.
 */
export function fuseElementwise(order: readonly Node[], kept: ReadonlySet<string>): Node[] {
  const readers = new Map<string, Set<Node>>();
  for (const node of order) {
    for (const t of node.inputs) {
      const key = keyOf(t);
      const set = readers.get(key) ?? new Set<Node>();
      readers.set(key, set.add(node));
    }
  }
  const groups = new Map<Node, Group>();
  for (const node of order.filter(isElementwise)) {
    groups.set(node, { nodes: [node], inputs: distinct(node.inputs) });
    for (const t of node.inputs) {
      const mine = groups.get(node);
      const other = groups.get(t.node);
      const alone = readers.get(keyOf(t))?.size === 1 && !kept.has(keyOf(t));
      const alike = t.node.stage === node.stage && t.dtype === 'f32' && sameShape(t.shape, at(node.outputs, 0).shape);
      if (!mine || !other || !alone || !alike) {
        continue;
      }
      const inputs = distinct([...other.inputs, ...mine.inputs.filter((x) => x.node !== t.node)]);
      const nodes = [...other.nodes, ...mine.nodes].sort((a, b) => a.id - b.id);
      if (inputs.length <= MAX_INPUTS && nodes.length <= MAX_OPS) {
        groups.set(node, { nodes, inputs });
        groups.delete(t.node);
      }
    }
  }
  return order.flatMap((node) => {
    const group = groups.get(node);
    if (!isElementwise(node) || group?.nodes.length === 1) {
      return [node];
    }
    return group ? [fusedNode(node, group)] : [];
  });
}

function distinct(tensors: readonly Tensor[]): Tensor[] {
  return [...new Map(tensors.map((t) => [keyOf(t), t])).values()];
}

function fusedNode(last: Node, group: Group): Node {
  const op: Op = {
    name: 'fused_elementwise',
    infer: () => last.outputs,
    reference: (inputs) => [evaluateGroup(group, inputs)],
    variants: { v1: { dispatches: (site) => [fusedDispatch(group, site)] } },
    cost: (site) => ({
      flops: group.nodes.length * sizeOf(at(site.outputs, 0).shape),
      bytes: [...site.inputs, ...site.outputs].reduce((n, t) => n + byteSize(t), 0),
    }),
    cases: [],
    call: unsupported,
    one: unsupported,
  };
  return { ...last, op, inputs: group.inputs, attrs: {} };
}

function unsupported(): never {
  throw new Error('a fused op is made by the planner, not traced');
}

/** The group's composition in basic ops, on the CPU. */
function evaluateGroup(group: Group, inputs: readonly HostArray[]): Float64Array {
  const values = new Map<string, HostArray>();
  group.inputs.forEach((t, i) => {
    values.set(keyOf(t), at(inputs, i));
  });
  let result = new Float64Array();
  for (const node of group.nodes) {
    const site = { inputs: node.inputs.map((t) => t.type), outputs: node.outputs, attrs: node.attrs };
    const args = node.inputs.map((t) => valueFor(values, t));
    result = Float64Array.from(at(node.op?.reference(args, site) ?? [], 0));
    values.set(`${node.id}.0`, { shape: at(node.outputs, 0).shape, data: result });
  }
  return result;
}

function valueFor(values: ReadonlyMap<string, HostArray>, t: Tensor): HostArray {
  const value = values.get(keyOf(t));
  if (!value) {
    throw new Error(`a fused chain reads ${keyOf(t)} before it is there`);
  }
  return value;
}

function fusedDispatch(group: Group, site: OpSite): Dispatch {
  const shape = at(site.outputs, 0).shape;
  const size = sizeOf(shape);
  const total = Math.ceil(size / WORKGROUP);
  const across = Math.min(total, 32768);
  const params: Record<string, Param> = { size, across: across * WORKGROUP };
  const names = new Map<string, string>();
  const loads: string[] = [];
  group.inputs.forEach((t, i) => {
    names.set(keyOf(t), `x${i}`);
    loads.push(`  let x${i} = load_in${i}(${indexOf(i, t.shape, shape, params)});`);
  });
  const functions: string[] = [];
  const calls: string[] = [];
  group.nodes.forEach((node, k) => {
    const args = node.inputs.map((_, j) => 'abc'.charAt(j));
    functions.push(
      `fn f${k}(${args.map((a) => `${a}: f32`).join(', ')}) -> f32 { return ${node.op?.scalar?.(node.attrs)}; }`,
    );
    calls.push(`  let t${k} = f${k}(${node.inputs.map((t) => names.get(keyOf(t))).join(', ')});`);
    names.set(`${node.id}.0`, `t${k}`);
  });
  const code = `${functions.join('\n')}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * params.across + id.x;
  if (i >= params.size) {
    return;
  }
${[...loads, ...calls].join('\n')}
  store_y(i, t${group.nodes.length - 1});
}`;
  return {
    label: `fused.${group.nodes.map((n) => n.op?.name).join('+')}`.slice(0, 80),
    code,
    params,
    bindings: [
      ...group.inputs.map((_, i) => ({ name: `in${i}`, ref: { input: i }, access: 'read' as const })),
      { name: 'y', ref: { output: 0 }, access: 'write' },
    ],
    workgroups: [across, Math.ceil(total / across), 1],
  };
}

/** Where element i of the output finds its operand: itself, one value, a trailing block, or by strides. */
function indexOf(input: number, shape: Shape, out: Shape, params: Record<string, Param>): string {
  const size = sizeOf(shape);
  if (size === sizeOf(out)) {
    return 'i';
  }
  if (size === 1) {
    return '0u';
  }
  const padded = [...new Array<number>(out.length - shape.length).fill(1), ...shape];
  const firstReal = padded.findIndex((d) => d !== 1);
  if (padded.slice(firstReal).every((d, k) => d === out[firstReal + k])) {
    params[`block${input}`] = size;
    return `i % params.block${input}`;
  }
  const terms: string[] = [];
  let outStride = 1;
  let stride = 1;
  for (let axis = out.length - 1; axis >= 0; axis--) {
    const d = at(out, axis);
    if (at(padded, axis) !== 1) {
      params[`d${input}_${axis}`] = d;
      params[`o${input}_${axis}`] = outStride;
      params[`s${input}_${axis}`] = stride;
      terms.push(`(i / params.o${input}_${axis}) % params.d${input}_${axis} * params.s${input}_${axis}`);
      stride *= d;
    }
    outStride *= d;
  }
  return terms.join(' + ');
}
