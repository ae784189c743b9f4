/** The graph of a run after each pass of planning, and what each pass did to the nodes before it. */

import type { DeviceCaps } from '../../src/tensor/device/device_caps.ts';
import { keyOf, type Node, outputKey } from '../../src/tensor/graph.ts';
import type { PlanSpec } from '../../src/tensor/schedule/plan_spec.ts';
import { createSchedule } from '../../src/tensor/schedule/planner.ts';
import type { Schedule } from '../../src/tensor/schedule/schedule.ts';
import { append, at, byteSize, STAGES, type Stage, showType } from '../../src/tensor/types.ts';

/** The passes and their meaning, in the order in which they run. */
export const PASSES = {
  trace: 'as traced and differentiated',
  layouts: 'each large weight stored once',
  norm_gradients: 'products fused with the gradients of norms',
  pairs: 'pairs of ops fused',
  elementwise: 'chains of elementwise ops fused',
  stores: 'chains fused into the stores of the ops before them',
  schedule: 'in the order of execution, with recomputation and liveness',
} as const;

export type PassName = keyof typeof PASSES;

/** A node of one pass as plain data. */
export interface PassNode {
  readonly id: number;
  /** Place in the order of the pass. */
  readonly position: number;
  /** The op; for a fused node, the traced ops that it computes; for an input, its name. */
  readonly label: string;
  readonly kind: 'op' | 'view' | 'input' | 'weight' | 'constant';
  readonly path: string;
  readonly backward: boolean;
  /** A copy that computes its value a second time. */
  readonly recomputed: boolean;
  readonly stage: Stage;
  /** Keys (`ID.OUTPUT`) of what it reads. */
  readonly inputs: readonly string[];
  /** Types of its outputs. */
  readonly outputs: readonly string[];
  /** Ids of the traced nodes that it computes. */
  readonly traced: readonly number[];
  /** Labels of its dispatches; only the schedule has them. */
  readonly kernels?: readonly string[];
}

/** The memory of a value. */
export interface Lived {
  /** First and last position in the schedule. */
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  /** `saved`: made in the forward pass and read in the backward pass. `kept`: in a buffer of its own. */
  readonly kind: 'saved' | 'transient' | 'streamed' | 'kept';
  /** The buffer and the first byte in it. */
  readonly buffer: string;
  readonly offset: number;
}

/** The graph after one pass. */
export interface Pass {
  readonly name: PassName;
  readonly nodes: readonly PassNode[];
  /** The node into which a node of the pass before was fused, by id. */
  readonly into: ReadonlyMap<number, number>;
  /** The key that an output of the pass before has now, where that changed. */
  readonly moved: ReadonlyMap<string, string>;
  /** Ids of nodes that are new: terms of weights, and recomputed ones. */
  readonly added: readonly number[];
  /** Ids of nodes that are gone, though no other computes them: layouts and concatenations of weights. */
  readonly removed: readonly number[];
  /** Positions of the first node of the step stage and after the last node. */
  readonly steps: readonly [start: number, end: number];
  /** The lives of each value by its key; empty before the schedule. A value that is computed twice, or streamed, lives more than once. */
  readonly live: ReadonlyMap<string, readonly Lived[]>;
}

/** Plans `spec` for an adapter of these capabilities. @returns the passes that ran, in order @throws Error as `createSchedule` */
export function collectPasses(spec: PlanSpec, caps: DeviceCaps): Pass[] {
  const orders: { name: PassName; order: readonly Node[] }[] = [];
  const schedule = createSchedule(spec, caps, (name, order) => {
    if (name === 'trace') {
      orders.length = 0; // The second plan, within a budget, is the one that counts.
    }
    orders.push({ name, order });
  });
  orders.push({ name: 'schedule', order: schedule.order });
  const kernels = kernelsOf(schedule);
  // Compared with itself, the trace fuses, adds and removes nothing.
  let before = at(orders, 0).order;
  const labels = new Map(before.map(({ id, op, name }) => [id, op?.name ?? name ?? 'constant']));
  let traced = new Map<number, readonly number[]>(before.map(({ id }) => [id, [id]]));
  return orders.map(({ name, order }) => {
    const into = fusedInto(before, order);
    traced = tracedAfter(order, traced, into, originsOf(before, order));
    const known = new Set(before.map(({ id }) => id));
    const kept = new Set(order.map(({ id }) => id));
    const isSchedule = name === 'schedule';
    const pass: Pass = {
      name,
      nodes: order.map((node, position) =>
        passNode(node, position, traced.get(node.id) ?? [], labels, isSchedule ? kernels.get(node.id) : undefined),
      ),
      into,
      moved: movedKeys(before, order),
      added: order.map(({ id }) => id).filter((id) => !known.has(id)),
      removed: before.map(({ id }) => id).filter((id) => !kept.has(id) && !into.has(id)),
      steps: [
        Math.max(
          0,
          order.findIndex(({ stage, op }) => stage === 'step' && op),
        ),
        order.length,
      ],
      live: isSchedule ? livedOf(schedule) : new Map(),
    };
    before = order;
    return pass;
  });
}

/** A node whose op is another one than before has taken the nodes behind it in, which are gone. */
function fusedInto(before: readonly Node[], after: readonly Node[]): Map<number, number> {
  const now = new Set(after.map(({ id }) => id));
  const earlier = new Map(before.map((node) => [node.id, node]));
  const into = new Map<number, number>();
  for (const { id, op } of after) {
    const old = earlier.get(id);
    if (!old || old.op === op) {
      continue;
    }
    const stack = old.inputs.map((t) => t.node.id);
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const inner = earlier.get(next);
      if (inner && !now.has(next) && !into.has(next)) {
        into.set(next, id);
        stack.push(...inner.inputs.map((t) => t.node.id));
      }
    }
  }
  return into;
}

/** The node of which each new node is a copy, by the new node's id. */
function originsOf(before: readonly Node[], after: readonly Node[]): Map<number, number> {
  const byOutputs = new Map(before.map((node) => [node.outputs, node.id]));
  return new Map(
    after.flatMap(({ id, recomputed, outputs }) => {
      const origin = recomputed ? byOutputs.get(outputs) : undefined;
      return origin === undefined ? [] : [[id, origin] as const];
    }),
  );
}

function tracedAfter(
  order: readonly Node[],
  traced: ReadonlyMap<number, readonly number[]>,
  into: ReadonlyMap<number, number>,
  origins: ReadonlyMap<number, number>,
): Map<number, readonly number[]> {
  const members = new Map<number, number[]>();
  for (const [inner, outer] of into) {
    append(members, outer, inner);
  }
  return new Map(
    order.map(({ id }) => {
      const all = [...(members.get(id) ?? []), origins.get(id) ?? id].flatMap((one) => traced.get(one) ?? []);
      return [id, all.sort((a, b) => a - b)] as const;
    }),
  );
}

/** A node that reads the same value under another key tells the key that the value has now. */
function movedKeys(before: readonly Node[], after: readonly Node[]): Map<string, string> {
  const earlier = new Map(before.map((node) => [node.id, node]));
  const moved = new Map<string, string>();
  for (const { id, op, inputs, recomputed } of after) {
    const old = earlier.get(id);
    if (!old || recomputed || old.op !== op || old.inputs.length !== inputs.length) {
      continue;
    }
    for (const [i, t] of inputs.entries()) {
      const was = old.inputs[i];
      if (was && keyOf(was) !== keyOf(t) && !t.node.recomputed) {
        moved.set(keyOf(was), keyOf(t));
      }
    }
  }
  return moved;
}

function passNode(
  node: Node,
  position: number,
  traced: readonly number[],
  labels: ReadonlyMap<number, string>,
  kernels: readonly string[] | undefined,
): PassNode {
  const { id, op, path, backward, recomputed = false, stage, inputs, outputs } = node;
  return {
    id,
    position,
    label: traced.length > 0 ? fusedLabel(traced, labels) : (op?.name ?? 'input'),
    kind: kindOf(node),
    path,
    backward,
    recomputed,
    stage,
    inputs: inputs.map(keyOf),
    outputs: outputs.map(showType),
    traced,
    ...(kernels ? { kernels } : {}),
  };
}

function kindOf({ op, data, stage }: Node): PassNode['kind'] {
  if (op) {
    return op.isView ? 'view' : 'op';
  }
  return data ? 'constant' : stage === 'load' ? 'weight' : 'input';
}

/** The names of traced ops with + between them; views say nothing beside others. */
function fusedLabel(traced: readonly number[], labels: ReadonlyMap<number, string>): string {
  const names = traced.map((id) => labels.get(id) ?? '');
  const computing = names.filter((name) => name !== 'reshape');
  return (computing.length > 0 ? computing : names.slice(0, 1)).join('+');
}

/** The labels of the dispatches of each node, by id. */
function kernelsOf(schedule: Schedule): Map<number, string[]> {
  const kernels = new Map<number, string[]>();
  for (const { node, dispatch } of STAGES.flatMap((stage) => schedule.steps[stage])) {
    append(kernels, node.id, dispatch.label);
  }
  return kernels;
}

function livedOf({ shared, buffers, order }: Schedule): Map<string, Lived[]> {
  const live = new Map<string, Lived[]>();
  for (const { key, from, to, bytes, kind, buffer, offset } of shared) {
    if (key !== '') {
      append(live, key, { from, to, bytes, kind, buffer: buffers[buffer]?.name ?? '', offset });
    }
  }
  const persistent = new Set(buffers.filter(({ kind }) => kind === 'persistent').map(({ name }) => name));
  for (const [position, node] of order.entries()) {
    for (const [i, type] of node.outputs.entries()) {
      const key = outputKey(node, i);
      if (persistent.has(key)) {
        const bytes = byteSize(type);
        append(live, key, { from: position, to: order.length - 1, bytes, kind: 'kept', buffer: 'its own', offset: 0 });
      }
    }
  }
  return live;
}
