/** The dispatches of each node, in the variants that were chosen, before anything has a place in memory. */
import { type Choice, chooseVariant } from '../choose.ts';
import type { DeviceCaps } from '../device_caps.ts';
import type { Dispatch } from '../dispatch.ts';
import { type Node, siteOf } from '../graph.ts';
import { variantNamed } from '../op.ts';
import type { TensorType } from '../types.ts';
import type { PlanSpec } from './plan_spec.ts';

export interface Draft {
  readonly node: Node;
  readonly dispatch: Dispatch;
  /** The number, among all scratch, of the first of its op's. */
  readonly scratchBase: number;
  /** Of the node, in the order. */
  readonly position: number;
}

/** Memory that an op's dispatches share among themselves. */
export interface Scratch {
  readonly type: TensorType;
  readonly position: number;
}

export interface Drafts {
  readonly drafts: readonly Draft[];
  readonly scratch: readonly Scratch[];
  /** By op and site. */
  readonly choices: ReadonlyMap<string, Choice>;
}

/** @throws Error when an op numbers its scratch with gaps */
export function draftsOf(
  order: readonly Node[],
  caps: DeviceCaps,
  { variants: forced = {}, tuning }: PlanSpec,
): Drafts {
  const choices = new Map<string, Choice>();
  const drafts: Draft[] = [];
  const scratch: Scratch[] = [];
  order.forEach((node, position) => {
    if (!node.op || node.op.isView) {
      return;
    }
    const site = siteOf(node);
    const choice = chooseVariant(node.op, site, caps, { forced, ...(tuning ? { tuning } : {}) });
    choices.set(`${choice.op} ${choice.site}`, choice);
    const dispatches = variantNamed(node.op, choice.variant)?.dispatches(site, caps) ?? [];
    const scratchBase = scratch.length;
    const scratchTypes = new Map<number, TensorType>();
    for (const dispatch of dispatches) {
      for (const { ref } of dispatch.bindings) {
        if ('scratch' in ref) {
          scratchTypes.set(ref.scratch, ref.type);
        }
      }
      drafts.push({ node, dispatch, scratchBase, position });
    }
    for (let i = 0; i < scratchTypes.size; i++) {
      const type = scratchTypes.get(i);
      if (!type) {
        throw new Error(`${node.op.name} numbers its scratch buffers with gaps`);
      }
      scratch.push({ type, position });
    }
  });
  return { drafts, scratch, choices };
}
