/** Generators by the pipeline class that model_index.json names. */
import type { Graph } from '../../tensor/graph.ts';
import type { ModelFiles } from '../checkpoint/files.ts';
import { readConfig } from '../checkpoint/read_config.ts';
import { FluxPipeline } from './flux.ts';
import type { PipelineOptions, TextToImagePipeline } from './pipeline.ts';
import { PipelineFolder } from './pipeline_folder.ts';
import { PixArtAlphaPipeline } from './pixart_alpha.ts';
import { StableDiffusionPipeline } from './stable_diffusion.ts';
import { StableDiffusionXLPipeline } from './stable_diffusion_xl.ts';

export { isStepwise, type PipelineOptions, type StepwisePipeline, type TextToImagePipeline } from './pipeline.ts';

const PIPELINES = {
  FluxPipeline,
  PixArtAlphaPipeline,
  StableDiffusionPipeline,
  StableDiffusionXLPipeline,
} as const;
const NAMES = Object.keys(PIPELINES) as (keyof typeof PIPELINES)[];

/**
 * Opens a folder as diffusers saves it, and declares weights and prompt as inputs of `graph`.
 * @throws Error, one sentence with file and key or tensor, for what is missing, malformed or not supported yet
 */
export async function openPipeline(
  graph: Graph,
  files: ModelFiles,
  options: PipelineOptions = {},
): Promise<TextToImagePipeline> {
  const index = await readConfig(files, 'model_index.json');
  const pipeline = PIPELINES[index.oneOf('_class_name', NAMES)];
  const folder = new PipelineFolder(graph, files, index, options);
  const opened = await pipeline.open(folder);
  folder.assertIndexKnown();
  return opened;
}
