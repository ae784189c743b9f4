/** What runs, in which order, in which buffer: decided from the graph alone, before anything is allocated. */
import { assertWithin, fitted, inOrderOfGivingUp, type Planner, peakBytes } from './budget.ts';
import { type Choice, chooseVariant, type Tuning } from './choose.ts';
import { absorbIntoStores } from './epilogue.ts';
import { fuseElementwise } from './fuse.ts';
import { keyOf, type Node, siteOf } from './graph.ts';
import { writtenType } from './held.ts';
import { type InputBuffer, inputBuffers } from './input_buffers.ts';
import { expansion, INT8_BYTES, type Int8Buffer, int8Place, int8Weights } from './int8_weights.ts';
import { joinPairs } from './join.ts';
import { weightsOnce } from './layouts.ts';
import { type Lifetime, lifetimes, viewRoots } from './lifetimes.ts';
import { assignPlaces } from './memory.ts';
import type { Binding, DeviceCaps, Dispatch } from './op.ts';
import { executionOrder } from './order.ts';
import { packsOf } from './packed.ts';
import { Recomputation } from './recompute.ts';
import { lastStage, readers, streamable, type Visit, visits } from './streaming.ts';
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
  /** What timing the variants on this adapter said; default: the device's own, or nothing without a device. */
  readonly tuning?: Tuning;
  /** false: one kernel an op, as traced (for comparison and debugging). */
  readonly fuse?: boolean;
  /** Keep inputs that only the load stage reads, so that they can be read back (debugging). */
  readonly keepLoadInputs?: boolean;
  /** false: each large weight is in memory once, and kernels read it in the layout it has (layouts.ts). Default true. */
  readonly keepLayouts?: boolean;
  /** Weights that no step reads are brought in when the prompt is read, and gone afterwards. Default false. */
  readonly streamPrompt?: boolean;
  /**
   * Bytes of GPU buffers that the plan may have at any time. What it takes of the weights is streamed: first those that no
   * step reads, then, each step anew, the others.
   */
  readonly budget?: number;
  /** 8: large weights of the step's products and convolutions are kept as int8 (int8_weights.ts). Default: as they are typed. */
  readonly weightBits?: 8;
}

/** A dispatch with the buffer behind each binding. */
export interface Step {
  readonly node: Node;
  readonly dispatch: Dispatch;
  readonly types: readonly TensorType[];
  readonly buffers: readonly number[];
  /** Where in its buffer each begins, in bytes. */
  readonly offsets: readonly number[];
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
  /** It is kept as int8: where in the buffer the scales of its rows begin, in bytes. */
  readonly scales?: number;
}

export interface Schedule {
  readonly steps: Readonly<Record<Stage, readonly Step[]>>;
  readonly buffers: readonly BufferSpec[];
  /** Each graph input by name. */
  readonly inputs: ReadonlyMap<string, InputSpec>;
  readonly outputs: ReadonlyMap<string, { buffer: number; type: TensorType }>;
  readonly constants: readonly { buffer: number; node: Node }[];
  readonly copies: readonly { from: number; to: number; bytes: number }[];
  /** Graph inputs that are brought in while a stage runs, with their types. */
  readonly streams: ReadonlyMap<string, TensorType>;
  /** When they come, in the order of each stage's steps. */
  readonly uploads: Readonly<Record<Stage, readonly Upload[]>>;
  /** What lives in the shared buffers, and how long. */
  readonly shared: readonly SharedValue[];
  /** The variant of each site, and why. */
  readonly choices: ReadonlyMap<string, Choice>;
}

/** A streamed weight on its way into a shared buffer. */
export interface Upload extends InputSpec {
  /** It must be there before this step of its stage, and not before the step in front of it has run. */
  readonly before: number;
  readonly input: string;
}

export interface SharedValue {
  readonly bytes: number;
  readonly buffer: number;
  /** Where it begins in the buffer, in bytes. */
  readonly offset: number;
  readonly stage: Stage;
  /** Positions in the order of nodes, both inclusive. */
  readonly from: number;
  readonly to: number;
  /** `saved`: made in a forward pass and read in a backward pass. */
  readonly kind: 'saved' | 'transient' | 'streamed';
  /** The value's key; empty for a kernel's scratch. */
  readonly root: string;
}

/** @throws Error when a budget is given and too small, saying what is needed */
export function schedule(spec: PlanSpec, caps: DeviceCaps): Schedule {
  const { budget } = spec;
  const wanted = planner(spec, caps);
  const made = wanted.plan(spec.streamPrompt ? wanted.ofPrompt : []);
  if (budget === undefined || peakBytes(made) <= budget) {
    return made;
  }
  const lean = planner({ ...spec, keepLayouts: false }, caps);
  const within = fitted(budget, lean);
  assertWithin(budget, within);
  return within;
}

function planner(spec: PlanSpec, caps: DeviceCaps): Planner {
  const updates = spec.updates ?? [];
  const outputs = Object.values(spec.outputs);
  const roots = [...outputs, ...updates.flatMap((u) => [u.state, u.value])];
  const traced = orderOf(roots, spec);
  const rewritten = spec.fuse === false ? traced : fused(traced, mustExist(traced, roots), caps);
  const find = finder(rewritten);
  const fixed = new Set(roots.map(find));
  const packs = packsOf(rewritten, find, fixed);
  const order = rewritten.filter((node) => !packs.has(node));
  const sources = inputBuffers(order, packs);
  const uses = readers(order, find);
  const weights = spec.keepLoadInputs ? [] : streamable(sources, fixed);
  const int8 = int8Weights(spec.weightBits === 8 ? streamable(sources, fixed) : [], order, uses, find);
  const [ofStep, ofPrompt] = partition(weights, ({ key }) => lastStage(order, uses, key) === 'step');
  return {
    ofStep: inOrderOfGivingUp(ofStep, uses),
    ofPrompt,
    recomputation: () => new Recomputation(order, find, fixed),
    plan: (streamed, recomputation) => {
      const nodes = recomputation?.rewritten() ?? order;
      const seen = nodes === order ? find : finder(nodes);
      const read = nodes === order ? uses : readers(nodes, seen);
      const whole = new Set(streamed.map(({ key }) => key));
      const kept = new Map([...int8].filter(([key]) => !whole.has(key)));
      const coming = visits(nodes, read, [...streamed, ...sources.filter(({ key }) => kept.has(key))]);
      return assemble({ order: nodes, find: seen, sources, uses: read, visits: coming, int8: kept }, spec, caps);
    },
  };
}

/** Of a tensor, the key of the value whose buffer it has. */
function finder(order: readonly Node[]): (t: Tensor) => string {
  const rootOf = viewRoots(order);
  return (t) => rootOf.get(keyOf(t)) ?? keyOf(t);
}

function partition<T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}

interface Arrangement {
  readonly order: readonly Node[];
  /** Of a tensor, the key of the value whose buffer it has. */
  readonly find: (t: Tensor) => string;
  readonly sources: readonly InputBuffer[];
  /** Positions of the nodes that read each value. */
  readonly uses: ReadonlyMap<string, readonly number[]>;
  readonly visits: readonly Visit[];
  /** Weights that are not brought in for their visits, but expanded. */
  readonly int8: ReadonlyMap<string, Int8Buffer>;
}

/** Where a value lies: among the shared ones, or in a buffer of its own. */
type Where = { readonly shared: number } | { readonly buffer: number };

/** Shared values that one dispatch reads and writes: they cannot lie in one buffer. */
function readAndWritten(
  bindings: readonly { readonly access: Binding['access']; readonly where: Where }[],
): [number, number][] {
  const indices = (wanted: boolean): number[] =>
    bindings.flatMap(({ access, where }) =>
      (access === 'read') === wanted && 'shared' in where ? [where.shared] : [],
    );
  return indices(true).flatMap((read) => indices(false).map((written): [number, number] => [read, written]));
}

function assemble(arrangement: Arrangement, spec: PlanSpec, caps: DeviceCaps): Schedule {
  const { order, find, sources, uses, visits, int8 } = arrangement;
  const updates = spec.updates ?? [];
  const results = new Set([...Object.values(spec.outputs), ...updates.map((u) => u.value)].map(find));
  const values = lifetimes(order, find);
  for (const root of results) {
    const value = values.get(root);
    if (value) {
      value.kept = true;
    }
  }

  const buffers: BufferSpec[] = [];
  const bufferOf = new Map<string, number>();
  const inputs = new Map<string, InputSpec>();
  const constants: { buffer: number; node: Node }[] = [];
  const brought = visits.filter(({ source }) => !int8.has(source.key));
  const streamed = new Set(brought.map((visit) => visit.source.key));
  for (const { key, node, type, parts } of sources.filter((source) => !streamed.has(source.key))) {
    const name = parts.map((part) => part.node.name ?? 'constant').join(' + ');
    const loadOnly =
      node.stage === 'load' && lastStage(order, uses, key) === 'load' && !results.has(key) && !spec.keepLoadInputs;
    const rounded = int8.get(key);
    bufferOf.set(key, buffers.length);
    if (node.data) {
      constants.push({ buffer: buffers.length, node });
    } else {
      for (const { node: part, offset } of parts) {
        const place = rounded ? int8Place(rounded, type, offset) : { offset };
        inputs.set(part.name ?? '', inputSpec(part, buffers.length, place));
      }
    }
    buffers.push({ bytes: rounded?.bytes ?? byteSize(type), kind: node.data ? 'constant' : 'input', name, loadOnly });
  }
  const transient: Lifetime[] = [];
  for (const value of values.values()) {
    if (value.kept) {
      bufferOf.set(value.root, buffers.length);
      buffers.push({ bytes: byteSize(value.type), kind: 'kept', name: value.root });
    } else {
      transient.push(value);
    }
  }

  const { drafts, scratch, choices } = draft(order, caps, spec);
  const shared: Omit<SharedValue, 'buffer' | 'offset'>[] = [
    ...transient.map(({ root, type, stage, from, to, saved }) => {
      return {
        root,
        bytes: byteSize(type),
        stage,
        from,
        to,
        kind: saved ? ('saved' as const) : ('transient' as const),
      };
    }),
    ...visits.map(({ source, stage, from, to }) => {
      const kind = int8.has(source.key) ? ('transient' as const) : ('streamed' as const);
      return { root: source.key, bytes: byteSize(source.type), stage, from, to, kind };
    }),
    ...scratch.map(({ type, position }) => {
      const stage = at(order, position).stage;
      return { root: '', bytes: byteSize(type), stage, from: position, to: position, kind: 'transient' as const };
    }),
  ];
  const indexOf = new Map(transient.map(({ root }, i) => [root, i]));
  const visitsOf = new Map<string, number[]>();
  visits.forEach(({ source }, i) => {
    visitsOf.set(source.key, [...(visitsOf.get(source.key) ?? []), transient.length + i]);
  });
  /** Among the shared values, or in a buffer of its own. */
  const whereIs = (root: string, position: number): Where => {
    const visit = visitsOf.get(root)?.find((i) => at(shared, i).from <= position && position <= at(shared, i).to);
    const index = visit ?? indexOf.get(root);
    const buffer = bufferOf.get(root);
    if (index === undefined && buffer === undefined) {
      throw new Error(`value ${root} has no buffer`);
    }
    return index === undefined ? { buffer: buffer ?? -1 } : { shared: index };
  };
  const bound = drafts.map(({ node, dispatch, scratchBase, position }) =>
    dispatch.bindings.map(({ ref, access }) => {
      if ('scratch' in ref) {
        const where: Where = { shared: transient.length + visits.length + scratchBase + ref.scratch };
        return { type: ref.type, access, where };
      }
      const t = 'input' in ref ? at(node.inputs, ref.input) : null;
      const type = t ? t.type : at(node.outputs, 'output' in ref ? ref.output : 0);
      const root = t ? find(t) : `${node.id}.${'output' in ref ? ref.output : 0}`;
      return { type, access, where: whereIs(root, position) };
    }),
  );
  const places = assignPlaces(shared, bound.flatMap(readAndWritten));
  const firstShared = buffers.length;
  places.bytes.forEach((bytes, i) => {
    buffers.push({ bytes, kind: 'slot', name: `shared ${i}` });
  });
  const placed = shared.map((value, i): SharedValue => {
    const { buffer, offset } = at(places.of, i);
    return { ...value, buffer: firstShared + buffer, offset };
  });
  const placeOf = (where: Where): { readonly buffer: number; readonly offset: number } =>
    'shared' in where ? at(placed, where.shared) : { buffer: where.buffer, offset: 0 };

  const bufferFor = (root: string): number => {
    const buffer = bufferOf.get(root);
    if (buffer === undefined) {
      throw new Error(`value ${root} has no buffer of its own`);
    }
    return buffer;
  };
  const steps: Record<Stage, Step[]> = { load: [], prompt: [], step: [] };
  const uploads: Record<Stage, Upload[]> = { load: [], prompt: [], step: [] };
  const comings = visits
    .map(({ source, stage, from }, i) => ({ ...at(placed, transient.length + i), source, stage, from }))
    .sort((a, b) => a.from - b.from);
  let next = 0;
  for (const [i, { node, dispatch, position }] of drafts.entries()) {
    for (let coming = comings[next]; coming && coming.from <= position; coming = comings[++next]) {
      const { source } = coming;
      const rounded = int8.get(source.key);
      if (rounded) {
        const { node: reader } = at(drafts, i);
        const from = bufferFor(source.key);
        steps[coming.stage].push({
          ...expansion(source, rounded, reader),
          buffers: [from, from, coming.buffer],
          offsets: [0, rounded.scales, coming.offset],
        });
        continue;
      }
      const before = steps[coming.stage].length;
      for (const { node: part, offset } of source.parts) {
        const spec = inputSpec(part, coming.buffer, { offset: coming.offset + offset });
        uploads[coming.stage].push({ before, input: part.name ?? '', ...spec });
      }
    }
    const bindings = at(bound, i).map(({ type, where }) => ({ type, ...placeOf(where) }));
    steps[node.stage].push({
      node,
      dispatch,
      types: bindings.map((b) => b.type),
      buffers: bindings.map((b) => b.buffer),
      offsets: bindings.map((b) => b.offset),
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
  const streams = new Map(
    brought.flatMap(({ source }) => source.parts.map(({ node }) => [node.name ?? '', writtenType(node)])),
  );
  return { steps, buffers, inputs, streams, outputs, constants, copies, uploads, shared: placed, choices };
}

function inputSpec(node: Node, buffer: number, place: Pick<InputSpec, 'offset' | 'scales'>): InputSpec {
  return { buffer, ...place, type: writtenType(node), ...(node.held ? { held: node.held } : {}) };
}

const fused = (order: readonly Node[], kept: ReadonlySet<string>, caps: DeviceCaps): Node[] =>
  absorbIntoStores(fuseElementwise(joinPairs(order, kept, caps), kept), kept, caps);

/** Values that cannot vanish into a fused kernel: outputs, new states, and what a later stage reads. */
function mustExist(order: readonly Node[], roots: readonly Tensor[]): Set<string> {
  const across = order.flatMap((node) => node.inputs.filter((t) => t.node.stage !== node.stage));
  return new Set([...roots, ...across].map(keyOf));
}

function orderOf(roots: readonly Tensor[], { keepLayouts = true, weightBits }: PlanSpec): Node[] {
  const nodes = roots.map((t) => t.node);
  // Layouts made at load would be kept beside the int8 values, and in full.
  return weightBits === 8 ? weightsOnce(nodes, INT8_BYTES) : keepLayouts ? executionOrder(nodes) : weightsOnce(nodes);
}

interface Drafts {
  readonly drafts: { node: Node; dispatch: Dispatch; scratchBase: number; position: number }[];
  readonly scratch: { type: TensorType; position: number }[];
  readonly choices: ReadonlyMap<string, Choice>;
}

function draft(order: readonly Node[], caps: DeviceCaps, { variants: forced = {}, tuning }: PlanSpec): Drafts {
  const choices = new Map<string, Choice>();
  const drafts: Drafts['drafts'] = [];
  const scratch: Drafts['scratch'] = [];
  order.forEach((node, position) => {
    if (!node.op || node.op.isView) {
      return;
    }
    const site = siteOf(node);
    const choice = chooseVariant(node.op, site, caps, { forced, ...(tuning ? { tuning } : {}) });
    choices.set(`${choice.op} ${choice.site}`, choice);
    const dispatches = node.op.variants[choice.variant]?.dispatches(site, caps) ?? [];
    const scratchBase = scratch.length;
    const scratchTypes = new Map<number, TensorType>();
    for (const dispatch of dispatches) {
      for (const { ref } of dispatch.bindings) {
        if ('scratch' in ref) {
          scratchTypes.set(ref.scratch, ref.type);
        }
      }
      drafts.push({ node, dispatch, scratchBase, position });
    }
    for (let i = 0; i < scratchTypes.size; i++) {
      const type = scratchTypes.get(i);
      if (!type) {
        throw new Error(`${node.op.name} numbers its scratch buffers with gaps`);
      }
      scratch.push({ type, position });
    }
  });
  return { drafts, scratch, choices };
}
