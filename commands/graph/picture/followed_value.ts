/** Follows a value from pass to pass. The functions of this file also run in graph.html, so they use nothing from outside their parameters. */
import type { PassNode } from '../passes.ts';

/** The parts of a pass that following a value needs. */
export interface FollowablePass<N> {
  readonly nodes: readonly N[];
  readonly into: ReadonlyMap<number, number>;
  readonly moved: ReadonlyMap<string, string>;
}

/** Where a value is in one pass. */
export interface ValuePlace<N> {
  /** Its key; null where no node gives it any more, and in passes before the first. */
  readonly key: string | null;
  /** The node that makes it; where that was fused, the node that computes it inside. */
  readonly node: N | undefined;
}

/** Returns the place in each pass of the value that has `key` in pass number `first`. */
export function placesOf<N extends Pick<PassNode, 'id'>>(
  passes: readonly FollowablePass<N>[],
  first: number,
  key: string,
): ValuePlace<N>[] {
  let current: string | null = key;
  let maker = Number(key.split('.')[0]);
  return passes.map(({ nodes, into, moved }, i) => {
    if (i < first) {
      return { key: null, node: undefined };
    }
    const byId = new Map(nodes.map((node) => [node.id, node]));
    if (i > first) {
      current = current === null ? null : (moved.get(current) ?? current);
      maker = current === null ? maker : Number(current.split('.')[0]);
      const outer = byId.has(maker) ? undefined : into.get(maker);
      if (outer !== undefined) {
        current = null;
        maker = outer;
      }
    }
    return { key: current, node: byId.get(maker) };
  });
}

/** Returns the nodes that read a value, through views too. @param nodes in the order of execution */
export function readersOf<N extends Pick<PassNode, 'id' | 'kind' | 'inputs'>>(nodes: readonly N[], key: string): N[] {
  const keys = new Set([key]);
  return nodes.filter(({ id, kind, inputs }) => {
    const isReader = inputs.some((input) => keys.has(input));
    if (isReader && kind === 'view') {
      keys.add(`${id}.0`);
    }
    return isReader && kind !== 'view';
  });
}

/** Returns the module and the direction of a node in words. */
export function moduleWords({
  path,
  backward,
  recomputed,
}: Pick<PassNode, 'path' | 'backward' | 'recomputed'>): string {
  return `${recomputed ? 'recomputed ' : ''}${backward ? 'backward ' : ''}${path || '(no module)'}`;
}
