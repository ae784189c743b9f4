/** Which value stands behind each binding of a dispatch. */

import type { Binding } from '../dispatch.ts';
import { outputKey } from '../graph.ts';
import type { Tensor } from '../tensor.ts';
import type { TensorType } from '../types.ts';
import { at } from '../types.ts';
import type { Draft } from './drafts.ts';
import type { OwnBuffers } from './own_buffers.ts';
import type { SharedValues } from './shared_values.ts';

/** Where a value lies: among the shared ones, or in a buffer of its own. */
export type Where = { readonly shared: number } | { readonly buffer: number };

export interface Bound {
  readonly type: TensorType;
  readonly access: Binding['access'];
  readonly where: Where;
}

/** @throws Error when a value is nowhere */
export function boundOf(
  { node, dispatch, scratchBase, position }: Draft,
  find: (t: Tensor) => string,
  own: OwnBuffers,
  shared: SharedValues,
): Bound[] {
  return dispatch.bindings.map(({ ref, access }) => {
    if ('scratch' in ref) {
      return { type: ref.type, access, where: { shared: shared.firstScratch + scratchBase + ref.scratch } };
    }
    const t = 'input' in ref ? at(node.inputs, ref.input) : null;
    const type = t ? t.type : at(node.outputs, 'output' in ref ? ref.output : 0);
    const root = t ? find(t) : outputKey(node, 'output' in ref ? ref.output : 0);
    return { type, access, where: whereIs(root, position, own, shared) };
  });
}

function whereIs(root: string, position: number, own: OwnBuffers, shared: SharedValues): Where {
  const index = shared.find(root, position);
  if (index !== undefined) {
    return { shared: index };
  }
  const buffer = own.find(root);
  if (buffer === undefined) {
    throw new Error(`value ${root} has no buffer`);
  }
  return { buffer };
}

/** Shared values that one dispatch reads and writes: they cannot lie in one buffer. */
export function readAndWritten(bindings: readonly Bound[]): [number, number][] {
  const indices = (wanted: boolean): number[] =>
    bindings.flatMap(({ access, where }) =>
      (access === 'read') === wanted && 'shared' in where ? [where.shared] : [],
    );
  return indices(true).flatMap((read) => indices(false).map((written): [number, number] => [read, written]));
}
