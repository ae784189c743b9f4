/** Plans from names and shapes alone (src/cli/plan): the folders are the public ones, and nothing of them is read but headers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readManifest } from '../../src/cli/manifest.ts';
import { hollowFiles } from '../../src/cli/plan/hollow_files.ts';
import { PLANNED_MODELS, plannedModel, planRun } from '../../src/cli/plan/plan_model.ts';
import { joined, publishedReward } from '../../src/cli/plan/published_folder.ts';
import { openSafetensors } from '../../src/tensor/safetensors.ts';
import { sizeOf } from '../../src/tensor/types.ts';

describe('models that are planned', () => {
  it('are the pocket model and those of the manifest, under its names', () => {
    expect([...PLANNED_MODELS].sort()).toEqual(['pocket', ...readManifest().models.map(({ name }) => name)].sort());
  });

  it('have their own settings', async () => {
    const { files } = plannedModel('hyper-sdxl');
    expect(JSON.parse(await files.readText('reno.json'))).toMatchObject({ timestep: 800, lr: 10 });
    expect(JSON.parse(await plannedModel('pixart').files.readText('reno.json'))).toMatchObject({ timestep: 400 });
    // sdxl-vae-fp16-fix says that it stays within f16; SDXL's own decoder does not.
    const upcast = async (name: string) =>
      JSON.parse(await plannedModel(name).files.readText('generator/vae/config.json')).force_upcast;
    expect(await upcast('sdxl-turbo')).toBe(false);
    expect(await upcast('hyper-sdxl')).toBeUndefined();
  });
});

describe('hollow files', () => {
  const files = hollowFiles('hollow', joined([publishedReward('clip'), publishedReward('image_reward')]));

  it('are safetensors of the right size, in whatever format they are published', async () => {
    const clip = await openSafetensors(await files.read('clip/model.safetensors'));
    const elements = [...clip.entries.values()].reduce((n, { shape }) => n + sizeOf(shape), 0);
    expect(elements).toBe(986_109_441);
    expect(clip.source.size).toBeGreaterThan(2 * elements);
    const reward = await openSafetensors(await files.read('image_reward/model.safetensors'));
    expect(reward.entries.get('mlp.layers.0.weight')).toMatchObject({ dtype: 'F32', shape: [1024, 768] });
  });

  it('have no values, and say so', async () => {
    const clip = await openSafetensors(await files.read('clip/model.safetensors'));
    await expect(clip.read('logit_scale')).rejects.toThrow(/clip\/model.safetensors: .* has no values/);
    await expect(files.readText('clip/absent.json')).rejects.toThrow('hollow/clip/absent.json: there is no such file');
  });
});

describe('planRun', () => {
  it('plans SD-Turbo with its four rewards in seconds', async () => {
    const { run, settings } = await planRun({ model: 'sd-turbo', size: [512, 512] });
    expect(settings).toMatchObject({
      dtype: 'f16',
      rewards: { hps: 5, clip: 0.01, pick_score: 0.05, image_reward: 1 },
    });
    expect(run.step.image.shape).toEqual([1, 512, 512, 3]);
    expect(run.step.latents.shape).toEqual([1, 4, 64, 64]);
  });

  it('refuses what it cannot plan in one sentence', async () => {
    await expect(planRun({ model: 'sd3' })).rejects.toThrow(
      'there is no model or folder "sd3"; the models are pocket, sd-turbo, sdxl-turbo, hyper-sdxl, pixart-dmd, flux-schnell',
    );
    await expect(planRun({ model: 'sd-turbo', size: [500, 512] })).rejects.toThrow(
      'a picture of 512×500 is not possible: sides must be multiples of 8',
    );
    const empty = mkdtempSync(join(tmpdir(), 'plan-'));
    await expect(planRun({ model: empty })).rejects.toThrow(`${empty}/generator/model_index.json: cannot be read`);
    rmSync(empty, { recursive: true });
  });
});
