/** Pair fusion: an op and the op that reads its result first are replaced by one op, where one is made for that pair. */

import type { DeviceCaps } from '../device/device_caps.ts';
import { keyOf, type Node, outputKey, readersOf, replaceInputs, siteOf } from '../graph.ts';
import type { Op } from '../op.ts';
import { allOps } from '../op.ts';
import { Tensor } from '../tensor.ts';
import { at } from '../types.ts';

/**
 * Returns `order` with every pair fused that an op replaces (`Op.fusesPair`). The fused node stands at the consumer's position.
 * Its output 0 is the consumer's; the other outputs of the producer follow, and its output 0 where later nodes read it too.
 * @param preserved keys of values that must stay in memory, so that no fusion removes them
 */
export function fusePairs(order: readonly Node[], preserved: ReadonlySet<string>, caps: DeviceCaps): Node[] {
  const pairOps = [...allOps().values()].filter((op) => op.fusesPair);
  const positions = new Map(order.map((node, i) => [node.id, i]));
  const readers = readersOf(order);
  const replaced = new Map<number, Node>();
  const removed = new Set<number>();
  const moved = new Map<string, Tensor>();
  for (const producer of order) {
    const [consumer, ...others] = readers.get(outputKey(producer, 0)) ?? [];
    const isPreserved = producer.outputs.some((_, i) => preserved.has(outputKey(producer, i)));
    const isInPair = replaced.has(producer.id) || (consumer && replaced.has(consumer.id));
    if (!consumer || isPreserved || isInPair || consumer.stage !== producer.stage) {
      continue;
    }
    const keep = others.length > 0;
    const end = positions.get(consumer.id) ?? 0;
    const isReadEarlier = producer.outputs
      .slice(1)
      .some((_, i) => readers.get(outputKey(producer, i + 1))?.some((user) => (positions.get(user.id) ?? 0) < end));
    const fused = isReadEarlier ? null : fusedPair(pairOps, producer, consumer, caps, keep);
    if (fused) {
      replaced.set(consumer.id, fused);
      removed.add(producer.id);
      producer.outputs.slice(1).forEach((_, i) => {
        moved.set(outputKey(producer, i + 1), new Tensor(fused, i + 1));
      });
      if (keep) {
        moved.set(outputKey(producer, 0), new Tensor(fused, fused.outputs.length - 1));
      }
    }
  }
  return relinked(
    order.filter((node) => !removed.has(node.id)).map((node) => replaced.get(node.id) ?? node),
    moved,
  );
}

/** Returns `order` with inputs that refer to the nodes in it, not to the nodes that they replaced. */
function relinked(order: readonly Node[], moved: ReadonlyMap<string, Tensor>): Node[] {
  const current = new Map<number, Node>();
  return order.map((node) => {
    const linked = replaceInputs(node, (input) => {
      const t = moved.get(keyOf(input)) ?? input;
      const now = current.get(t.node.id) ?? t.node;
      return now === t.node ? t : new Tensor(now, t.index);
    });
    current.set(node.id, linked);
    return linked;
  });
}

/** Returns null where no op fuses the two. */
function fusedPair(
  pairOps: readonly Op[],
  producer: Node,
  consumer: Node,
  caps: DeviceCaps,
  keep: boolean,
): Node | null {
  const op = pairOps.find(
    ({ fusesPair }) => fusesPair?.producer === producer.op?.name && fusesPair?.consumer === consumer.op?.name,
  );
  const place = op?.fusesPair?.consumerInput ?? 0;
  const readsOnlyThere = consumer.inputs.every((t, i) => (keyOf(t) === outputKey(producer, 0)) === (i === place));
  const mayKeep = !keep || op?.fusesPair?.keepsResult === true;
  const attrs = readsOnlyThere && mayKeep ? op?.fusesPair?.attrs(siteOf(producer), siteOf(consumer), caps, keep) : null;
  return op && attrs
    ? {
        ...consumer,
        op,
        attrs,
        inputs: [...producer.inputs, ...consumer.inputs.filter((_, i) => i !== place)],
        outputs: [...consumer.outputs, ...producer.outputs.slice(1), ...(keep ? [at(producer.outputs, 0)] : [])],
      }
    : null;
}
