/** Plans a graph as it runs fastest: which nodes run, in which order, in which memory. */
import type { DeviceCaps } from '../device/device_caps.ts';
import type { Node } from '../graph.ts';
import { type RewritePass, rewrite } from '../rewrite/rewrite.ts';
import type { Tensor } from '../tensor.ts';
import { assembleSchedule } from './assembly.ts';
import { concatenatedInputs, type InputBuffer, inputBuffers } from './input_buffers.ts';
import { executionOrder, lastReadStage, type Reads, readPositions, valueKeys } from './liveness.ts';
import type { PlanSpec } from './plan_spec.ts';
import type { Recomputation } from './recomputation.ts';
import { int8Weights, MIN_INT8_WEIGHT_BYTES, residencies, streamableWeights } from './residency.ts';
import type { Schedule } from './schedule.ts';
import { storeOnce } from './weight_layout.ts';

/** Is told of the nodes after each pass: as they were traced, with each weight stored once, and after each rewriting. */
export type OnPass = (pass: 'trace' | 'layouts' | RewritePass, order: readonly Node[]) => void;

/** Makes schedules of one graph that need more or less memory. */
export interface Scheduler {
  /** Weights that the step stage reads and that may be streamed, in the order of eviction. */
  readonly stepWeights: readonly InputBuffer[];
  /** Weights that no step reads and that may be streamed. */
  readonly promptWeights: readonly InputBuffer[];
  /** The order of the nodes, the key of each value, and the values that stay: what a `Recomputation` is made of. */
  readonly recomputed: ConstructorParameters<typeof Recomputation>;
  readonly schedule: (streamed: readonly InputBuffer[], recomputation?: Recomputation) => Schedule;
}

/** Returns the schedule that runs fastest, whatever memory it takes. */
export function fastestSchedule(spec: PlanSpec, caps: DeviceCaps, onPass?: OnPass): Schedule {
  const scheduler = schedulerOf(spec, caps, onPass);
  return scheduler.schedule(spec.streamPrompt ? scheduler.promptWeights : []);
}

/** Returns the scheduler of a graph. @param onPass is told of each pass */
export function schedulerOf(spec: PlanSpec, caps: DeviceCaps, onPass: OnPass = () => {}): Scheduler {
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
    recomputed: [order, valueKey, fixed],
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

/**
 * Returns weights in the order in which to evict them from memory: the last read come first, so the rewards' before the
 * decoder's and the denoiser's. All weights cost the same: each upload costs their bytes.
 */
function evictionOrder(weights: readonly InputBuffer[], reads: Reads): InputBuffer[] {
  const firstRead = ({ key }: InputBuffer): number => reads.get(key)?.[0] ?? 0;
  return [...weights].sort((a, b) => firstRead(b) - firstRead(a));
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
