/** The networks whose gradients are compared: real depth, reduced width, inputs as their pipelines give them. */
import { slice } from '../../src/kernels/index.ts';
import { ImageReward, imageRewardConfig } from '../../src/models/blip/blip.ts';
import { CLIPVisionModelWithProjection, clipVisionConfig } from '../../src/models/clip/clip_vision.ts';
import { imageIds } from '../../src/models/flux/flux_pos_embed.ts';
import { FluxTransformer2DModel, readFluxTransformer2DConfig } from '../../src/models/flux/flux_transformer_2d.ts';
import { type ComputeDType, storedAs } from '../../src/models/layers/half_precision.ts';
import {
  PixArtTransformer2DModel,
  readPixArtTransformer2DConfig,
} from '../../src/models/pixart/pixart_transformer_2d.ts';
import { readUNet2DConditionConfig, UNet2DConditionModel } from '../../src/models/unet/unet_2d_condition.ts';
import { AUTOENCODER_KL_ENCODER, AutoencoderKL, readAutoencoderKLConfig } from '../../src/models/vae/autoencoder_kl.ts';
import { WeightStore } from '../../src/models/weights/weight_store.ts';
import { Graph } from '../../src/tensor/graph.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import type { Shape } from '../../src/tensor/types.ts';
import { dividedBy, type Narrow, type SeededNetwork, seededNetwork } from './seeded_network.ts';

/** A network traced at one input, `x`; what else is not a weight is filled with seeded values by its name. */
export interface Traced {
  readonly graph: Graph;
  readonly input: Tensor;
  readonly output: Tensor;
  readonly weights: WeightStore;
}

export interface FidelityModule {
  readonly name: string;
  /** The network's size here, for the table. */
  readonly size: string;
  readonly trace: (dtype: ComputeDType) => Traced;
}

type Forward = (x: Tensor, graph: Graph) => Tensor;

/** `build` reads weights, which are f16 whatever the activations are, and returns the network. */
function traced(
  { file, config }: SeededNetwork,
  shape: Shape,
  ignore: readonly RegExp[],
  build: (w: WeightStore, config: SeededNetwork['config']) => Forward,
): Traced {
  const graph = new Graph();
  const weights = new WeightStore(graph, [file], { ignore });
  const forward = build(weights, config);
  const input = graph.input('x', shape, 'step');
  const output = forward(input, graph);
  weights.assertAllUsed();
  return { graph, input, output, weights };
}

const text = (graph: Graph, tokens: number, width: number): Tensor => graph.input('text', [1, tokens, width], 'prompt');

/** Pictures of a quarter of the pixels: depth is what counts here, and the tokens only cost time. */
const IMAGE = 112;

const VISION = {
  hidden_size: 160,
  intermediate_size: 640,
  num_hidden_layers: 32,
  num_attention_heads: 8,
  image_size: IMAGE,
  patch_size: 14,
  hidden_act: 'gelu',
};

const clip: FidelityModule = {
  name: 'CLIP ViT-H',
  size: '32 layers × 160, 65 tokens',
  trace: (dtype) => {
    const eighth = dividedBy(8, 1024);
    const narrow: Narrow = (size, name) => (size === 257 ? 65 : eighth(size, name));
    const network = seededNetwork('clip_vit_h', narrow, { vision_config: VISION });
    return traced(network, [1, IMAGE, IMAGE, 3], [/^text_/, /^logit_scale$/], (w, config) => {
      const model = new CLIPVisionModelWithProjection(w, clipVisionConfig(config.section('vision_config')), 128);
      return (x) => storedAs(dtype, x, (pixels) => model.forward(pixels));
    });
  },
};

const BLIP_VISION = { patch_size: 16, width: 128, depth: 24, heads: 8, mlp: 512, layer_norm_eps: 1e-6 };
const BERT = {
  vocab_size: 30524,
  hidden_size: 96,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 384,
  encoder_width: 128,
  max_position_embeddings: 64,
  layer_norm_eps: 1e-12,
};
const TOKENS = 35;

const blip: FidelityModule = {
  name: 'BLIP ViT-L + BERT',
  size: '24 layers × 128, 50 tokens; 12 × 96',
  trace: (dtype) => {
    const eighth = dividedBy(8, 512);
    const narrow: Narrow = (size, name) => {
      const isFirst = name === 'mlp.layers.0.weight' && size === 768;
      return size === 197 ? 50 : name.startsWith('mlp.') && !isFirst ? size : eighth(size, name);
    };
    const changes = { vision: { ...BLIP_VISION, image_size: IMAGE }, med_config: BERT };
    const network = seededNetwork('image_reward', narrow, changes);
    return traced(network, [1, IMAGE, IMAGE, 3], [/^blip\.(vision|text)_proj\./], (w, config) => {
      const model = new ImageReward(w, imageRewardConfig(config));
      return (x, graph) => {
        const ids = graph.input('ids', [1, TOKENS], 'prompt', 'i32');
        return model.forward(x, ids, graph.constant(new Float64Array(TOKENS).fill(1), [1, TOKENS]), dtype);
      };
    });
  },
};

const UNET = { norm_num_groups: 8, block_out_channels: [40, 80, 160, 160], cross_attention_dim: 128 };

const unet: FidelityModule = {
  name: 'SD-Turbo UNet',
  size: 'channels / 8, 16² latents',
  trace: (dtype) => {
    const network = seededNetwork('sd_turbo_unet', dividedBy(8, 320), UNET);
    return traced(network, [1, 16, 16, 4], [], (w, config) => {
      const model = new UNet2DConditionModel(w, readUNet2DConditionConfig(config));
      return (x, graph) => storedAs(dtype, x, (z) => model.forward(z, 999, text(graph, 77, 128)));
    });
  },
};

const SDXL = {
  norm_num_groups: 8,
  block_out_channels: [40, 80, 160],
  cross_attention_dim: 256,
  addition_time_embed_dim: 32,
  projection_class_embeddings_input_dim: 352,
};

const sdxl: FidelityModule = {
  name: 'SDXL UNet',
  size: 'channels / 8, 16² latents',
  trace: (dtype) => {
    const network = seededNetwork('sdxl_unet', dividedBy(8, 320), SDXL);
    return traced(network, [1, 16, 16, 4], [], (w, config) => {
      const model = new UNet2DConditionModel(w, readUNet2DConditionConfig(config));
      return (x, graph) => {
        const added = { text_embeds: graph.input('pooled', [1, 160], 'prompt'), time_ids: [512, 512, 0, 0, 512, 512] };
        return storedAs(dtype, x, (z) => model.forward(z, 999, text(graph, 77, 256), added));
      };
    });
  },
};

const vae: FidelityModule = {
  name: 'VAE decoder',
  size: 'channels / 4, 16² latents, 128² pixels',
  trace: (dtype) => {
    const network = seededNetwork('sd_vae', dividedBy(4, 128), {
      norm_num_groups: 8,
      block_out_channels: [32, 64, 128, 128],
    });
    return traced(network, [1, 16, 16, 4], AUTOENCODER_KL_ENCODER, (w, config) => {
      const model = new AutoencoderKL(w, readAutoencoderKLConfig(config));
      return (x) => storedAs(dtype, x, (z) => model.decode(z));
    });
  },
};

const pixart: FidelityModule = {
  name: 'PixArt transformer',
  size: '28 blocks × 128, 256 tokens',
  trace: (dtype) => {
    const network = seededNetwork('pixart_transformer', (d) => (d % 1152 === 0 ? d / 9 : d === 4096 ? 512 : d), {
      attention_head_dim: 8,
      cross_attention_dim: 128,
      caption_channels: 512,
    });
    return traced(network, [1, 32, 32, 4], [], (w, config) => {
      const model = new PixArtTransformer2DModel(w, readPixArtTransformer2DConfig(config));
      return (x, graph) => {
        const captionMask = graph.constant(new Float64Array(120).fill(1), [1, 120]);
        const caption = text(graph, 120, 512);
        return storedAs(dtype, x, (z) => {
          const both = model.forward(z, { timestep: 400, caption, captionMask, height: 256, width: 256 });
          return slice(both, [0, 0, 0, 0], x.shape);
        });
      };
    });
  },
};

const FLUX = {
  num_attention_heads: 6,
  attention_head_dim: 16,
  joint_attention_dim: 128,
  pooled_projection_dim: 96,
  axes_dims_rope: [4, 6, 6],
};
const FLUX_SIZES: Readonly<Record<number, number>> = { 4096: 128, 768: 96, 128: 16 };

const flux: FidelityModule = {
  name: 'FLUX transformer',
  size: '19 + 38 blocks × 96, 64 + 32 tokens',
  trace: (dtype) => {
    const narrow = (d: number): number => (d % 3072 === 0 ? d / 32 : (FLUX_SIZES[d] ?? d));
    const network = seededNetwork('flux_schnell_transformer', narrow, FLUX);
    return traced(network, [1, 64, 64], [], (w, config) => {
      const model = new FluxTransformer2DModel(w, readFluxTransformer2DConfig(config));
      return (x, graph) => {
        const pooled_projections = graph.input('pooled', [1, 96], 'prompt');
        const encoder_hidden_states = text(graph, 32, 128);
        const ids = { img_ids: imageIds(8, 8), txt_ids: Array.from({ length: 32 }, () => [0, 0, 0]) };
        return storedAs(dtype, x, (tokens) =>
          model.forward(tokens, { timestep: 1000, encoder_hidden_states, pooled_projections, ...ids }),
        );
      };
    });
  },
};

/** The deepest stack of one kind of layer: what f16 accumulation is shown on. */
export const CLIP_VIT_H = clip;

export const MODULES: readonly FidelityModule[] = [clip, blip, unet, sdxl, vae, pixart, flux];
