/** Rewrite before planning: an op and the one op that takes its result become one, where an op is made for that pair. */

import type { DeviceCaps } from '../device_caps.ts';
import { keyOf, type Node, outputKey, readersOf, siteOf } from '../graph.ts';
import type { Op } from '../op.ts';
import { allOps } from '../op.ts';
import { Tensor } from '../tensor.ts';

/**
 * `order` with every pair joined that an op fuses (`Op.fusesPair`): that op stands in the place of the second, whose result is its output 0;
 * the other results of the first follow. The first's result must have that one reader and not be in `kept`.
 */
export function joinPairs(order: readonly Node[], kept: ReadonlySet<string>, caps: DeviceCaps): Node[] {
  const joiners = [...allOps().values()].filter((op) => op.fusesPair);
  const position = new Map(order.map((node, i) => [node.id, i]));
  const readers = readersOf(order);
  const made = new Map<number, Node>();
  const gone = new Set<number>();
  const moved = new Map<string, Tensor>();
  for (const first of order) {
    const [second, ...others] = readers.get(outputKey(first, 0)) ?? [];
    const isKept = first.outputs.some((_, i) => kept.has(outputKey(first, i)));
    if (!second || others.length > 0 || isKept || second.stage !== first.stage) {
      continue;
    }
    const end = position.get(second.id) ?? 0;
    const early = first.outputs
      .slice(1)
      .some((_, i) => readers.get(outputKey(first, i + 1))?.some((user) => (position.get(user.id) ?? 0) < end));
    const joined = early ? null : joinedNode(joiners, first, second, caps);
    if (joined) {
      made.set(second.id, joined);
      gone.add(first.id);
      first.outputs.slice(1).forEach((_, i) => {
        moved.set(outputKey(first, i + 1), new Tensor(joined, i + 1));
      });
    }
  }
  return relinked(
    order.filter((node) => !gone.has(node.id)).map((node) => made.get(node.id) ?? node),
    moved,
  );
}

/** `order` with inputs that are the nodes in it, not those that they took the place of. */
function relinked(order: readonly Node[], moved: ReadonlyMap<string, Tensor>): Node[] {
  const current = new Map<number, Node>();
  return order.map((node) => {
    const inputs = node.inputs.map((given) => {
      const t = moved.get(keyOf(given)) ?? given;
      const now = current.get(t.node.id) ?? t.node;
      return now === t.node ? t : new Tensor(now, t.index);
    });
    const made = inputs.every((t, i) => t === node.inputs[i]) ? node : { ...node, inputs };
    current.set(node.id, made);
    return made;
  });
}

function joinedNode(joiners: readonly Op[], first: Node, second: Node, caps: DeviceCaps): Node | null {
  const op = joiners.find(
    ({ fusesPair }) => fusesPair?.producer === first.op?.name && fusesPair?.consumer === second.op?.name,
  );
  const readsOnce = second.inputs.every((t, i) => (keyOf(t) === outputKey(first, 0)) === (i === 0));
  const attrs = readsOnce ? op?.fusesPair?.attrs(siteOf(first), siteOf(second), caps) : null;
  return op && attrs
    ? {
        ...second,
        op,
        attrs,
        inputs: [...first.inputs, ...second.inputs.slice(1)],
        outputs: [...second.outputs, ...first.outputs.slice(1)],
      }
    : null;
}
