/** Dispatches and uploads in the order in which they happen, stage by stage. */
import type { Node } from '../graph.ts';
import type { Stage } from '../types.ts';
import { at } from '../types.ts';
import type { Bound, Where } from './bindings.ts';
import type { Draft } from './drafts.ts';
import { expansion, type Int8Buffer } from './int8_weights.ts';
import { inputSpec, type OwnBuffers } from './own_buffers.ts';
import type { Step, Upload } from './schedule.ts';
import type { Visit } from './streaming.ts';

export interface Place {
  readonly buffer: number;
  /** In bytes. */
  readonly offset: number;
}

/** A weight on its way into a shared buffer. */
export type Coming = Pick<Visit, 'source' | 'stage' | 'from'> & Place;

interface Stages {
  readonly steps: Record<Stage, Step[]>;
  readonly uploads: Record<Stage, Upload[]>;
}

export interface Around {
  readonly placeOf: (where: Where) => Place;
  /** Weights that are expanded rather than streamed. */
  readonly int8: ReadonlyMap<string, Int8Buffer>;
  readonly own: OwnBuffers;
}

/** By stage, each weight right before the first that reads it. @param bound of each draft */
export function stepsOf(
  drafts: readonly Draft[],
  bound: readonly (readonly Bound[])[],
  comings: readonly Coming[],
  around: Around,
): Stages {
  const made: Stages = { steps: { load: [], prompt: [], step: [] }, uploads: { load: [], prompt: [], step: [] } };
  const waiting = [...comings].sort((a, b) => a.from - b.from);
  let next = 0;
  for (const [i, { node, dispatch, position }] of drafts.entries()) {
    for (let coming = waiting[next]; coming && coming.from <= position; coming = waiting[++next]) {
      bring(coming, node, made, around);
    }
    const bindings = at(bound, i).map(({ type, where }) => ({ type, ...around.placeOf(where) }));
    made.steps[node.stage].push({
      node,
      dispatch,
      types: bindings.map((b) => b.type),
      buffers: bindings.map((b) => b.buffer),
      offsets: bindings.map((b) => b.offset),
    });
  }
  return made;
}

/** Uploads a weight for `reader`, or expands it. */
function bring(
  { source, stage, buffer, offset }: Coming,
  reader: Node,
  { steps, uploads }: Stages,
  { int8, own }: Around,
): void {
  const rounded = int8.get(source.key);
  if (rounded) {
    const from = own.of(source.key);
    steps[stage].push({
      ...expansion(source, rounded, reader),
      buffers: [from, from, buffer],
      offsets: [0, rounded.scales, offset],
    });
    return;
  }
  const before = steps[stage].length;
  for (const { node: part, offset: within } of source.parts) {
    const spec = inputSpec(part, buffer, { offset: offset + within });
    uploads[stage].push({ before, input: part.name ?? '', ...spec });
  }
}
