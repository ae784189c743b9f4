/** A generator's folder as diffusers saves it: model_index.json, and a folder for each component. */
import type { Graph } from '../../tensor/graph.ts';
import { type Config, readConfig } from '../checkpoint/config.ts';
import { type ModelFiles, subfolder } from '../checkpoint/files.ts';
import { type ComputeDType, weightStorage } from '../layers/half_precision.ts';
import { openTokenizer, type TextTokenizer } from '../tokenizers/tokenizers.ts';
import { DECODER_NAMES, type DecoderName, decoderClass, type LatentDecoder } from '../vae/latent_decoder.ts';
import type { WeightOptions } from '../weights/weight_inputs.ts';
import { openWeights, type WeightStore } from '../weights/weight_store.ts';
import type { PipelineOptions } from './pipeline.ts';
import { PipelineScheduler } from './pipeline_scheduler.ts';

/** Base names of the weight files that the two libraries write. */
const BASES = { diffusers: 'diffusion_pytorch_model', transformers: 'model' } as const;

/** The classes of transformers 4 that clean text in Python; those with "Fast" in their names follow tokenizer.json. */
const SLOW_TOKENIZERS = ['CLIPTokenizer', 'T5Tokenizer'] as const;

/** A component of the generator: its folder, its config.json and the class that it has. */
interface Component<T extends string = string> {
  readonly name: string;
  readonly type: T;
  readonly files: ModelFiles;
  readonly config: Config;
}

export class PipelineFolder {
  /** model_index.json. */
  readonly index: Config;
  readonly graph: Graph;
  readonly dtype: ComputeDType;
  readonly #files: ModelFiles;
  readonly #options: PipelineOptions;

  constructor(graph: Graph, files: ModelFiles, index: Config, options: PipelineOptions) {
    this.graph = graph;
    this.index = index;
    this.dtype = options.dtype ?? 'f32';
    this.#files = files;
    this.#options = options;
  }

  /** Reads a component's config.json. @throws Error when model_index.json names none of `classes` for the component */
  async component<const T extends string>(name: string, classes: readonly T[]): Promise<Component<T>> {
    const entry = this.index.value(name);
    const named = Array.isArray(entry) ? entry[1] : undefined;
    const type = classes.find((c) => c === named);
    if (type === undefined) {
      const found = JSON.stringify(entry) ?? 'missing';
      return this.index.fail(name, `must be a part of class ${classes.join(' or ')}, but is ${found}`);
    }
    const files = subfolder(this.#files, name);
    return { name, type, files, config: await readConfig(files) };
  }

  /** Opens a component's weights as inputs of the graph, under the component's name. */
  weights(
    { files, name }: Component,
    library: keyof typeof BASES,
    options: Omit<WeightOptions, 'name' | 'storage'> = {},
    dtype = this.dtype,
  ): Promise<WeightStore> {
    return openWeights(this.graph, files, BASES[library], { ...options, name, storage: weightStorage(dtype) });
  }

  /** The `vae` folder. Another decoder may stand there than model_index.json names, so its own config.json comes first. */
  async decoderComponent(): Promise<Component<DecoderName>> {
    const component = await this.component('vae', DECODER_NAMES);
    return { ...component, type: component.config.oneOf('_class_name', DECODER_NAMES, component.type) };
  }

  async decoder(dtype = this.dtype): Promise<{ readonly vae: LatentDecoder; readonly weights: WeightStore }> {
    const component = await this.decoderComponent();
    const { options, create } = decoderClass(component.type);
    const weights = await this.weights(component, 'diffusers', options, dtype);
    return { vae: create(weights, component.config), weights };
  }

  /** Opens a tokenizer as the class that model_index.json names. */
  tokenizer(name: string): Promise<TextTokenizer> {
    const entry = this.index.value(name);
    const kind = SLOW_TOKENIZERS.find((slow) => Array.isArray(entry) && entry[1] === slow) ?? 'fast';
    return openTokenizer(subfolder(this.#files, name), kind);
  }

  /** @param timestep where the single step starts, unless the options say it */
  async scheduler(timestep?: number): Promise<PipelineScheduler> {
    const config = await readConfig(this.#files, 'scheduler/scheduler_config.json');
    return new PipelineScheduler(config, this.#options.timestep ?? timestep, this.#options.scheduler);
  }
}
