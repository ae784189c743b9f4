/** FLUX against PyTorch (python/reference/flux.py): the transformer, and a block of each kind. */
import { concat, slice } from '../../../src/kernels/index.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { FluxSingleTransformerBlock, FluxTransformerBlock } from '../../../src/models/flux/flux_blocks.ts';
import { type Position, rotaryTable } from '../../../src/models/flux/flux_pos_embed.ts';
import { FluxTransformer2DModel, readFluxTransformer2DConfig } from '../../../src/models/flux/flux_transformer_2d.ts';
import { type GoldenSite, golden, type ParityCase } from '../golden.ts';

async function positions({ file }: GoldenSite, name: string): Promise<Position[]> {
  const values = await readFloats(file, `golden.${name}`);
  return Array.from({ length: values.length / 3 }, (_, i) => [...values.slice(3 * i, 3 * i + 3)]);
}

const transformer =
  (file: string, guidance: { guidance?: number }): ParityCase =>
  (precision) =>
    golden(
      file,
      {},
      async (site) => {
        const model = new FluxTransformer2DModel(site.weights, readFluxTransformer2DConfig(site.config));
        return model.forward(site.input, {
          timestep: 1000,
          encoder_hidden_states: site.extra('context'),
          pooled_projections: site.extra('pooled'),
          img_ids: await positions(site, 'img_ids'),
          txt_ids: await positions(site, 'txt_ids'),
          ...guidance,
        });
      },
      precision,
    );

async function blockSite(site: GoldenSite) {
  const config = readFluxTransformer2DConfig(site.config);
  const text = await positions(site, 'txt_ids');
  const all = [...text, ...(await positions(site, 'img_ids'))];
  return {
    size: { heads: config.num_attention_heads, head: config.attention_head_dim },
    rotary: rotaryTable(site.input.graph, all, config.axes_dims_rope),
    tokens: text.length,
  };
}

/** Text and image tokens, in that order, through one block and together again. */
const doubleBlock: ParityCase = (precision) =>
  golden(
    'flux_double_block.safetensors',
    {},
    async (site) => {
      const { size, rotary, tokens } = await blockSite(site);
      const [batch, all, dim] = [site.input.dim(0), site.input.dim(1), site.input.dim(2)];
      const text = slice(site.input, [0, 0, 0], [batch, tokens, dim]);
      const image = slice(site.input, [0, tokens, 0], [batch, all - tokens, dim]);
      const block = new FluxTransformerBlock(site.weights, size);
      const streams = block.forward({ image, text }, site.extra('temb'), rotary);
      return concat([streams.text, streams.image], 1);
    },
    precision,
  );

const singleBlock: ParityCase = (precision) =>
  golden(
    'flux_single_block.safetensors',
    {},
    async (site) => {
      const { size, rotary } = await blockSite(site);
      return new FluxSingleTransformerBlock(site.weights, size).forward(site.input, site.extra('temb'), rotary);
    },
    precision,
  );

export const CASES: Readonly<Record<string, ParityCase>> = {
  FluxTransformer2DModel: transformer('flux_transformer.safetensors', {}),
  'FluxTransformer2DModel, three heads, guidance': transformer('flux_transformer_guidance.safetensors', {
    guidance: 3.5,
  }),
  'FLUX double block': doubleBlock,
  'FLUX single block': singleBlock,
};
