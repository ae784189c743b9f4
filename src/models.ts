/** Networks by their public names, and the folders that they are read from. It is the same in Node and in browsers. */
export { type Config, readConfig } from './models/checkpoint/config.ts';
export { type ModelFiles, subfolder } from './models/checkpoint/files.ts';
export { CLIPTextModel } from './models/clip/clip_text.ts';
export { CLIPVisionModel } from './models/clip/clip_vision.ts';
export { openPipeline, type PipelineOptions, type TextToImagePipeline } from './models/pipelines/index.ts';
export type { WeightOptions } from './models/weights/weight_inputs.ts';
export { openWeights, WeightStore } from './models/weights/weight_store.ts';
