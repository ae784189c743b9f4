/** Checks a spec before anything is planned. */
import type { Graph } from '../graph.ts';
import type { PlanSpec } from '../schedule/plan_spec.ts';
import { checkUpdate } from '../state.ts';
import { describeTensor, Tensor } from '../tensor.ts';

/**
 * Returns the graph that all of `spec` belongs to.
 * @throws Error, one sentence: nothing to compute, something that is no tensor, tensors of two graphs, or an update that
 *   does not fit its state
 */
export function checkedGraph({ outputs, updates = [] }: PlanSpec): Graph {
  const named = [
    ...Object.entries(outputs).map(([name, tensor]) => [`output ${name}`, tensor] as const),
    ...updates.flatMap(({ state, value }) => [
      ['the state of an update', state] as const,
      ['the value of an update', value] as const,
    ]),
  ];
  for (const [what, tensor] of named) {
    if (!(tensor instanceof Tensor)) {
      throw new Error(`${what} is no tensor: give what an op, graph.input or graph.state returned`);
    }
  }
  const [first] = named;
  if (!first) {
    throw new Error('there is nothing to compute: give at least one output or update');
  }
  const { graph } = first[1];
  const other = named.find(([, tensor]) => tensor.graph !== graph);
  if (other) {
    throw new Error(`${other[0]} belongs to another graph than ${first[0]}: a plan computes one graph`);
  }
  const states = new Set<number>();
  for (const update of updates) {
    checkUpdate(update);
    if (states.has(update.state.node.id)) {
      throw new Error(`${describeTensor(update.state)} is updated twice: a step can give it one new value`);
    }
    states.add(update.state.node.id);
  }
  return graph;
}
