/** Assembles a schedule from nodes in their order: dispatches, memory for each value, and uploads of streamed weights. */
import type { DeviceCaps } from '../device/device_caps.ts';
import { keyOf, type Node } from '../graph.ts';
import type { Stage } from '../types.ts';
import { at, byteSize } from '../types.ts';
import { allocate } from './allocation.ts';
import { DedicatedBuffers, SharedLookup, type SharedRequest } from './buffers.ts';
import {
  type BoundValue,
  boundValues,
  conflictsOf,
  dequantization,
  type NodeDispatch,
  nodeDispatches,
  type Scratch,
} from './dispatches.ts';
import { type InputBuffer, writtenForm } from './input_buffers.ts';
import { type LiveInterval, lastReadStage, liveIntervals, type Reads, type ValueKey } from './liveness.ts';
import type { PlanSpec } from './plan_spec.ts';
import type { Int8Weights, Residency } from './residency.ts';
import type { BufferSpec, Location, Schedule, SharedValue, Step, Upload } from './schedule.ts';

/** Nodes in their order, and when each weight is in memory. */
export interface Arrangement {
  readonly order: readonly Node[];
  readonly valueKey: ValueKey;
  readonly inputs: readonly InputBuffer[];
  readonly reads: Reads;
  /** Residencies of the streamed weights, which are uploaded for each, and of the int8 weights, which are dequantized for each. */
  readonly residencies: readonly Residency[];
  readonly int8: Int8Weights;
}

/** Chooses kernels, allocates memory and returns the schedule of an arrangement. @throws Error when a value has no buffer */
export function assembleSchedule(arrangement: Arrangement, spec: PlanSpec, caps: DeviceCaps): Schedule {
  const { order, valueKey, inputs, reads, residencies, int8 } = arrangement;
  const updates = spec.updates ?? [];
  const results = new Set([...Object.values(spec.outputs), ...updates.map((u) => u.value)].map(valueKey));
  const values = liveIntervals(order, valueKey);
  const isPersistent = (value: LiveInterval): boolean => value.crossesStages || results.has(value.key);

  const dedicated = new DedicatedBuffers();
  const streamed = new Map(residencies.map(({ weight }) => [weight.key, weight] as const));
  for (const key of int8.keys()) {
    streamed.delete(key);
  }
  for (const input of inputs.filter(({ key }) => !streamed.has(key))) {
    const { key, node } = input;
    const loadOnly =
      node.stage === 'load' && lastReadStage(order, reads, key) === 'load' && !results.has(key) && !spec.keepLoadInputs;
    dedicated.addInput(input, loadOnly, int8.get(key));
  }
  for (const value of values.filter(isPersistent)) {
    dedicated.addResult(value);
  }

  const { dispatches, scratch, choices } = nodeDispatches(order, caps, spec);
  const transient = values.filter((value) => !isPersistent(value));
  const requests = [
    ...transient.map(requestOfValue),
    ...residencies.map((residency) => requestOfWeight(residency, int8)),
    ...scratch.map((item) => requestOfScratch(item, order)),
  ];
  const lookup = new SharedLookup(requests);
  const scratchBase = transient.length + residencies.length;
  const bound = dispatches.map((dispatch) => boundValues(dispatch, valueKey, dedicated, lookup, scratchBase));
  const { locations, bufferBytes } = allocate(requests, bound.flatMap(conflictsOf));
  const firstShared = dedicated.specs.length;
  const shared = requests.map((request, i): SharedValue => {
    const { buffer, offset } = at(locations, i);
    return { ...request, buffer: firstShared + buffer, offset };
  });

  const placedResidencies = residencies.map((residency, i): PlacedResidency => {
    const { buffer, offset } = at(shared, transient.length + i);
    return { ...residency, buffer, offset };
  });
  const locate = ({ target }: BoundValue): Location =>
    'shared' in target ? at(shared, target.shared) : { buffer: target.dedicated, offset: 0 };
  return {
    order,
    ...stepsAndUploads(dispatches, bound, placedResidencies, { locate, int8, dedicated }),
    buffers: [
      ...dedicated.specs,
      ...bufferBytes.map((bytes, i): BufferSpec => ({ bytes, kind: 'shared', name: `shared ${i}` })),
    ],
    inputs: dedicated.inputs,
    streams: new Map(
      [...streamed.values()].flatMap(({ ranges }) =>
        ranges.map(({ node }) => [node.name ?? '', writtenForm(node).type]),
      ),
    ),
    outputs: new Map(
      Object.entries(spec.outputs).map(
        ([name, t]) => [name, { buffer: dedicated.indexOf(valueKey(t)), type: t.type }] as const,
      ),
    ),
    constants: dedicated.constants,
    copies: updates.map((u) => ({
      from: dedicated.indexOf(valueKey(u.value)),
      to: dedicated.indexOf(keyOf(u.state)),
      bytes: byteSize(u.state.type),
    })),
    shared,
    choices,
  };
}

const requestOfValue = ({ key, type, stage, from, to, saved }: LiveInterval): SharedRequest => ({
  key,
  bytes: byteSize(type),
  stage,
  from,
  to,
  kind: saved ? 'saved' : 'transient',
});

const requestOfWeight = ({ weight, stage, from, to }: Residency, int8: Int8Weights): SharedRequest => ({
  key: weight.key,
  bytes: byteSize(weight.type),
  stage,
  from,
  to,
  kind: int8.has(weight.key) ? 'transient' : 'streamed',
});

const requestOfScratch = ({ type, position }: Scratch, order: readonly Node[]): SharedRequest => ({
  key: '',
  bytes: byteSize(type),
  stage: at(order, position).stage,
  from: position,
  to: position,
  kind: 'transient',
});

type PlacedResidency = Residency & Location;

interface Placement {
  readonly locate: (value: BoundValue) => Location;
  readonly int8: Int8Weights;
  readonly dedicated: DedicatedBuffers;
}

interface StepsAndUploads {
  readonly steps: Record<Stage, Step[]>;
  readonly uploads: Record<Stage, Upload[]>;
}

/** Returns the steps of each stage. Each weight arrives right before its first reader. @param bound the values of each dispatch */
function stepsAndUploads(
  dispatches: readonly NodeDispatch[],
  bound: readonly (readonly BoundValue[])[],
  residencies: readonly PlacedResidency[],
  placement: Placement,
): StepsAndUploads {
  const made: StepsAndUploads = {
    steps: { load: [], prompt: [], step: [] },
    uploads: { load: [], prompt: [], step: [] },
  };
  const pending = [...residencies].sort((a, b) => a.from - b.from);
  let next = 0;
  for (const [i, { node, dispatch, position }] of dispatches.entries()) {
    for (let weight = pending[next]; weight && weight.from <= position; weight = pending[++next]) {
      addWeight(weight, { node, position }, made, placement);
    }
    const values = at(bound, i);
    const locations = values.map(placement.locate);
    made.steps[node.stage].push({
      node,
      position,
      dispatch,
      types: values.map(({ type }) => type),
      buffers: locations.map(({ buffer }) => buffer),
      offsets: locations.map(({ offset }) => offset),
    });
  }
  return made;
}

/** Adds the step that dequantizes a weight for `reader`, or the uploads of a streamed weight. */
function addWeight(
  { weight, stage, buffer, offset }: PlacedResidency,
  { node: reader, position }: Pick<Step, 'node' | 'position'>,
  { steps, uploads }: StepsAndUploads,
  { int8, dedicated }: Placement,
): void {
  const storage = int8.get(weight.key);
  if (storage) {
    const from = dedicated.indexOf(weight.key);
    steps[stage].push({
      ...dequantization(weight, storage, reader),
      position,
      buffers: [from, from, buffer],
      offsets: [0, storage.scales, offset],
    });
    return;
  }
  const before = steps[stage].length;
  for (const { node, offset: within } of weight.ranges) {
    uploads[stage].push({ before, input: node.name ?? '', buffer, offset: offset + within, ...writtenForm(node) });
  }
}
