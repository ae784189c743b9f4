import { describe, expect, it } from 'vitest';
import { Config } from '../../../src/models/checkpoint/config.ts';
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { readConfig } from '../../../src/models/checkpoint/read_config.ts';
import { oneStepOf } from '../../../src/models/schedulers/index.ts';
import { readUNet2DConditionConfig } from '../../../src/models/unet/unet_2d_condition.ts';
import { readAutoencoderKLConfig } from '../../../src/models/vae/autoencoder_kl.ts';

const UNET = {
  block_out_channels: [8, 16],
  down_block_types: ['CrossAttnDownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D'],
  norm_num_groups: 4,
  attention_head_dim: [1, 2],
};
const config = (values: unknown): Config => new Config('unet/config.json', values);

describe('config.json', () => {
  it('errors name the file, the key and what it is', () => {
    const c = config({ a: 'x', b: 1.5, c: [1, 'y'], d: null });
    expect(() => c.number('a')).toThrow('unet/config.json: a must be a finite number, but is "x"');
    expect(() => c.count('b')).toThrow('unet/config.json: b must be a positive integer of at most 1048576, but is 1.5');
    expect(() => c.counts('c')).toThrow('c must be a list of positive integers of at most 1048576, but is [1,"y"]');
    expect(() => c.string('d')).toThrow('d is missing (it must be a string)');
    expect(() => c.string('d', 'default')).toThrow('d must be a string, but is null');
    expect(c.has('d')).toBe(false);
    expect(c.string('e', 'default')).toBe('default');
    expect(() => config([])).toThrow('unet/config.json: must be a JSON object');
  });

  it('keeps false and 0 apart from absent', () => {
    const c = config({ no: false, zero: 0 });
    expect(c.boolean('no', true)).toBe(false);
    expect(c.number('zero', 1)).toBe(0);
  });

  it('that is not JSON is named', async () => {
    const files: ModelFiles = {
      name: 'model',
      has: async () => true,
      read: async () => {
        throw new Error('not asked for');
      },
      readText: async () => '{"a": ',
    };
    await expect(readConfig(files)).rejects.toThrow('model/config.json: is not valid JSON');
  });
});

describe('UNet2DConditionModel', () => {
  it('reads numbers that stand for every level', () => {
    const read = readUNet2DConditionConfig(config({ ...UNET, attention_head_dim: 2, layers_per_block: 3 }));
    expect(read.num_attention_heads).toEqual([2, 2]);
    expect(read.layers_per_block).toEqual([3, 3]);
  });

  const wrong: [change: object, message: RegExp][] = [
    [
      { sample_size: [8, 12, 4] },
      /sample_size must be a positive integer of at most 1048576, or two, but is \[8,12,4\]/,
    ],
    [{ downsample_padding: 0 }, /downsample_padding is 0, which is not supported yet \(only 1 is\)/],
    [{ block_out_channels: undefined }, /block_out_channels is missing/],
    [{ down_block_types: ['AttnDownBlock2D', 'DownBlock2D'] }, /down_block_types must be 2 of CrossAttnDownBlock2D, /],
    [{ up_block_types: ['UpBlock2D'] }, /up_block_types must be 2 of/],
    [{ attention_head_dim: [1, 3] }, /attention_head_dim \(the number of heads\) must divide .* level 1, 16/],
    [{ attention_head_dim: [1, 2, 4] }, /attention_head_dim must have 2 entries, one for each block, but has 3/],
    [{ norm_num_groups: 3 }, /norm_num_groups is 3, which does not divide 8/],
    [{ addition_embed_type: 'image' }, /addition_embed_type is "image", which is not supported yet/],
    [{ act_fn: 'mish' }, /act_fn is "mish", which is not supported yet \(only "silu" or "swish" is\)/],
    [{ mid_block_type: 'UNetMidBlock2D' }, /mid_block_type must be one of "UNetMidBlock2DCrossAttn"/],
  ];
  it.each(wrong)('%j', (change, message) => {
    const read = (): unknown => readUNet2DConditionConfig(config({ ...UNET, ...change }));
    expect(read).toThrow(message);
    expect(read).toThrow(/^unet\/config\.json: /);
  });
});

describe('others', () => {
  it('AutoencoderKL refuses what it cannot do', () => {
    const vae = { block_out_channels: [8], norm_num_groups: 4 };
    expect(() => readAutoencoderKLConfig(config({ ...vae, up_block_types: ['AttnUpDecoderBlock2D'] }))).toThrow(
      'up_block_types has AttnUpDecoderBlock2D',
    );
    expect(() => readAutoencoderKLConfig(config({ ...vae, scaling_factor: 0 }))).toThrow(
      'scaling_factor must be a number from 0.000001 to 1000000, but is 0',
    );
  });

  it('schedulers refuse what has no single step', () => {
    const step = (values: object, t?: number) => () => oneStepOf(config(values), t);
    expect(step({ _class_name: 'PNDMScheduler' })).toThrow('_class_name must be one of "EulerDiscreteScheduler"');
    expect(step({ _class_name: 'EulerDiscreteScheduler' })).toThrow('timestep_spacing is "linspace"');
    expect(step({ _class_name: 'LCMScheduler' }, 1000)).toThrow('timestep 1000 is outside the schedule');
    expect(step({ _class_name: 'DDPMScheduler' }, 400)).toThrow('clip_sample is true');
    expect(step({ _class_name: 'DDPMScheduler', clip_sample: false, variance_type: 'fixed_large' }, 400)).toThrow(
      'variance_type is "fixed_large", which adds noise after a single step',
    );
    const trailing = { _class_name: 'DDPMScheduler', clip_sample: false, timestep_spacing: 'trailing' };
    expect(step({ ...trailing, variance_type: 'fixed_large' })).toThrow('adds fresh noise');
    expect(step({ _class_name: 'FlowMatchEulerDiscreteScheduler' }, 7)).toThrow('timestep 7: a single step');
  });
});
