/** open_clip's configurations: the values, the refusals, and which file of a folder is taken. Values: test/reno/rewards/reward_losses.test.ts. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { memoryFiles } from '../../../commands/parity/fixtures.ts';
import { FIXTURES } from '../../../commands/parity/golden.ts';
import { Config } from '../../../src/models/checkpoint/config.ts';
import { openClipConfig, VIT_H_14 } from '../../../src/models/clip/open_clip.ts';
import { openReward } from '../../../src/reno/rewards/index.ts';
import { Graph } from '../../../src/tensor/graph.ts';

const read = (config: object) => openClipConfig(new Config('open_clip_config.json', config));
const PUBLISHED = 'HPS_v2.1_compressed.pt';

describe("open_clip's configuration", () => {
  it('of ViT-H-14 is that of laion/CLIP-ViT-H-14', () => {
    const { text_config: text, vision_config: vision, projection_dim } = read({ model_cfg: VIT_H_14 });
    expect(projection_dim).toBe(1024);
    expect(text).toMatchObject({
      hidden_size: 1024,
      intermediate_size: 4096,
      num_attention_heads: 16,
      hidden_act: 'gelu',
    });
    expect(vision).toMatchObject({
      hidden_size: 1280,
      intermediate_size: 5120,
      num_attention_heads: 16,
      patch_size: 14,
    });
    expect(read(VIT_H_14)).toEqual(read({ model_cfg: VIT_H_14 }));
  });

  it('says which setting makes another network of it', () => {
    const vision = (settings: object) => () =>
      read({ ...VIT_H_14, vision_cfg: { ...VIT_H_14.vision_cfg, ...settings } });
    expect(vision({ timm_model_name: 'vit_base' })).toThrow(
      'open_clip_config.json (vision_cfg): timm_model_name is "vit_base"; only an open_clip model where it is absent can be read',
    );
    expect(vision({ pool_type: 'avg' })).toThrow('pool_type is "avg"; only an open_clip model where it is "tok"');
    expect(vision({ layers: [3, 4, 6, 3] })).toThrow(
      '(vision_cfg): layers must be a positive integer of at most 1000, but is [3,4,6,3]',
    );
    expect(vision({ head_width: 96 })).toThrow('head_width is 96, which does not divide the width 1280');
  });
});

describe("HPS's folder", () => {
  it('needs no configuration where the published file is', async () => {
    const weights = await readFile(`${FIXTURES}/rewards/hps/${PUBLISHED}`);
    const open = openReward(new Graph(), 'hps', memoryFiles('hps', { [PUBLISHED]: weights }));
    await expect(open).rejects.toThrow(
      `hps/${PUBLISHED}: tensor text_model.embeddings.token_embedding.weight has shape [13, 16] where [49408, 1024] is needed`,
    );
  });

  it('is asked for a configuration where it is not', async () => {
    const weights = await readFile(`${FIXTURES}/rewards/hps_open_clip/open_clip_model.safetensors`);
    const open = openReward(new Graph(), 'hps', memoryFiles('hps', { 'open_clip_model.safetensors': weights }));
    await expect(open).rejects.toThrow('hps/config.json: there is no such file');
  });
});
