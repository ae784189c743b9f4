/** What a schedule has to compute and move, op by op: counted from the graph, before anything is allocated. */
import { type Node, siteOf } from '../graph.ts';
import type { Stage } from '../types.ts';
import { STAGES } from '../types.ts';
import type { Schedule } from './schedule.ts';

export interface Work {
  readonly stage: Stage;
  /** First two parts of the module path, such as `generator.unet`. */
  readonly module: string;
  readonly backward: boolean;
  /** Made of matrix products, which matrix units (tensor cores) could do. */
  readonly products: boolean;
  readonly flops: number;
  /** Read and written if every operand crosses memory once. */
  readonly bytes: number;
  readonly dispatches: number;
}

/** By the name of the op, or of the product in the pair that it fuses. */
const PRODUCTS = /^(matmul|conv2d|attention)/;

/** One entry for each op that runs, in the order of their running. */
export function workOf({ steps }: Schedule): Work[] {
  return STAGES.flatMap((stage) => {
    const dispatches = new Map<Node, number>();
    for (const { node } of steps[stage]) {
      dispatches.set(node, (dispatches.get(node) ?? 0) + 1);
    }
    return [...dispatches].map(([node, count]) => entryOf(node, stage, count));
  });
}

function entryOf(node: Node, stage: Stage, dispatches: number): Work {
  const site = siteOf(node);
  const op = node.op?.inner?.op ?? node.op;
  const { flops, bytes } = node.op?.cost(site) ?? { flops: 0, bytes: 0 };
  return {
    stage,
    module: node.path.split('.').slice(0, 2).join('.'),
    backward: node.backward,
    products: PRODUCTS.test(op?.fusesPair?.consumer ?? op?.name ?? ''),
    flops,
    bytes,
    dispatches,
  };
}
