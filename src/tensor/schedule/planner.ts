/** Plans a graph: which nodes run, in which order, and what is streamed or recomputed where memory is short. */
import type { DeviceCaps } from '../device_caps.ts';
import type { Node } from '../graph.ts';
import { type RewritePass, rewrite } from '../rewrite/rewrite.ts';
import type { Tensor } from '../tensor.ts';
import { assembleSchedule } from './assembly.ts';
import { assertFits, evictionOrder, peakBytes, type Scheduler, scheduleWithin } from './budget.ts';
import { concatenatedInputs, inputBuffers } from './input_buffers.ts';
import { executionOrder, lastReadStage, readPositions, valueKeys } from './liveness.ts';
import type { PlanSpec } from './plan_spec.ts';
import { Recomputation } from './recomputation.ts';
import { int8Weights, MIN_INT8_WEIGHT_BYTES, residencies, streamableWeights } from './residency.ts';
import type { Schedule } from './schedule.ts';
import { storeOnce } from './weight_layout.ts';

/** Is told of the nodes after each pass: as they were traced, with each weight stored once, and after each rewriting. */
export type OnPass = (pass: 'trace' | 'layouts' | RewritePass, order: readonly Node[]) => void;

/**
 * Schedules a graph for an adapter of the given capabilities.
 * @param onPass is told of each pass; where a budget makes a second plan necessary, of the passes of that plan again
 * @throws Error when a budget is given and too small; the message says how much is needed
 */
export function createSchedule(spec: PlanSpec, caps: DeviceCaps, onPass: OnPass = () => {}): Schedule {
  const { budget } = spec;
  const scheduler = schedulerOf(spec, caps, onPass);
  const fastest = scheduler.schedule(spec.streamPrompt ? scheduler.promptWeights : []);
  if (budget === undefined || peakBytes(fastest) <= budget) {
    return fastest;
  }
  const within = scheduleWithin(budget, schedulerOf({ ...spec, keepLayouts: false }, caps, onPass));
  assertFits(budget, within);
  return within;
}

function schedulerOf(spec: PlanSpec, caps: DeviceCaps, onPass: OnPass): Scheduler {
  const updates = spec.updates ?? [];
  const roots = [...Object.values(spec.outputs), ...updates.flatMap((u) => [u.state, u.value])];
  const traced = tracedOrder(roots, spec, onPass);
  const options = { weightTerms: spec.weightBits !== 8, onPass };
  const rewritten = spec.fuse === false ? traced : rewrite(traced, roots, caps, options);
  const valueKey = valueKeys(rewritten);
  const fixed = new Set(roots.map(valueKey));
  const concatenated = concatenatedInputs(rewritten, valueKey, fixed);
  const order = rewritten.filter((node) => !concatenated.has(node));
  const inputs = inputBuffers(order, concatenated);
  const reads = readPositions(order, valueKey);
  const streamable = streamableWeights(inputs, fixed);
  const int8 = int8Weights(spec.weightBits === 8 ? streamable : [], order, reads, valueKey);
  const mayStream = spec.keepLoadInputs ? [] : streamable;
  const isOfStep = (key: string): boolean => lastReadStage(order, reads, key) === 'step';
  return {
    stepWeights: evictionOrder(
      mayStream.filter(({ key }) => isOfStep(key)),
      reads,
    ),
    promptWeights: mayStream.filter(({ key }) => !isOfStep(key)),
    recomputation: () => new Recomputation(order, valueKey, fixed),
    schedule: (streamed, recomputation) => {
      const nodes = recomputation?.orderWithCopies() ?? order;
      const isSame = nodes === order;
      const currentKey = isSame ? valueKey : valueKeys(nodes);
      const currentReads = isSame ? reads : readPositions(nodes, currentKey);
      const streamedKeys = new Set(streamed.map(({ key }) => key));
      const residentInt8 = new Map([...int8].filter(([key]) => !streamedKeys.has(key)));
      const temporary = [...streamed, ...inputs.filter(({ key }) => residentInt8.has(key))];
      return assembleSchedule(
        {
          order: nodes,
          valueKey: currentKey,
          inputs,
          reads: currentReads,
          residencies: residencies(nodes, currentReads, temporary),
          int8: residentInt8,
        },
        spec,
        caps,
      );
    },
  };
}

function tracedOrder(roots: readonly Tensor[], { keepLayouts = true, weightBits }: PlanSpec, onPass: OnPass): Node[] {
  const nodes = roots.map((t) => t.node);
  const traced = executionOrder(nodes);
  onPass('trace', traced);
  if (weightBits !== 8 && keepLayouts) {
    return traced;
  }
  // A layout made by the load stage would be in memory in full, beside the int8 values.
  const stored = weightBits === 8 ? storeOnce(nodes, MIN_INT8_WEIGHT_BYTES) : storeOnce(nodes);
  onPass('layouts', stored);
  return stored;
}
