/**
 * Weights in other layouts than stored (transposed for a product, taps first for a convolution) are made in the load
 * stage and kept, which doubles the memory of the weights. Here they are made where they are used instead, again in each
 * iteration: a pass over memory for each, next to nothing beside the product that reads it.
 */
import type { Node } from './graph.ts';
import { isJoin } from './packed.ts';
import { Tensor } from './tensor.ts';
import type { Stage } from './types.ts';
import { at, byteSize, STAGES } from './types.ts';

/** Smaller ones are kept: they would cost a dispatch an iteration and give nothing back. */
const WORTHWHILE = 1 << 18;

/** `nodes` (inputs before users) with the layouts of weights moved to the stage that first reads them, except `fixed`. */
export function layoutsAtUse(nodes: readonly Node[], fixed: ReadonlySet<Node>): Node[] {
  const stages = stagesOfUse(nodes, fixed);
  const made = new Map<Node, Node>();
  return nodes.map((node) => {
    const inputs = node.inputs.map((t) => new Tensor(made.get(t.node) ?? t.node, t.index));
    const moved: Node = { ...node, inputs, stage: stages.get(node) ?? node.stage };
    made.set(node, moved);
    return moved;
  });
}

function stagesOfUse(nodes: readonly Node[], fixed: ReadonlySet<Node>): Map<Node, Stage> {
  const stages = new Map<Node, Stage>();
  const earliest = new Map<Node, number>();
  const isLayout = (node: Node): boolean =>
    node.stage === 'load' && !fixed.has(node) && movesOnly(node) && ofWeight(node);
  for (const node of [...nodes].reverse()) {
    const use = earliest.get(node);
    const worthwhile = node.op?.isView || byteSize(at(node.outputs, 0)) >= WORTHWHILE;
    const stage = isLayout(node) && worthwhile && use !== undefined ? at(STAGES, use) : node.stage;
    stages.set(node, stage);
    for (const { node: input } of node.inputs) {
      earliest.set(input, Math.min(earliest.get(input) ?? STAGES.length, STAGES.indexOf(stage)));
    }
  }
  return stages;
}

const movesOnly = (node: Node): boolean => Boolean(node.op?.isLayout || node.op?.isView);

/** Whether it is a weight, or some joined, seen through layouts alone: no constant, nothing computed. */
function ofWeight(node: Node): boolean {
  return node.op === null
    ? node.data === undefined
    : (movesOnly(node) || isJoin(node)) && node.inputs.every((t) => ofWeight(t.node));
}
