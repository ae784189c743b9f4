/** How a plan keeps weights, by how many there are. */
import { byteSize } from '../../tensor/types.ts';
import type { WeightStore } from './weight_store.ts';

/** From here on weights are kept once, and their other layouts made where they are read: bytes. */
const MANY_WEIGHTS = 2 ** 30;

/**
 * How a plan keeps weights: where little is asked of these checkpoints, all of them, in every layout; else each once, and
 * those that no step reads are streamed.
 */
export function weightMemory(stores: readonly WeightStore[]): { keepLayouts: boolean; streamPrompt: boolean } {
  const bytes = stores.flatMap((store) => store.used()).reduce((n, tensor) => n + byteSize(tensor.type), 0);
  const few = bytes < MANY_WEIGHTS;
  return { keepLayouts: few, streamPrompt: !few };
}
