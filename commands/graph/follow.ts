/** Follows one tensor through all passes: who makes it, who reads it, what it was fused into, and when it is in memory. */
import { UsageError } from '../../src/cli/usage_error.ts';
import { suggestion } from '../../src/tensor/nearest_names.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { at } from '../../src/tensor/types.ts';
import type { Lived, Pass, PassName, PassNode } from './passes.ts';
import { placesOf, readersOf } from './picture/followed_value.ts';

/** A tensor as one pass has it. */
export interface Followed {
  readonly pass: PassName;
  /** Its key there; null where no kernel stores it any more. */
  readonly key: string | null;
  /** The node that makes it; where it is not stored, the node that computes it inside; null where it is gone. */
  readonly maker: PassNode | null;
  /** The nodes that read it, through views too, in the order of execution. */
  readonly forward: readonly PassNode[];
  readonly backward: readonly PassNode[];
  readonly live: readonly Lived[];
}

/**
 * Finds the key of the tensor that a reader names.
 * @param name an id, with an output's number or without (`123`, `123.1`), a graph input, an output of the plan, or a module, whose
 *   result it then is
 * @throws UsageError with the nearest names
 */
export function tensorKey(name: string, trace: Pass, outputs: Readonly<Record<string, Tensor>>): string {
  const [, id = '', output = '0'] = /^#?(\d+)(?:\.(\d+))?$/.exec(name) ?? [];
  if (id !== '') {
    const node = trace.nodes.find((one) => one.id === Number(id));
    if (!node || Number(output) >= node.outputs.length) {
      throw new UsageError(`--tensor ${name}: the traced graph has no such tensor; "--pass trace" lists all of them`);
    }
    return `${id}.${output}`;
  }
  const named = outputs[name];
  const input = trace.nodes.find((node) => node.label === name && node.kind !== 'op' && node.kind !== 'view');
  if (named || input) {
    return named ? `${named.node.id}.${named.index}` : `${input?.id}.0`;
  }
  const result = trace.nodes.findLast(
    ({ path, backward, kind }) => !backward && kind !== 'weight' && (path === name || path.endsWith(`.${name}`)),
  );
  if (!result) {
    const known = new Set([
      ...Object.keys(outputs),
      ...trace.nodes.flatMap(({ kind, label, path }) => (kind === 'op' ? [path] : [label])),
    ]);
    throw new UsageError(`--tensor ${name}: nothing has this name (${suggestion(name, known)})`);
  }
  return `${result.id}.0`;
}

/** Returns the tensor of key `key` of the trace, in each pass. */
export function follow(passes: readonly Pass[], key: string): Followed[] {
  return placesOf(passes, 0, key).map(({ key: current, node }, i) => {
    const { name, nodes, live } = at(passes, i);
    const readers = current === null || !node ? [] : readersOf(nodes, current);
    return {
      pass: name,
      key: node ? current : null,
      maker: node ?? null,
      forward: readers.filter(({ backward }) => !backward),
      backward: readers.filter(({ backward }) => backward),
      live: (current === null ? undefined : live.get(current)) ?? [],
    };
  });
}
