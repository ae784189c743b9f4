/** In which order a graph's nodes run. */
import type { Node } from '../graph.ts';
import { at, STAGES } from '../types.ts';

/**
 * `roots` and all they depend on, by stage, inputs first: each value is made when the first that needs it comes up.
 * So one reward runs forward and backward before the next begins, and its activations are gone by then.
 */
export function executionOrder(roots: readonly Node[]): Node[] {
  const done = new Set<Node>();
  const order: Node[] = [];
  const stack: { readonly node: Node; next: number }[] = [];
  for (const root of roots) {
    stack.push({ node: root, next: 0 });
    while (stack.length > 0) {
      const top = at(stack, stack.length - 1);
      const input = top.node.inputs[top.next]?.node;
      top.next++;
      if (done.has(top.node)) {
        stack.pop();
      } else if (input) {
        stack.push({ node: input, next: 0 });
      } else {
        done.add(top.node);
        order.push(top.node);
        stack.pop();
      }
    }
  }
  return STAGES.flatMap((stage) => order.filter((node) => node.stage === stage));
}
