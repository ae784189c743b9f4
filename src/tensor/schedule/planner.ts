/** From a graph to its schedule, by the graph alone: which nodes run, and what gives way where memory is short. */

import type { DeviceCaps } from '../device_caps.ts';
import { keyOf, type Node } from '../graph.ts';
import { rewrite } from '../rewrite/rewrite.ts';
import type { Tensor } from '../tensor.ts';
import { assembleSchedule } from './assemble.ts';
import { assertWithin, fitted, inOrderOfGivingUp, type Planner, peakBytes } from './budget.ts';
import { inputBuffers } from './input_buffers.ts';
import { INT8_BYTES, int8Weights } from './int8_weights.ts';
import { weightsOnce } from './layouts.ts';
import { viewRoots } from './lifetimes.ts';
import { executionOrder } from './order.ts';
import { packsOf } from './packed.ts';
import type { PlanSpec } from './plan_spec.ts';
import { Recomputation } from './recompute.ts';
import type { Schedule } from './schedule.ts';
import { lastStage, readers, streamable, visits } from './streaming.ts';

/** @throws Error when a budget is given and too small, saying what is needed */
export function createSchedule(spec: PlanSpec, caps: DeviceCaps): Schedule {
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
  const rewritten = spec.fuse === false ? traced : rewrite(traced, roots, caps);
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
      return assembleSchedule(
        { order: nodes, find: seen, sources, uses: read, visits: coming, int8: kept },
        spec,
        caps,
      );
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

function orderOf(roots: readonly Tensor[], { keepLayouts = true, weightBits }: PlanSpec): Node[] {
  const nodes = roots.map((t) => t.node);
  // Layouts made at load would be kept beside the int8 values, and in full.
  return weightBits === 8 ? weightsOnce(nodes, INT8_BYTES) : keepLayouts ? executionOrder(nodes) : weightsOnce(nodes);
}
