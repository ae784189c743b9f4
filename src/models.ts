/**
 * Networks by their public names, and the folders that they are read from. It is the same in Node and in browsers.
 * @module reno-webgpu/models
 */

export type { AliasTable, AliasTarget } from './models/checkpoint/aliases.ts';
export type { ByteSource } from './models/checkpoint/byte_source.ts';
export type { Config, InertKeys, Range } from './models/checkpoint/config.ts';
export { type ModelFiles, subfolder } from './models/checkpoint/files.ts';
export { readConfig } from './models/checkpoint/read_config.ts';
export type { RowRange, TensorEntry, TensorFile, UnreadableTensor } from './models/checkpoint/tensor_file.ts';
export type { CLIPEncoderConfig } from './models/clip/clip_encoder.ts';
export { type CLIPTextConfig, CLIPTextModel, type CLIPTextOutput, clipTextConfig } from './models/clip/clip_text.ts';
export { type CLIPVisionConfig, CLIPVisionModel, clipVisionConfig } from './models/clip/clip_vision.ts';
export { openPipeline, type PipelineOptions, type TextToImagePipeline } from './models/pipelines/index.ts';
export type { OnCut, PromptCut, PromptValues } from './models/tokenizers/tokenizers.ts';
export type { WeightSink } from './models/weights/upload.ts';
export type { WeightOptions } from './models/weights/weight_inputs.ts';
export { openWeights, WeightStore } from './models/weights/weight_store.ts';
export type { Weights } from './models/weights/weights.ts';
