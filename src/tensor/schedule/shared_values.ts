/** Values that share buffers by lifetime: results of nodes, weights that are there for a visit, and scratch. */
import type { Node } from '../graph.ts';
import { at, byteSize } from '../types.ts';
import type { Scratch } from './drafts.ts';
import type { Lifetime } from './lifetimes.ts';
import type { SharedValue } from './schedule.ts';
import type { Visit } from './streaming.ts';

/** Before it has a place. */
export type Unplaced = Omit<SharedValue, 'buffer' | 'offset'>;

export class SharedValues {
  /** Results, then visits, then scratch. */
  readonly all: readonly Unplaced[];
  /** Where in `all` visits and scratch begin. */
  readonly firstVisit: number;
  readonly firstScratch: number;
  /** By root. */
  readonly #results: ReadonlyMap<string, number>;
  readonly #visits = new Map<string, number[]>();

  /** @param expanded keys of weights that a dispatch makes for each visit; the others are streamed */
  constructor(
    order: readonly Node[],
    results: readonly Lifetime[],
    visits: readonly Visit[],
    scratch: readonly Scratch[],
    expanded: ReadonlyMap<string, unknown>,
  ) {
    this.firstVisit = results.length;
    this.firstScratch = results.length + visits.length;
    this.all = [
      ...results.map(({ root, type, stage, from, to, saved }): Unplaced => {
        return { root, bytes: byteSize(type), stage, from, to, kind: saved ? 'saved' : 'transient' };
      }),
      ...visits.map(({ source, stage, from, to }): Unplaced => {
        const kind = expanded.has(source.key) ? 'transient' : 'streamed';
        return { root: source.key, bytes: byteSize(source.type), stage, from, to, kind };
      }),
      ...scratch.map(({ type, position }): Unplaced => {
        const { stage } = at(order, position);
        return { root: '', bytes: byteSize(type), stage, from: position, to: position, kind: 'transient' };
      }),
    ];
    this.#results = new Map(results.map(({ root }, i) => [root, i]));
    visits.forEach(({ source }, i) => {
      this.#visits.set(source.key, [...(this.#visits.get(source.key) ?? []), this.firstVisit + i]);
    });
  }

  /** Which of `all` is value `root` for a node at `position`; undefined: none. */
  find(root: string, position: number): number | undefined {
    const visit = this.#visits
      .get(root)
      ?.find((i) => at(this.all, i).from <= position && position <= at(this.all, i).to);
    return visit ?? this.#results.get(root);
  }
}
