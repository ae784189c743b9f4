/** Nodes in their order, as a schedule: dispatches, a place for each value, and when streamed weights come. */

import type { DeviceCaps } from '../device_caps.ts';
import { keyOf, type Node } from '../graph.ts';
import type { Tensor } from '../tensor.ts';
import { at, byteSize } from '../types.ts';
import { boundOf, readAndWritten, type Where } from './bindings.ts';
import { draftsOf } from './drafts.ts';
import { writtenType } from './held.ts';
import type { InputBuffer } from './input_buffers.ts';
import type { Int8Buffer } from './int8_weights.ts';
import { lifetimes } from './lifetimes.ts';
import { assignPlaces } from './memory.ts';
import { OwnBuffers } from './own_buffers.ts';
import type { PlanSpec } from './plan_spec.ts';
import type { BufferSpec, Schedule, SharedValue } from './schedule.ts';
import { SharedValues } from './shared_values.ts';
import { type Place, stepsOf } from './steps.ts';
import { lastStage, type Visit } from './streaming.ts';

export interface Arrangement {
  readonly order: readonly Node[];
  /** Of a tensor, the key of the value whose buffer it has. */
  readonly find: (t: Tensor) => string;
  readonly sources: readonly InputBuffer[];
  /** Positions of the nodes that read each value. */
  readonly uses: ReadonlyMap<string, readonly number[]>;
  readonly visits: readonly Visit[];
  /** Weights that are not brought in for their visits, but expanded. */
  readonly int8: ReadonlyMap<string, Int8Buffer>;
}

export function assembleSchedule(arrangement: Arrangement, spec: PlanSpec, caps: DeviceCaps): Schedule {
  const { order, find, sources, uses, visits, int8 } = arrangement;
  const updates = spec.updates ?? [];
  const results = new Set([...Object.values(spec.outputs), ...updates.map((u) => u.value)].map(find));
  const values = [...lifetimes(order, find).values()];
  const isKept = (value: (typeof values)[number]): boolean => value.kept || results.has(value.root);

  const own = new OwnBuffers();
  const brought = visits.filter(({ source }) => !int8.has(source.key));
  const streamed = new Set(brought.map(({ source }) => source.key));
  for (const source of sources.filter(({ key }) => !streamed.has(key))) {
    const { key, node } = source;
    const loadOnly =
      node.stage === 'load' && lastStage(order, uses, key) === 'load' && !results.has(key) && !spec.keepLoadInputs;
    own.addInput(source, loadOnly, int8.get(key));
  }
  for (const value of values.filter(isKept)) {
    own.addKept(value);
  }

  const { drafts, scratch, choices } = draftsOf(order, caps, spec);
  const transient = values.filter((value) => !isKept(value));
  const shared = new SharedValues(order, transient, visits, scratch, int8);
  const bound = drafts.map((draft) => boundOf(draft, find, own, shared));
  const places = assignPlaces(shared.all, bound.flatMap(readAndWritten));
  const firstShared = own.specs.length;
  const slots = places.bytes.map((bytes, i): BufferSpec => ({ bytes, kind: 'slot', name: `shared ${i}` }));
  const placed = shared.all.map((value, i): SharedValue => {
    const { buffer, offset } = at(places.of, i);
    return { ...value, buffer: firstShared + buffer, offset };
  });
  const placeOf = (where: Where): Place =>
    'shared' in where ? at(placed, where.shared) : { buffer: where.buffer, offset: 0 };

  const comings = visits.map(({ source, stage, from }, i) => {
    const { buffer, offset } = at(placed, shared.firstVisit + i);
    return { source, stage, from, buffer, offset };
  });
  const { steps, uploads } = stepsOf(drafts, bound, comings, { placeOf, int8, own });
  return {
    steps,
    buffers: [...own.specs, ...slots],
    inputs: own.inputs,
    streams: new Map(
      brought.flatMap(({ source }) => source.parts.map(({ node }) => [node.name ?? '', writtenType(node)])),
    ),
    outputs: new Map(
      Object.entries(spec.outputs).map(([name, t]) => [name, { buffer: own.of(find(t)), type: t.type }] as const),
    ),
    constants: own.constants,
    copies: updates.map((u) => ({
      from: own.of(find(u.value)),
      to: own.of(keyOf(u.state)),
      bytes: byteSize(u.state.type),
    })),
    uploads,
    shared: placed,
    choices,
  };
}
