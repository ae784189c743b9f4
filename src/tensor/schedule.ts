/** What runs, in which order, in which buffer: decided from the graph alone, before anything is allocated. */
import { absorbIntoStores } from './epilogue.ts';
import { fuseElementwise } from './fuse.ts';
import type { Node } from './graph.ts';
import { writtenType } from './held.ts';
import { weightsOnce } from './layouts.ts';
import { assignSlots } from './memory.ts';
import type { Binding, DeviceCaps, Dispatch, OpSite } from './op.ts';
import { executionOrder } from './order.ts';
import { packsOf } from './packed.ts';
import type { Tensor } from './tensor.ts';
import type { Stage, TensorType } from './types.ts';
import { at, byteSize } from './types.ts';

export interface Update {
  /** A graph input that lives across steps. */
  readonly state: Tensor;
  /** What it becomes when the step ends. */
  readonly value: Tensor;
}

export interface PlanSpec {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly updates?: readonly Update[];
  /** Forces a variant by op name, such as `{ conv2d: 'v1' }`. */
  readonly variants?: Readonly<Record<string, string>>;
  /** false: one kernel an op, as traced (for comparison and debugging). */
  readonly fuse?: boolean;
  /** Keep inputs that only the load stage reads, so that they can be read back (debugging). */
  readonly keepLoadInputs?: boolean;
  /** false: each large weight is in memory once, and kernels read it in the layout it has (layouts.ts). Default true. */
  readonly keepLayouts?: boolean;
}

/** A dispatch with the buffer behind each binding. */
export interface Step {
  readonly node: Node;
  readonly dispatch: Dispatch;
  readonly types: readonly TensorType[];
  readonly buffers: readonly number[];
}

export interface BufferSpec {
  bytes: number;
  /** Weights and states keep their buffer; `slot` buffers are shared by liveness. */
  readonly kind: 'input' | 'constant' | 'kept' | 'slot';
  readonly name: string;
  /** Read in the load stage only: can be given back once it has run. */
  readonly loadOnly?: boolean;
}

export interface InputSpec {
  readonly buffer: number;
  /** Where it begins in the buffer, in bytes (several may share one). */
  readonly offset: number;
  /** As it is written. */
  readonly type: TensorType;
  /** The layout it is held in, if another (held.ts). */
  readonly held?: readonly number[];
}

export interface Schedule {
  readonly steps: Readonly<Record<Stage, readonly Step[]>>;
  readonly buffers: readonly BufferSpec[];
  /** Each graph input by name. */
  readonly inputs: ReadonlyMap<string, InputSpec>;
  readonly outputs: ReadonlyMap<string, { buffer: number; type: TensorType }>;
  readonly constants: readonly { buffer: number; node: Node }[];
  readonly copies: readonly { from: number; to: number; bytes: number }[];
}

/** The variant that will run. @throws Error when a forced one does not exist or none is supported. */
export function chooseVariant(node: Node, site: OpSite, caps: DeviceCaps, forced?: string): string {
  const op = node.op;
  if (!op) {
    throw new Error('a graph input has no variant');
  }
  const entries = Object.entries(op.variants);
  const chosen = forced
    ? entries.find(([name]) => name === forced)
    : entries.find(([, v]) => v.supports?.(site, caps) ?? true);
  if (!chosen) {
    const have = entries.map(([name]) => name).join(', ');
    throw new Error(`${op.name} has no ${forced ? `variant ${forced}` : 'variant for this adapter'}; it has ${have}`);
  }
  return chosen[0];
}

interface Value {
  readonly root: string;
  readonly type: TensorType;
  readonly from: number;
  to: number;
  kept: boolean;
  readonly stage: Stage;
}

const keyOf = (t: Tensor): string => `${t.node.id}.${t.index}`;

export function schedule(spec: PlanSpec, caps: DeviceCaps): Schedule {
  const updates = spec.updates ?? [];
  const roots = [...Object.values(spec.outputs), ...updates.flatMap((u) => [u.state, u.value])];
  const traced = orderOf(roots, spec.keepLayouts ?? true);
  const rewritten = spec.fuse === false ? traced : fused(traced, mustExist(traced, roots), caps);
  const rootOf = viewRoots(rewritten);
  const find = (t: Tensor): string => rootOf.get(keyOf(t)) ?? keyOf(t);
  const packs = packsOf(rewritten, find, new Set(roots.map(find)));
  const order = rewritten.filter((node) => !packs.has(node));

  const values = liveness(order, find);
  for (const t of [...Object.values(spec.outputs), ...updates.map((u) => u.value)]) {
    const value = values.get(find(t));
    if (value) {
      value.kept = true;
    }
  }

  const buffers: BufferSpec[] = [];
  const bufferOf = new Map<string, number>();
  const inputs = new Map<string, InputSpec>();
  const constants: { buffer: number; node: Node }[] = [];
  const readAfterLoad = new Set<string>([...Object.values(spec.outputs), ...updates.map((u) => u.value)].map(find));
  for (const node of order) {
    if (node.stage !== 'load') {
      node.inputs.forEach((t) => {
        readAfterLoad.add(find(t));
      });
    }
  }
  const partOf = new Set([...packs.values()].flatMap((parts) => parts.map((part) => part.node)));
  for (const node of [...packs.keys(), ...order.filter((n) => !n.op && !partOf.has(n))]) {
    const key = `${node.id}.0`;
    const type = at(node.outputs, 0);
    const parts = packs.get(node) ?? [{ node, offset: 0 }];
    const name = parts.map((part) => part.node.name ?? 'constant').join(' + ');
    const loadOnly = node.stage === 'load' && !readAfterLoad.has(key) && !spec.keepLoadInputs;
    bufferOf.set(key, buffers.length);
    if (node.data) {
      constants.push({ buffer: buffers.length, node });
    } else {
      for (const { node: part, offset } of parts) {
        const { name: input = '', held } = part;
        const type = writtenType(part);
        inputs.set(input, { buffer: buffers.length, offset, type, ...(held ? { held } : {}) });
      }
    }
    buffers.push({ bytes: byteSize(type), kind: node.data ? 'constant' : 'input', name, loadOnly });
  }
  const transient: Value[] = [];
  for (const value of values.values()) {
    if (value.kept) {
      bufferOf.set(value.root, buffers.length);
      buffers.push({ bytes: byteSize(value.type), kind: 'kept', name: value.root });
    } else {
      transient.push(value);
    }
  }

  const { drafts, scratch } = draft(order, caps, spec.variants ?? {});
  const intervals = [
    ...transient.map((v) => ({ bytes: byteSize(v.type), from: v.from, to: v.to })),
    ...scratch.map((s) => ({ bytes: byteSize(s.type), from: s.position, to: s.position })),
  ];
  const slots = assignSlots(intervals);
  const firstSlot = buffers.length;
  slots.bytes.forEach((bytes, i) => {
    buffers.push({ bytes, kind: 'slot', name: `slot ${i}` });
  });
  transient.forEach((v, i) => {
    bufferOf.set(v.root, firstSlot + at(slots.slotOf, i));
  });
  const bufferFor = (t: string): number => {
    const buffer = bufferOf.get(t);
    if (buffer === undefined) {
      throw new Error(`value ${t} has no buffer`);
    }
    return buffer;
  };

  const steps: Record<Stage, Step[]> = { load: [], prompt: [], step: [] };
  for (const { node, dispatch, scratchBase } of drafts) {
    const resolve = (b: Binding): { type: TensorType; buffer: number } => {
      if ('scratch' in b.ref) {
        const index = scratchBase + b.ref.scratch;
        return { type: b.ref.type, buffer: firstSlot + at(slots.slotOf, transient.length + index) };
      }
      if ('input' in b.ref) {
        const t = at(node.inputs, b.ref.input);
        return { type: t.type, buffer: bufferFor(find(t)) };
      }
      return { type: at(node.outputs, b.ref.output), buffer: bufferFor(`${node.id}.${b.ref.output}`) };
    };
    const resolved = dispatch.bindings.map(resolve);
    steps[node.stage].push({
      node,
      dispatch,
      types: resolved.map((r) => r.type),
      buffers: resolved.map((r) => r.buffer),
    });
  }

  const outputs = new Map(
    Object.entries(spec.outputs).map(([name, t]) => [name, { buffer: bufferFor(find(t)), type: t.type }] as const),
  );
  const copies = updates.map((u) => ({
    from: bufferFor(find(u.value)),
    to: bufferFor(keyOf(u.state)),
    bytes: byteSize(u.state.type),
  }));
  return { steps, buffers, inputs, outputs, constants, copies };
}

const fused = (order: readonly Node[], kept: ReadonlySet<string>, caps: DeviceCaps): Node[] =>
  absorbIntoStores(fuseElementwise(order, kept), kept, caps);

/** Values that cannot vanish into a fused kernel: outputs, new states, and what a later stage reads. */
function mustExist(order: readonly Node[], roots: readonly Tensor[]): Set<string> {
  const across = order.flatMap((node) => node.inputs.filter((t) => t.node.stage !== node.stage));
  return new Set([...roots, ...across].map(keyOf));
}

function orderOf(roots: readonly Tensor[], keepLayouts: boolean): Node[] {
  const nodes = roots.map((t) => t.node);
  return keepLayouts ? executionOrder(nodes) : weightsOnce(nodes);
}

/** Views (reshape) share the buffer of what they look at. */
function viewRoots(order: readonly Node[]): Map<string, string> {
  const roots = new Map<string, string>();
  for (const node of order) {
    if (node.op?.isView) {
      const source = keyOf(at(node.inputs, 0));
      roots.set(`${node.id}.0`, roots.get(source) ?? source);
    }
  }
  return roots;
}

/** First definition and last use of each computed value; a value used by a later stage is kept. */
function liveness(order: readonly Node[], find: (t: Tensor) => string): Map<string, Value> {
  const values = new Map<string, Value>();
  order.forEach((node, position) => {
    for (const input of node.inputs) {
      const value = values.get(find(input));
      if (value) {
        value.to = Math.max(value.to, position);
        value.kept ||= value.stage !== node.stage;
      }
    }
    if (node.op && !node.op.isView) {
      node.outputs.forEach((type, i) => {
        const root = `${node.id}.${i}`;
        values.set(root, { root, type, from: position, to: position, kept: false, stage: node.stage });
      });
    }
  });
  return values;
}

interface Drafts {
  readonly drafts: { node: Node; dispatch: Dispatch; scratchBase: number }[];
  readonly scratch: { type: TensorType; position: number }[];
}

function draft(order: readonly Node[], caps: DeviceCaps, forced: Readonly<Record<string, string>>): Drafts {
  const drafts: Drafts['drafts'] = [];
  const scratch: Drafts['scratch'] = [];
  order.forEach((node, position) => {
    if (!node.op || node.op.isView) {
      return;
    }
    const site: OpSite = { inputs: node.inputs.map((t) => t.type), outputs: node.outputs, attrs: node.attrs };
    const name = chooseVariant(node, site, caps, forced[node.op.name]);
    const dispatches = node.op.variants[name]?.dispatches(site, caps) ?? [];
    const scratchBase = scratch.length;
    const scratchTypes = new Map<number, TensorType>();
    for (const dispatch of dispatches) {
      for (const { ref } of dispatch.bindings) {
        if ('scratch' in ref) {
          scratchTypes.set(ref.scratch, ref.type);
        }
      }
      drafts.push({ node, dispatch, scratchBase });
    }
    for (let i = 0; i < scratchTypes.size; i++) {
      const type = scratchTypes.get(i);
      if (!type) {
        throw new Error(`${node.op.name} numbers its scratch buffers with gaps`);
      }
      scratch.push({ type, position });
    }
  });
  return { drafts, scratch };
}
