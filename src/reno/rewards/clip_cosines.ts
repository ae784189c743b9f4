/**
 * Cosines between pictures and prompts by one CLIP, or by several whose image encoders have one shape: HPSv2, CLIPScore and
 * PickScore are all ViT-H/14 and see the same picture, so their image encoders run as one batch, three products in one.
 */
import { concat, l2Normalize, mul, reshape, slice, sum } from '../../kernels/index.ts';
import type { CLIPModel } from '../../models/clip/clip.ts';
import { CLIPVisionModelWithProjection } from '../../models/clip/clip_vision.ts';
import { type ComputeDType, storedAs } from '../../models/layers/half_precision.ts';
import { BINDING_BYTES } from '../../models/layers/large_embedding.ts';
import type { WeightStore } from '../../models/weights/weight_store.ts';
import { StackedWeights } from '../../models/weights/weights.ts';
import { keyOf } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { append, at, byteSize } from '../../tensor/types.ts';
import { preprocess } from './preprocess.ts';

/** A CLIP and its prompt. */
export interface CosineMember {
  /** The member's part of the module path. */
  readonly key: string;
  readonly model: CLIPModel;
  readonly weights: readonly [WeightStore];
  /** Features of the prompt, of length 1: [1,P], or [N,P] where each picture has a prompt of its own. */
  textFeatures(): Tensor;
  /** Makes this member read its cosines from `cosines`, at position `index`. */
  share(cosines: ClipCosines, index: number): void;
}

export class ClipCosines {
  readonly #members: readonly CosineMember[];
  readonly #images: CLIPVisionModelWithProjection;
  readonly #dtype: ComputeDType;
  /** The cosines of each picture: the graph does not find nodes of half precision again by itself. */
  readonly #made = new Map<string, Tensor>();

  /** @param dtype of the image encoders' activations */
  constructor(members: readonly CosineMember[], dtype: ComputeDType) {
    const { model } = at(members, 0);
    const { vision_config, projection_dim } = model.config;
    const stores = members.map(({ weights }) => weights[0]);
    this.#members = members;
    this.#dtype = dtype;
    this.#images =
      members.length === 1
        ? model.image_encoder
        : new CLIPVisionModelWithProjection(new StackedWeights(stores), vision_config, projection_dim);
  }

  /** image [N,H,W,3] in [0,1] → cosine of each picture and its prompt by member `index`, [N]. */
  of(image: Tensor, index: number): Tensor {
    const name = keyOf(image);
    const all = this.#made.get(name) ?? this.#all(image);
    this.#made.set(name, all);
    return reshape(slice(all, [index, 0], [1, all.dim(1)]), [all.dim(1)]);
  }

  /** [R,N] for R members. */
  #all(image: Tensor): Tensor {
    const texts = concat(
      this.#members.map((member) => {
        const features = member.textFeatures();
        return reshape(features, [1, ...features.shape]);
      }),
      0,
    );
    return image.graph.scope(this.#members.map(({ key }) => key).join('+'), () => {
      const pixels = preprocess(image, this.#images.vision_model.config.image_size);
      const features = storedAs(this.#dtype, pixels, (p) => this.#images.forward(p));
      const images = reshape(features, [texts.dim(0), image.dim(0), features.dim(-1)]);
      return sum(mul(l2Normalize(images), texts), [2]);
    });
  }
}

/** Joins members whose image encoders have one shape and storage into a batch, if one binding can hold a weight of all. */
export function shareCosines(members: readonly CosineMember[], dtype: ComputeDType): void {
  const alike = new Map<string, CosineMember[]>();
  for (const member of members) {
    const { vision_config, projection_dim } = member.model.config;
    const storage = largestOf(member).dtype;
    const key = JSON.stringify([Object.entries(vision_config).sort(), projection_dim, storage]);
    append(alike, key, member);
  }
  for (const group of alike.values()) {
    const bytes = group.reduce((n, member) => n + byteSize(largestOf(member).type), 0);
    if (group.length > 1 && bytes <= BINDING_BYTES) {
      const cosines = new ClipCosines(group, dtype);
      group.forEach((member, i) => {
        member.share(cosines, i);
      });
    }
  }
}

/** The largest weight of a layer. */
function largestOf({ model }: CosineMember): Tensor {
  const { self_attn, fc1 } = at(model.image_encoder.vision_model.encoder.layers, 0);
  return byteSize(self_attn.qkv.weight.type) > byteSize(fc1.weight.type) ? self_attn.qkv.weight : fc1.weight;
}
