/**
 * The layout in which each weight is stored. A trace reads one weight in several layouts: transposed for a product, taps first
 * for a convolution, and the other way round for their gradients. Transposing all of them in the load stage would double the
 * memory of the weights. `storeOnce` stores each large weight once instead, in three passes:
 *  1. A weight that is read only through transposes is stored in one of those layouts; it is transposed as it is uploaded.
 *  2. An op that can (`readTransposed`) reads a stored weight with its last two axes exchanged.
 *  3. A transpose that is still left runs in the stage that reads it: one pass over memory in each iteration.
 */
import { type Node, replaceInputs } from '../graph.ts';
import { Tensor } from '../tensor.ts';
import type { Stage } from '../types.ts';
import { append, at, byteSize, bytesPerElement, STAGES, sizeOf } from '../types.ts';
import { isConcatenation } from './input_buffers.ts';
import { executionOrder } from './liveness.ts';

/** A smaller weight is stored in every layout: a transpose in each iteration would cost a dispatch and save little. */
const MIN_BYTES = 1 << 18;

type Permutation = readonly number[];

/** Returns the execution order of `roots` and all they depend on, with each weight of at least `minBytes` stored once. */
export function storeOnce(roots: readonly Node[], minBytes = MIN_BYTES): Node[] {
  const fixed = new Set(roots.map((node) => node.id));
  let current = roots;
  for (const pass of [chooseStoredLayouts, readTransposedInPlace, transposeAtUse]) {
    const replaced = pass(executionOrder(current), fixed, minBytes);
    current = current.map((node) => replaced.get(node)?.node ?? node);
  }
  return executionOrder(current);
}

/** The first output of the node that replaces each node. */
type Replacements = Map<Node, Tensor>;

const withReplacements = (node: Node, replaced: Replacements): Node =>
  replaceInputs(node, (t) => {
    const now = replaced.get(t.node)?.node ?? t.node;
    return now === t.node ? t : new Tensor(now, t.index);
  });

function chooseStoredLayouts(nodes: readonly Node[], fixed: ReadonlySet<number>, minBytes: number): Replacements {
  const readers = new Map<Node, Node[]>();
  for (const node of nodes) {
    for (const { node: input } of node.inputs) {
      append(readers, input, node);
    }
  }
  const replaced: Replacements = new Map();
  for (const node of nodes) {
    const storedLayout = node.op === null ? storedLayoutOf(node, readers.get(node) ?? [], fixed, minBytes) : null;
    const wanted = permutationOf(node);
    const source = node.inputs[0] && replaced.get(node.inputs[0].node)?.node;
    if (storedLayout) {
      const { dtype, shape } = at(node.outputs, 0);
      const outputs = [{ dtype, shape: storedLayout.map((axis) => at(shape, axis)) }];
      replaced.set(node, new Tensor({ ...node, outputs, storedLayout }, 0));
    } else if (wanted && source?.storedLayout) {
      const { storedLayout: stored } = source;
      const permutation = wanted.map((axis) => stored.indexOf(axis));
      const isStoredSo = permutation.every((axis, i) => axis === i);
      const transpose = { ...node, inputs: [new Tensor(source, 0)], attrs: { permutation } };
      replaced.set(node, new Tensor(isStoredSo ? source : transpose, 0));
    } else {
      replaced.set(node, new Tensor(withReplacements(node, replaced), 0));
    }
  }
  return replaced;
}

/**
 * Returns the layout in which to store a weight, or null for the layout that the caller writes. It is the first layout that a
 * reader asks for, with the last two axes exchanged where a row of the file would otherwise be torn apart: rows are uploaded
 * one by one.
 */
function storedLayoutOf(
  weight: Node,
  readers: readonly Node[],
  fixed: ReadonlySet<number>,
  minBytes: number,
): Permutation | null {
  const type = at(weight.outputs, 0);
  const asked = readers.map((reader) => (fixed.has(reader.id) ? null : permutationOf(reader)));
  const [first] = asked;
  if (!isWeight(weight) || fixed.has(weight.id) || byteSize(type) < minBytes || !first || asked.includes(null)) {
    return null;
  }
  const layout = first.at(-1) === 0 ? exchangeLastTwo(first) : first;
  const inner = sizeOf(layout.slice(layout.indexOf(0) + 1).map((axis) => at(type.shape, axis)));
  const wholeWords = (inner * bytesPerElement(type.dtype)) % 4 === 0;
  return wholeWords && layout.some((axis, i) => axis !== i) ? layout : null;
}

function readTransposedInPlace(nodes: readonly Node[], _fixed: ReadonlySet<number>, minBytes: number): Replacements {
  const replaced: Replacements = new Map();
  for (const node of nodes) {
    let now = withReplacements(node, replaced);
    now.inputs.forEach(({ node: transpose }, i) => {
      const exchanges = permutationOf(transpose)?.every(
        (axis, k, all) => axis === exchangeLastTwo(all.map((_, j) => j))[k],
      );
      const attrs = exchanges && resultBytes(transpose) >= minBytes ? node.op?.readTransposed?.(now.attrs, i) : null;
      if (attrs && transpose.stage === 'load') {
        now = { ...now, attrs, inputs: now.inputs.map((t, k) => (k === i ? at(transpose.inputs, 0) : t)) };
      }
    });
    replaced.set(node, new Tensor(now, 0));
  }
  return replaced;
}

function transposeAtUse(nodes: readonly Node[], fixed: ReadonlySet<number>, minBytes: number): Replacements {
  const stages = new Map<Node, Stage>();
  const firstUse = new Map<Node, number>();
  for (const node of [...nodes].reverse()) {
    const use = firstUse.get(node);
    const canMove = node.stage === 'load' && !fixed.has(node.id) && onlyRearranges(node) && isRearrangedWeight(node);
    const moves = canMove && (node.op?.isView || resultBytes(node) >= minBytes) && use !== undefined;
    const stage = moves ? at(STAGES, use) : node.stage;
    stages.set(node, stage);
    for (const { node: input } of node.inputs) {
      firstUse.set(input, Math.min(firstUse.get(input) ?? STAGES.length, STAGES.indexOf(stage)));
    }
  }
  const replaced: Replacements = new Map();
  for (const node of nodes) {
    const stage = stages.get(node) ?? node.stage;
    replaced.set(node, new Tensor({ ...withReplacements(node, replaced), stage }, 0));
  }
  return replaced;
}

const permutationOf = (node: Node): Permutation | null => node.op?.permutation?.(node.attrs) ?? null;
const isWeight = (node: Node): boolean => node.op === null && node.data === undefined && node.stage === 'load';
const onlyRearranges = (node: Node): boolean => Boolean(node.op?.permutation || node.op?.isView);
const resultBytes = (node: Node): number => byteSize(at(node.outputs, 0));

function exchangeLastTwo(axes: Permutation): Permutation {
  const rank = axes.length;
  return rank < 2 ? axes : [...axes.slice(0, -2), at(axes, rank - 1), at(axes, rank - 2)];
}

/** Whether a node's value is a weight, or several joined, only rearranged: no constant is in it and nothing is computed. */
function isRearrangedWeight(node: Node): boolean {
  return node.op === null
    ? node.data === undefined
    : (onlyRearranges(node) || isConcatenation(node)) && node.inputs.every((t) => isRearrangedWeight(t.node));
}
