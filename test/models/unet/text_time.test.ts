/** SDXL's text_time conditions are checked, and computed outside stage step. Their values: commands/parity/cases/sdxl_cases.ts. */
import { describe, expect, it } from 'vitest';
import { openFixture } from '../../../commands/parity/golden.ts';
import { Config } from '../../../src/models/checkpoint/config.ts';
import { readUNet2DConditionConfig, UNet2DConditionModel } from '../../../src/models/unet/unet_2d_condition.ts';
import { WeightStore } from '../../../src/models/weights/weight_store.ts';
import { Graph } from '../../../src/tensor/graph.ts';

async function model(graph: Graph, change: object = {}): Promise<UNet2DConditionModel> {
  const file = await openFixture('unet_sdxl.safetensors');
  const config: object = JSON.parse(file.metadata.config ?? '');
  const weights = new WeightStore(graph, [file], { ignore: [/^golden/] }).sub('weights');
  return new UNet2DConditionModel(
    weights,
    readUNet2DConditionConfig(new Config('config.json', { ...config, ...change })),
  );
}

describe('text_time', () => {
  const time_ids = [64, 64, 0, 0, 64, 64];

  it('is known before the first step, down to the biases it becomes', async () => {
    const graph = new Graph();
    const unet = await model(graph);
    const text_embeds = graph.input('text_embeds', [1, 10], 'prompt');
    unet.forward(graph.input('x', [1, 4, 4, 4], 'step'), 999, graph.input('c', [1, 3, 20], 'prompt'), {
      text_embeds,
      time_ids,
    });
    const readers = graph.nodes.filter((node) =>
      node.inputs.some((t) => /\.(add_embedding|time_embedding|time_emb_proj)\./.test(t.node.name ?? '')),
    );
    expect(readers.length).toBeGreaterThan(10);
    expect(readers.filter((node) => node.stage === 'step')).toEqual([]);
    expect(readers.some((node) => node.stage === 'prompt')).toBe(true);
  });

  it('says what is missing, too much or of the wrong width', async () => {
    const graph = new Graph();
    const unet = await model(graph);
    const x = graph.input('x', [1, 4, 4, 4], 'step');
    const c = graph.input('c', [1, 3, 20], 'prompt');
    const text_embeds = graph.input('text_embeds', [1, 10], 'prompt');
    expect(() => unet.forward(x, 999, c)).toThrow('addition_embed_type "text_time", as SDXL: it needs text_embeds');
    expect(() => unet.forward(x, 999, c, { text_embeds, time_ids: [64, 64, 0, 0, 64] })).toThrow(
      'text_embeds [1, 10] with 5 time_ids of 6 sinusoids must be rows of projection_class_embeddings_input_dim, 46, together',
    );
    const two = graph.input('two', [2, 10], 'prompt');
    expect(() => unet.forward(x, 999, c, { text_embeds: two, time_ids })).toThrow('text_embeds [2, 10]');
    const plain = await model(new Graph(), { addition_embed_type: null });
    expect(() => plain.forward(x, 999, c, { text_embeds, time_ids })).toThrow('takes no text_embeds and time_ids');
  });

  it('refuses other kinds of addition, and sizes that are not there', async () => {
    await expect(model(new Graph(), { addition_embed_type: 'image' })).rejects.toThrow(
      'config.json: addition_embed_type is "image", which is not supported yet (only null and "text_time" are)',
    );
    await expect(model(new Graph(), { addition_time_embed_dim: null })).rejects.toThrow(
      'config.json: addition_time_embed_dim is missing',
    );
    await expect(model(new Graph(), { projection_class_embeddings_input_dim: 40 })).rejects.toThrow(
      /add_embedding\.linear_1\.weight has shape \[32, 46\] where \[32, 40\] is needed/,
    );
  });
});
