/** Opening rewards: names, and folders that do not fit. */
import { describe, expect, it } from 'vitest';
import { Fixture, memoryFiles } from '../../../commands/parity/fixtures.ts';
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { openReward, REWARD_NAMES, REWARDS, rewardNamed } from '../../../src/reno/rewards/index.ts';
import { Graph } from '../../../src/tensor/graph.ts';

const CLIP = {
  projection_dim: 7,
  text_config: {
    vocab_size: 23,
    hidden_size: 15,
    intermediate_size: 33,
    num_hidden_layers: 3,
    num_attention_heads: 3,
    max_position_embeddings: 7,
    hidden_act: 'gelu',
    layer_norm_eps: 1e-6,
    eos_token_id: 2,
  },
  vision_config: {
    hidden_size: 21,
    intermediate_size: 37,
    num_hidden_layers: 3,
    num_attention_heads: 3,
    image_size: 15,
    patch_size: 5,
    hidden_act: 'gelu',
    layer_norm_eps: 1e-6,
  },
};

async function folder(config: object): Promise<ModelFiles> {
  const weights = await (await Fixture.open('clip_gelu')).weightsFile();
  return memoryFiles('clip', { 'config.json': JSON.stringify(config), 'model.safetensors': weights });
}

describe('rewards', () => {
  it('are known by name, with a weight each', () => {
    expect(REWARD_NAMES.map(rewardNamed)).toEqual(REWARDS);
    const paper = REWARDS.filter(({ defaultWeight }) => defaultWeight > 0);
    const weights = { hps: 5, clip: 0.01, pick_score: 0.05, image_reward: 1 };
    expect(Object.fromEntries(paper.map(({ name, defaultWeight }) => [name, defaultWeight]))).toEqual(weights);
  });

  it('name the known ones when one is not known', () => {
    expect(() => rewardNamed('beauty')).toThrow(
      'there is no reward beauty; known rewards: hps, clip, pick_score, image_reward, aesthetic',
    );
    expect(() => rewardNamed('toString')).toThrow('there is no reward toString');
  });

  it('say what is wrong with a folder, and with which file', async () => {
    const open = (files: ModelFiles) => openReward(new Graph(), 'clip', files);
    await expect(open(memoryFiles('empty', {}))).rejects.toThrow(/^empty\/config.json: /);
    await expect(open(memoryFiles('clip', { 'config.json': '{' }))).rejects.toThrow(
      /^clip\/config.json: is not valid JSON/,
    );
    await expect(open(memoryFiles('clip', { 'config.json': JSON.stringify(CLIP) }))).rejects.toThrow(
      'clip: there is no model.safetensors',
    );
    const { text_config: _, ...headless } = CLIP;
    await expect(open(await folder(headless))).rejects.toThrow(/^clip\/config.json \(text_config\): /);
    await expect(open(await folder({ ...CLIP, projection_dim: 8 }))).rejects.toThrow(
      'clip/model.safetensors: tensor text_projection.weight has shape [7, 15] where [8, 15] is needed',
    );
    const strange = { ...CLIP, vision_config: { ...CLIP.vision_config, hidden_act: 'mish' } };
    await expect(open(await folder(strange))).rejects.toThrow(
      /vision_config\): hidden_act must be one of "quick_gelu"/,
    );
    const shallow = { ...CLIP, vision_config: { ...CLIP.vision_config, num_hidden_layers: 2 } };
    await expect(open(await folder(shallow))).rejects.toThrow('tensors are not used by this model');
    await expect(open(await folder(CLIP))).rejects.toThrow(/^clip\/tokenizer.json: /);
  });
});
