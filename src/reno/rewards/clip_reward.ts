/** What HPS, CLIPScore and PickScore share: a CLIP that compares picture and prompt. */
import { exp, l2Normalize, mul, sum } from '../../kernels/index.ts';
import { CLIPModel, clipConfig } from '../../models/clip.ts';
import { asF32 } from '../../models/clip_encoder.ts';
import { eosMaskOf } from '../../models/clip_text.ts';
import { readConfig } from '../../models/config.ts';
import type { ModelFiles } from '../../models/files.ts';
import { openTokenizer, type TextTokenizer } from '../../models/tokenizers.ts';
import { openWeights, type WeightStore } from '../../models/weights.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { preprocess } from '../preprocess.ts';
import type { PromptValues } from './reward.ts';

export class ClipSimilarity {
  readonly model: CLIPModel;
  readonly weights: WeightStore;
  readonly #name: string;
  readonly #tokenizer: TextTokenizer;
  readonly #ids: Tensor;
  readonly #eosMask: Tensor;

  /** @param name first part of the graph inputs' names. */
  constructor(graph: Graph, name: string, model: CLIPModel, weights: WeightStore, tokenizer: TextTokenizer) {
    const length = Math.min(model.config.text_config.max_position_embeddings, tokenizer.maxLength ?? Infinity);
    this.model = model;
    this.weights = weights;
    this.#name = name;
    this.#tokenizer = tokenizer;
    this.#ids = graph.input(`${name}.prompt_ids`, [1, length], 'prompt', 'i32');
    this.#eosMask = graph.input(`${name}.eos_mask`, [1, length], 'prompt');
  }

  /** Reads config.json, model.safetensors and the tokenizer of a folder. @throws Error, one sentence, naming the file. */
  static async open(graph: Graph, name: string, files: ModelFiles): Promise<ClipSimilarity> {
    const config = clipConfig(await readConfig(files));
    const weights = await openWeights(graph, files, 'model', { name });
    const model = new CLIPModel(weights, config);
    weights.assertAllUsed();
    return new ClipSimilarity(graph, name, model, weights, await openTokenizer(files));
  }

  /** Cosine between the features of each image [N,H,W,3] and of the prompt → [N]. */
  cosine(image: Tensor): Tensor {
    const { graph } = image;
    return graph.scope(this.#name, () => {
      const pixels = preprocess(image, this.model.config.vision_config.image_size);
      const imageFeatures = l2Normalize(this.model.getImageFeatures(pixels));
      const textFeatures = l2Normalize(this.model.getTextFeatures(this.#ids, this.#eosMask));
      return sum(mul(imageFeatures, textFeatures), [1]);
    });
  }

  /** e^logit_scale · cosine → [N]. */
  logit(image: Tensor): Tensor {
    return mul(this.cosine(image), exp(asF32(this.model.logit_scale)));
  }

  promptValues(prompt: string): PromptValues {
    const { ids } = this.#tokenizer.encode(prompt, this.#ids.dim(1));
    return new Map<string, Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>([
      [`${this.#name}.prompt_ids`, ids],
      [`${this.#name}.eos_mask`, eosMaskOf(ids, this.model.config.text_config.eos_token_id)],
    ]);
  }
}
