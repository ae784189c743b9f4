/** BLIP's image encoder, with timm's keys. Source: BLIP/models/vit.py: VisionTransformer (github.com/salesforce/BLIP). */
import { reshape, selfAttention } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Config, EPS_RANGE, inertKeys, MOST_LAYERS } from '../checkpoint/config.ts';
import { LayerNorm, Linear } from '../layers/basic.ts';
import { patchTokens } from '../layers/patch_tokens.ts';
import type { WeightStore } from '../weights/weight_store.ts';

/** The sizes of the vision transformer. `heads` and `mlp` (the inner width) are those of each block. */
export interface BlipVisionConfig {
  readonly image_size: number;
  readonly patch_size: number;
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  readonly mlp: number;
  readonly layer_norm_eps: number;
}

/** Reads a config. Absent keys have the values of ImageReward-v1.0: ViT-L/16. */
export function blipVisionConfig(config: Config): BlipVisionConfig {
  const width = config.count('width', 1024);
  const read: BlipVisionConfig = {
    image_size: config.count('image_size', 224),
    patch_size: config.count('patch_size', 16),
    width,
    depth: config.count('depth', 24, MOST_LAYERS),
    heads: config.count('heads', 16),
    mlp: config.count('mlp', 4 * width),
    layer_norm_eps: config.number('layer_norm_eps', 1e-6, EPS_RANGE),
  };
  config.assertAllKnown(inertKeys());
  return read;
}

/** timm's attention: one matrix `qkv` [3C,C] makes queries, keys and values. */
class VisionAttention {
  readonly #heads: number;
  readonly qkv: Linear;
  readonly proj: Linear;

  constructor(w: WeightStore, size: number, heads: number) {
    this.#heads = heads;
    this.qkv = new Linear(w.sub('qkv'), size, 3 * size);
    this.proj = new Linear(w.sub('proj'), size, size);
  }

  forward(x: Tensor, residual: Tensor): Tensor {
    return this.proj.forward(selfAttention(this.qkv.forward(x), { heads: this.#heads }), { residual });
  }
}

class VisionBlock {
  readonly norm1: LayerNorm;
  readonly attn: VisionAttention;
  readonly norm2: LayerNorm;
  readonly fc1: Linear;
  readonly fc2: Linear;

  constructor(w: WeightStore, config: BlipVisionConfig) {
    const { width, layer_norm_eps: eps } = config;
    this.norm1 = new LayerNorm(w.sub('norm1'), width, eps);
    this.attn = new VisionAttention(w.sub('attn'), width, config.heads);
    this.norm2 = new LayerNorm(w.sub('norm2'), width, eps);
    this.fc1 = new Linear(w.sub('mlp', 'fc1'), width, config.mlp);
    this.fc2 = new Linear(w.sub('mlp', 'fc2'), config.mlp, width);
  }

  forward(x: Tensor): Tensor {
    // 1. Self-attention. 2. Feed-forward.
    const attended = this.attn.forward(this.norm1.forward(x), x);
    return this.fc2.forward(this.fc1.forward(this.norm2.forward(attended), { activation: 'gelu' }), {
      residual: attended,
    });
  }
}

/** Returns all tokens, after the final norm. */
export class BlipVisionTransformer {
  readonly config: BlipVisionConfig;
  readonly cls_token: Tensor;
  readonly pos_embed: Tensor;
  readonly patch_embed: readonly [Tensor, Tensor];
  readonly blocks: VisionBlock[];
  readonly norm: LayerNorm;

  constructor(w: WeightStore, config: BlipVisionConfig) {
    const { width, patch_size: patch } = config;
    const tokens = Math.floor(config.image_size / patch) ** 2 + 1;
    this.config = config;
    this.cls_token = w.get('cls_token', [1, 1, width]);
    this.pos_embed = w.get('pos_embed', [1, tokens, width]);
    this.patch_embed = [
      w.get('patch_embed.proj.weight', [width, 3, patch, patch]),
      w.get('patch_embed.proj.bias', [width]),
    ];
    this.blocks = Array.from({ length: config.depth }, (_, i) => new VisionBlock(w.sub('blocks', i), config));
    this.norm = new LayerNorm(w.sub('norm'), width, config.layer_norm_eps);
  }

  /** Normalised pixels [N,H,W,3] of the configured size → tokens [N,1+patches,width]. */
  forward(pixels: Tensor): Tensor {
    const { image_size: size, width } = this.config;
    if (pixels.dim(1) !== size || pixels.dim(2) !== size) {
      throw new Error(`the model takes ${size}×${size} pixels, the image has ${pixels.dim(2)}×${pixels.dim(1)}`);
    }
    // 1. Patches and positions. 2. Blocks. 3. Last norm.
    const [weight, bias] = this.patch_embed;
    const positions = reshape(this.pos_embed, [-1, width]);
    const tokens = patchTokens(pixels, { weight, bias, classToken: this.cls_token, positions });
    return this.norm.forward(
      this.blocks.reduce((x, block, i) => x.graph.scope(`blocks.${i}`, () => block.forward(x)), tokens),
    );
  }
}
