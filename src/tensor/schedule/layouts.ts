/**
 * Weights in memory once. A trace reads one weight in several layouts (transposed for a product, taps first for a
 * convolution, and for their gradients the other way round); made in the load stage they would double its memory. Here
 *  1. a weight that is read through transposes alone is held in one of those layouts, written so as it arrives (held.ts);
 *  2. an op that can (`readTransposed`) reads a weight with its last two axes exchanged from where it lies;
 *  3. a layout that is left is made where it is read, again in each iteration: a pass over memory.
 */
import type { Node } from '../graph.ts';
import { Tensor } from '../tensor.ts';
import type { Stage } from '../types.ts';
import { at, byteSize, bytesPerElement, STAGES, sizeOf } from '../types.ts';
import { executionOrder } from './order.ts';
import { isJoin } from './packed.ts';

/** Bytes below which a weight is kept in every layout: it would cost a dispatch an iteration and give nothing back. */
const LARGE_WEIGHT = 1 << 18;

type Permutation = readonly number[];

/** The order in which `roots` and all they depend on run, with each weight of `least` bytes or more in memory once. */
export function weightsOnce(roots: readonly Node[], least = LARGE_WEIGHT): Node[] {
  const fixed = new Set(roots.map((node) => node.id));
  let current = roots;
  for (const rewrite of [heldOnce, readInPlace, madeAtUse]) {
    const made = rewrite(executionOrder(current), fixed, least);
    current = current.map((node) => made.get(node)?.node ?? node);
  }
  return executionOrder(current);
}

/** What each node becomes. */
type Rewritten = Map<Node, Tensor>;

/** `node` reading what its inputs have become. */
function renewed(node: Node, made: Rewritten): Node {
  const inputs = node.inputs.map((t) => {
    const now = made.get(t.node);
    return now ? new Tensor(now.node, t.index) : t;
  });
  return { ...node, inputs };
}

function heldOnce(nodes: readonly Node[], fixed: ReadonlySet<number>, least: number): Rewritten {
  const users = new Map<Node, Node[]>();
  for (const node of nodes) {
    for (const { node: input } of node.inputs) {
      users.set(input, [...(users.get(input) ?? []), node]);
    }
  }
  const made: Rewritten = new Map();
  for (const node of nodes) {
    const held = node.op === null ? heldAs(node, users.get(node) ?? [], fixed, least) : null;
    const source = node.inputs[0]?.node;
    const layout = permutationOf(node);
    const now = source && made.get(source)?.node;
    if (held) {
      const { dtype, shape } = at(node.outputs, 0);
      const outputs = [{ dtype, shape: held.map((axis) => at(shape, axis)) }];
      made.set(node, new Tensor({ ...node, outputs, held }, 0));
    } else if (layout && now?.held) {
      const { held: has } = now;
      const permutation = layout.map((axis) => has.indexOf(axis));
      const same = permutation.every((axis, i) => axis === i);
      made.set(node, new Tensor(same ? now : { ...node, inputs: [new Tensor(now, 0)], attrs: { permutation } }, 0));
    } else {
      made.set(node, new Tensor(renewed(node, made), 0));
    }
  }
  return made;
}

/**
 * The layout in which a weight is held, null: as it is written. The first that is asked for, with the last two axes exchanged
 * where rows of the file would not stay whole: they are written as they are read.
 */
function heldAs(weight: Node, users: readonly Node[], fixed: ReadonlySet<number>, least: number): Permutation | null {
  const type = at(weight.outputs, 0);
  const asked = users.map((user) => (fixed.has(user.id) ? null : permutationOf(user)));
  const [first] = asked;
  if (!isWeight(weight) || fixed.has(weight.id) || byteSize(type) < least || !first || asked.includes(null)) {
    return null;
  }
  const held = first.at(-1) === 0 ? swapped(first) : first;
  const inner = sizeOf(held.slice(held.indexOf(0) + 1).map((axis) => at(type.shape, axis)));
  const wholeWords = (inner * bytesPerElement(type.dtype)) % 4 === 0;
  return wholeWords && held.some((axis, i) => axis !== i) ? held : null;
}

function readInPlace(nodes: readonly Node[], _fixed: ReadonlySet<number>, least: number): Rewritten {
  const made: Rewritten = new Map();
  for (const node of nodes) {
    let now = renewed(node, made);
    now.inputs.forEach(({ node: layout }, i) => {
      const swaps = permutationOf(layout)?.every((axis, k, all) => axis === swapped(all.map((_, j) => j))[k]);
      const attrs = swaps && bytesIn(layout) >= least ? node.op?.readTransposed?.(now.attrs, i) : null;
      if (attrs && layout.stage === 'load') {
        now = { ...now, attrs, inputs: now.inputs.map((t, k) => (k === i ? at(layout.inputs, 0) : t)) };
      }
    });
    made.set(node, new Tensor(now, 0));
  }
  return made;
}

function madeAtUse(nodes: readonly Node[], fixed: ReadonlySet<number>, least: number): Rewritten {
  const stages = new Map<Node, Stage>();
  const earliest = new Map<Node, number>();
  for (const node of [...nodes].reverse()) {
    const use = earliest.get(node);
    const moves = node.stage === 'load' && !fixed.has(node.id) && movesOnly(node) && ofWeight(node);
    const later = moves && (node.op?.isView || bytesIn(node) >= least) && use !== undefined;
    const stage = later ? at(STAGES, use) : node.stage;
    stages.set(node, stage);
    for (const { node: input } of node.inputs) {
      earliest.set(input, Math.min(earliest.get(input) ?? STAGES.length, STAGES.indexOf(stage)));
    }
  }
  const made: Rewritten = new Map();
  for (const node of nodes) {
    made.set(node, new Tensor({ ...renewed(node, made), stage: stages.get(node) ?? node.stage }, 0));
  }
  return made;
}

const permutationOf = (node: Node): Permutation | null => node.op?.permutation?.(node.attrs) ?? null;
const isWeight = (node: Node): boolean => node.op === null && node.data === undefined && node.stage === 'load';
const movesOnly = (node: Node): boolean => Boolean(node.op?.permutation || node.op?.isView);
const bytesIn = (node: Node): number => byteSize(at(node.outputs, 0));

/** With the last two entries exchanged. */
function swapped(axes: Permutation): Permutation {
  const rank = axes.length;
  return rank < 2 ? axes : [...axes.slice(0, -2), at(axes, rank - 1), at(axes, rank - 2)];
}

/** Whether it is a weight, or some joined, seen through layouts alone: no constant, nothing computed. */
function ofWeight(node: Node): boolean {
  return node.op === null
    ? node.data === undefined
    : (movesOnly(node) || isJoin(node)) && node.inputs.every((t) => ofWeight(t.node));
}
