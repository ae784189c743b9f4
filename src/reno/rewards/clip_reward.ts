/** The family of HPS, CLIPScore and PickScore: a CLIP compares picture and prompt; they differ in training, scale and offset. */
import { affine, exp, l2Normalize, mul } from '../../kernels/index.ts';
import { Config } from '../../models/checkpoint/config.ts';
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import { readConfig } from '../../models/checkpoint/read_config.ts';
import { type CLIPConfig, CLIPModel, clipConfig } from '../../models/clip/clip.ts';
import { eosMaskOf } from '../../models/clip/clip_text.ts';
import { OPEN_CLIP_ALIASES, OPEN_CLIP_BUFFERS, openClipConfig, VIT_H_14 } from '../../models/clip/open_clip.ts';
import { type ComputeDType, weightStorage } from '../../models/layers/half_precision.ts';
import { asF32 } from '../../models/layers/tokens.ts';
import type { OnCut, PromptValues, TextTokenizer, TokenizerKind } from '../../models/tokenizers/tokenizers.ts';
import type { WeightStore } from '../../models/weights/weight_store.ts';
import { openWeights } from '../../models/weights/weight_store.ts';
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { ClipCosines, type CosineMember } from './clip_cosines.ts';
import type { Reward, RewardDefinition } from './reward.ts';

/** A reward of this family: the fields of its definition, and how its score follows from a CLIP's cosine. */
interface ClipRewardKind<Name extends string = string>
  extends Pick<RewardDefinition<Name>, 'name' | 'label' | 'defaultWeight'> {
  /** First part of the graph inputs' names, and of the module path. */
  readonly key: string;
  /** loss = offset − score. */
  readonly offset: number;
  /** Whether the score is e^logit_scale · cosine, or the cosine alone. */
  readonly scaled: boolean;
  /** Names under which its weights are published; without a configuration beside it, such a file is open_clip's ViT-H-14. */
  readonly published: readonly string[];
  /** The class of the reward's own tokenizer; `fast` where none is given. */
  readonly tokenizer?: TokenizerKind;
}

/** open_clip's own names for weights and configuration. */
const OPEN_CLIP_FILES = ['open_clip_model.safetensors', 'open_clip_pytorch_model.bin'];
const OPEN_CLIP_CONFIG = 'open_clip_config.json';

/** The definition of a reward of this family. */
export function clipReward<const Name extends string>(kind: ClipRewardKind<Name>): RewardDefinition<Name> {
  const { name, label, defaultWeight } = kind;
  return {
    name,
    label,
    defaultWeight,
    signs: [OPEN_CLIP_CONFIG, ...kind.published],
    open: (graph, files, dtype, batch) => ClipReward.open(graph, kind, files, dtype, batch),
  };
}

export class ClipReward implements Reward, CosineMember {
  readonly name: string;
  readonly offset: number;
  readonly key: string;
  readonly weights: readonly [WeightStore];
  readonly model: CLIPModel;
  readonly #kind: ClipRewardKind;
  readonly #tokenizer: TextTokenizer;
  readonly #ids: Tensor;
  readonly #eosMask: Tensor;
  #cosines: ClipCosines;
  #index = 0;

  constructor(
    graph: Graph,
    kind: ClipRewardKind,
    model: CLIPModel,
    weights: WeightStore,
    tokenizer: TextTokenizer,
    dtype: ComputeDType = 'f32',
    batch = 1,
  ) {
    const length = Math.min(model.config.text_config.max_position_embeddings, tokenizer.maxLength ?? Infinity);
    tokenizer.assertFits(model.config.text_config.vocab_size, `vocab_size of ${kind.name}`);
    this.name = kind.label;
    this.offset = kind.offset;
    this.key = kind.key;
    this.weights = [weights];
    this.model = model;
    this.#kind = kind;
    this.#tokenizer = tokenizer;
    this.#ids = graph.input(`${kind.key}.prompt_ids`, [batch, length], 'prompt', 'i32');
    this.#eosMask = graph.input(`${kind.key}.eos_mask`, [batch, length], 'prompt');
    this.#cosines = new ClipCosines([this], dtype);
  }

  /** files: a CLIP as transformers or open_clip saves it, with its tokenizer. @throws Error, one sentence, naming the broken file. */
  static async open(
    graph: Graph,
    kind: ClipRewardKind,
    files: ModelFiles,
    dtype: ComputeDType = 'f32',
    batch = 1,
  ): Promise<ClipReward> {
    const config = await configOf(kind, files);
    const weights = await openWeights(graph, files, 'model', {
      name: kind.key,
      storage: weightStorage(dtype),
      aliases: OPEN_CLIP_ALIASES,
      ignore: OPEN_CLIP_BUFFERS,
      published: [...OPEN_CLIP_FILES, ...kind.published],
    });
    const model = new CLIPModel(weights, config);
    weights.assertAllUsed();
    const { openTokenizer } = await import('../../models/tokenizers/tokenizers.ts'); // A module of its own in bundles.
    return new ClipReward(graph, kind, model, weights, await openTokenizer(files, kind.tokenizer), dtype, batch);
  }

  score(image: Tensor): Tensor {
    const cosine = this.#cosines.of(image, this.#index);
    return this.#kind.scaled ? mul(cosine, exp(asF32(this.model.logit_scale))) : cosine;
  }

  textFeatures(): Tensor {
    return this.#ids.graph.scope(this.key, () => l2Normalize(this.model.getTextFeatures(this.#ids, this.#eosMask)));
  }

  share(cosines: ClipCosines, index: number): void {
    this.#cosines = cosines;
    this.#index = index;
  }

  loss(image: Tensor): Tensor {
    return affine(this.score(image), -1, this.offset);
  }

  promptValues(prompt: string, onCut?: OnCut): PromptValues {
    const { ids } = this.#tokenizer.encode(prompt, this.#ids.dim(1), this.name, onCut);
    return new Map<string, Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>([
      [`${this.#kind.key}.prompt_ids`, ids],
      [`${this.#kind.key}.eos_mask`, eosMaskOf(ids, this.model.config.text_config.eos_token_id)],
    ]);
  }
}

/** Reads config.json (transformers' or open_clip's) or open_clip_config.json; a published file without either is a ViT-H-14. */
async function configOf(kind: ClipRewardKind, files: ModelFiles): Promise<CLIPConfig> {
  if (!(await files.has('config.json'))) {
    if (await files.has(OPEN_CLIP_CONFIG)) {
      return openClipConfig(await readConfig(files, OPEN_CLIP_CONFIG));
    }
    for (const name of kind.published) {
      if (await files.has(name)) {
        return openClipConfig(new Config(name, VIT_H_14));
      }
    }
  }
  const config = await readConfig(files);
  return config.has('model_cfg') || config.has('vision_cfg') ? openClipConfig(config) : clipConfig(config);
}
