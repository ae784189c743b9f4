/** From a model folder to the store of its weights. */
import type { Graph } from '../../tensor/graph.ts';
import type { ModelFiles } from '../checkpoint/files.ts';
import { openCheckpoint } from '../checkpoint/open_checkpoint.ts';
import type { WeightOptions } from './weight_inputs.ts';
import { WeightStore } from './weight_store.ts';

/**
 * Opens the weights of a model folder: safetensors or PyTorch's own format, in one file or in shards.
 * @param base `diffusion_pytorch_model` (diffusers) or `model` (transformers).
 * @throws Error naming the folder when none is there, or what is wrong with a file.
 */
export async function openWeights(
  graph: Graph,
  files: ModelFiles,
  base: string,
  options: WeightOptions = {},
): Promise<WeightStore> {
  return new WeightStore(graph, await openCheckpoint(files, base, options.published), options);
}
