/** A generator's folder as diffusers saves it: model_index.json, and a folder for each component. */
import type { Graph } from '../../tensor/graph.ts';
import { type Config, inertKeys } from '../checkpoint/config.ts';
import { type ModelFiles, subfolder } from '../checkpoint/files.ts';
import { DIFFUSERS_KEYS } from '../checkpoint/library_keys.ts';
import { shown } from '../checkpoint/messages.ts';
import { readConfig } from '../checkpoint/read_config.ts';
import { type ComputeDType, weightStorage } from '../layers/half_precision.ts';
import type { TextTokenizer } from '../tokenizers/tokenizers.ts';
import { DECODER_NAMES, type DecoderName, decoderClass, type LatentDecoder } from '../vae/latent_decoder.ts';
import type { WeightOptions } from '../weights/weight_inputs.ts';
import { openWeights, type WeightStore } from '../weights/weight_store.ts';
import type { PipelineOptions } from './pipeline.ts';
import { PipelineScheduler } from './pipeline_scheduler.ts';

/** Base names of the weight files that the two libraries write. */
const BASES = { diffusers: 'diffusion_pytorch_model', transformers: 'model' } as const;

/** The classes of transformers 4 that clean text in Python; those with "Fast" in their names follow tokenizer.json. */
const SLOW_TOKENIZERS = ['CLIPTokenizer', 'T5Tokenizer'] as const;

/** Parts that look at finished pictures and change none that is made here. */
const CHECKERS: ReadonlySet<string> = new Set(['safety_checker', 'feature_extractor']);

/**
 * Keys of model_index.json besides parts: notes, the safety checker's, an invisible watermark, SDXL's, which it asks for itself, and
 * the pocket generator's step in words, for programs without its scheduler.
 */
const INDEX_NOTES = inertKeys(
  [...DIFFUSERS_KEYS],
  ['requires_safety_checker', 'add_watermarker', 'force_zeros_for_empty_prompt', 'reno_one_step'],
);

/** Returns library and class of a part, which is a list of the two; an empty list for any other value. */
function partOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) && value.length === 2 ? value : [];
}

/** The libraries whose classes are known here. A part may also name a module of its own folder. */
const LIBRARIES: ReadonlySet<unknown> = new Set(['diffusers', 'transformers']);

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
  /** The number of prompts, and of pictures. */
  readonly batch: number;
  readonly #files: ModelFiles;
  readonly #options: PipelineOptions;

  constructor(graph: Graph, files: ModelFiles, index: Config, options: PipelineOptions) {
    this.graph = graph;
    this.index = index;
    this.dtype = options.dtype ?? 'f32';
    this.batch = options.batch ?? 1;
    this.#files = files;
    this.#options = options;
  }

  /**
   * Reads a component's config.json.
   * @throws Error when model_index.json names none of `classes` for the component, or config.json says another class
   */
  async component<const T extends string>(name: string, classes: readonly T[]): Promise<Component<T>> {
    const entry = this.index.value(name);
    const [library, named] = partOf(entry);
    const type = classes.find((c) => c === named && LIBRARIES.has(library));
    if (type === undefined) {
      const found = entry === undefined ? 'missing' : shown(entry);
      return this.index.fail(name, `must be a part of class ${classes.join(' or ')}, but is ${found}`);
    }
    const files = subfolder(this.#files, name);
    const config = await readConfig(files);
    if (config.has('_class_name')) {
      config.oneOf('_class_name', classes);
    }
    return { name, type, files, config };
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

  /** @param shifts whether the pipeline adds the decoder's `shift_factor` to the latents: FluxPipeline does */
  async decoder(
    dtype = this.dtype,
    shifts = false,
  ): Promise<{ readonly vae: LatentDecoder; readonly weights: WeightStore }> {
    const component = await this.decoderComponent();
    const { options, create } = decoderClass(component.type);
    const weights = await this.weights(component, 'diffusers', options, dtype);
    return { vae: create(weights, component.config, shifts), weights };
  }

  /** Opens a tokenizer as the class that model_index.json names. */
  async tokenizer(name: string): Promise<TextTokenizer> {
    const entry = this.index.value(name);
    const kind = SLOW_TOKENIZERS.find((slow) => partOf(entry)[1] === slow) ?? 'fast';
    const { openTokenizer } = await import('../tokenizers/tokenizers.ts'); // A module of its own in bundles.
    return openTokenizer(subfolder(this.#files, name), kind);
  }

  /** Tells of the parts of model_index.json that the pipeline does not use, as diffusers does. @throws Error for other keys that are not known */
  assertIndexKnown(): void {
    const parts = this.index.unasked().filter(([, value]) => partOf(value).length > 0);
    for (const [key, value] of parts) {
      const [library, type] = partOf(value);
      if (library !== null && !CHECKERS.has(key)) {
        this.index.warn(`${key} is a part of class ${shown(type)}, which this pipeline does not use; it is left out`);
      }
    }
    this.index.assertAllKnown(
      inertKeys(
        [...INDEX_NOTES],
        parts.map(([key]) => key),
      ),
    );
  }

  /** @param timestep where the single step starts, unless the options say it */
  async scheduler(timestep?: number): Promise<PipelineScheduler> {
    const config = await readConfig(this.#files, 'scheduler/scheduler_config.json');
    const entry = this.index.value('scheduler');
    const [, type] = partOf(entry);
    const named = typeof type === 'string' ? type : config.string('_class_name');
    return new PipelineScheduler(config, named, this.#options.timestep ?? timestep, this.#options.scheduler);
  }
}
