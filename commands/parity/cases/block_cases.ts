/** diffusers' blocks one by one (python/reference/blocks.py): where a network that differs starts to. */
import { concat, reshape } from '../../../src/kernels/index.ts';
import { Config } from '../../../src/models/checkpoint/config.ts';
import {
  BasicTransformerBlock,
  CrossAttention,
  FeedForward,
  SelfAttention,
  Transformer2DModel,
} from '../../../src/models/layers/attention_block.ts';
import { TimestepEmbedding } from '../../../src/models/layers/embeddings.ts';
import { Downsample2D, ResnetBlock2D, Upsample2D } from '../../../src/models/layers/resnet.ts';
import { DownBlock2D, UNetMidBlock2DCrossAttn, UpBlock2D } from '../../../src/models/unet/unet_blocks.ts';
import {
  Decoder,
  readAutoencoderKLConfig,
  UNetMidBlock2D,
  UpDecoderBlock2D,
} from '../../../src/models/vae/autoencoder_kl.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { type GoldenSite, golden, type ParityCase } from '../golden.ts';

const block =
  (name: string, build: (site: GoldenSite) => Tensor): ParityCase =>
  (precision) => {
    const layout = {
      weights: `${name}.weights.`,
      inputs: `${name}.`,
      input: 'input',
      output: `${name}.output`,
      gradient: `${name}.gradient`,
      cotangent: `${name}.cotangent`,
    };
    return golden('blocks.safetensors', { layout }, build, precision);
  };

/** All results in one, as `flat` of blocks.py. */
const flat = ({ hidden, skips }: { hidden: Tensor; skips: readonly Tensor[] }): Tensor =>
  concat(
    [hidden, ...skips].map((x) => reshape(x, [-1])),
    0,
  );

const TEMB = 20;
const CONTEXT = 12;
const level = { temb_channels: TEMB, groups: 4, eps: 1e-5, cross_attention_dim: CONTEXT };
const plain = { in_channels: 8, out_channels: 8, groups: 2, eps: 1e-6, temb_channels: null };
const down = { ...level, in_channels: 8, out_channels: 16, layers: 2 };
const up = { ...level, in_channels: 16, out_channels: 16, skip_channels: [16, 8] };
const transformer = { channels: 16, heads: 2, layers: 2, groups: 4, cross_attention_dim: CONTEXT };
const decoder = { block_out_channels: [8, 16], layers_per_block: 2, norm_num_groups: 4 };

const downBlock = (name: string, heads: number | null, downsample: boolean): ParityCase =>
  block(name, ({ weights, input, extra }) => {
    const attention = heads === null ? null : { heads, layers: 2 };
    const model = new DownBlock2D(weights, { ...down, attention, downsample });
    // A plain block does not look at the text: any tensor stands for it.
    return flat(model.forward(input, extra('temb'), attention ? extra('context') : input));
  });

const upBlock = (name: string, heads: number | null, upsample: boolean): ParityCase =>
  block(name, ({ weights, input, extra }) => {
    const attention = heads === null ? null : { heads, layers: 2 };
    const model = new UpBlock2D(weights, { ...up, attention, upsample });
    const skips = [extra('skip1'), extra('skip0')];
    return model.forward(input, skips, extra('temb'), attention ? extra('context') : input);
  });

export const CASES: Readonly<Record<string, ParityCase>> = {
  TimestepEmbedding: block('timestep_embedding', ({ weights, input }) =>
    new TimestepEmbedding(weights, 8, TEMB).forward(input),
  ),
  'ResnetBlock2D with time embedding and shortcut': block('resnet', ({ weights, input, extra }) => {
    const config = { in_channels: 8, out_channels: 12, groups: 4, eps: 1e-6, temb_channels: TEMB };
    return new ResnetBlock2D(weights, config).forward(input, extra('temb'));
  }),
  'ResnetBlock2D without': block('resnet_plain', ({ weights, input }) =>
    new ResnetBlock2D(weights, plain).forward(input, null),
  ),
  Downsample2D: block('downsample', ({ weights, input }) => new Downsample2D(weights, 8).forward(input)),
  Upsample2D: block('upsample', ({ weights, input }) => new Upsample2D(weights, 8).forward(input)),
  'Upsample2D to an odd size': block('upsample_odd', ({ weights, input }) =>
    new Upsample2D(weights, 8).forward(input, [5, 3]),
  ),
  'Attention to itself, with biases': block('attention', ({ weights, input }) => {
    return new SelfAttention(weights, { dim: 16, heads: 4, bias: true }).forward(input);
  }),
  'Attention to the text': block('cross_attention', ({ weights, input, extra }) => {
    const config = { dim: 16, heads: 2, bias: false };
    return new CrossAttention(weights, config, CONTEXT).forward(input, extra('context'));
  }),
  'FeedForward with GEGLU': block('feed_forward', ({ weights, input }) => new FeedForward(weights, 16).forward(input)),
  BasicTransformerBlock: block('basic_transformer', ({ weights, input, extra }) =>
    new BasicTransformerBlock(weights, 16, 4, CONTEXT).forward(input, extra('context')),
  ),
  'Transformer2DModel, linear projections': block('transformer_linear', ({ weights, input, extra }) =>
    new Transformer2DModel(weights, transformer).forward(input, extra('context')),
  ),
  'Transformer2DModel, convolution projections': block('transformer_conv', ({ weights, input, extra }) =>
    new Transformer2DModel(weights, transformer).forward(input, extra('context')),
  ),
  DownBlock2D: downBlock('down', null, true),
  'DownBlock2D of the last level': downBlock('down_last', null, false),
  CrossAttnDownBlock2D: downBlock('down_cross', 4, true),
  UNetMidBlock2DCrossAttn: block('mid_cross', ({ weights, input, extra }) => {
    const model = new UNetMidBlock2DCrossAttn(weights, { ...level, channels: 16, attention: { heads: 2, layers: 2 } });
    return model.forward(input, extra('temb'), extra('context'));
  }),
  UpBlock2D: upBlock('up', null, true),
  'UpBlock2D of the last level': upBlock('up_last', null, false),
  CrossAttnUpBlock2D: upBlock('up_cross', 2, true),
  'UNetMidBlock2D of the autoencoder': block('vae_mid', ({ weights, input }) =>
    new UNetMidBlock2D(weights, 8, 4, true).forward(input),
  ),
  'UpDecoderBlock2D of the autoencoder': block('vae_up', ({ weights, input }) =>
    new UpDecoderBlock2D(weights, 16, 8, 3, 4, true).forward(input),
  ),
  'Decoder of the autoencoder': block('vae_decoder', ({ weights, input }) =>
    new Decoder(weights, readAutoencoderKLConfig(new Config('vae_decoder', decoder))).forward(input),
  ),
};
