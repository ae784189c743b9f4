/** Model folders that are put together from several checkpoints of the cache. */
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryFiles } from '../../../commands/parity/fixtures.ts';
import { readManifest } from '../../../src/cli/weights/manifest.ts';
import { checkpointsOf, publishedModel } from '../../../src/cli/weights/published_models.ts';
import { type ModelFiles, mounted } from '../../../src/models/checkpoint/files.ts';
import { readConfig } from '../../../src/models/checkpoint/read_config.ts';
import { oneStepOf } from '../../../src/models/schedulers/index.ts';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import { REWARD_NAMES } from '../../../src/reno/rewards/index.ts';
import { readSettings } from '../../../src/reno/settings/settings.ts';
import { putInCache } from '../../support/hub_folder.ts';
import { inProcess } from '../in_process.ts';

const work = realpathSync(mkdtempSync(join(tmpdir(), 'published-')));
const manifest = readManifest();
let cache = '';

beforeEach(() => {
  cache = mkdtempSync(join(work, 'cache-'));
  vi.stubEnv('HF_HUB_CACHE', cache);
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(work, { recursive: true }));

/** Puts every file of a checkpoint, each with its own name as its text. */
function put(name: string): void {
  const entry = manifest.checkpoints.find((one) => one.name === name);
  for (const { path } of entry?.files ?? []) {
    const index = path.endsWith('.index.json') ? '{"weight_map": {"a": "shard-1.safetensors"}}' : null;
    putInCache(cache, entry?.repo ?? '', path, index ?? `${entry?.repo}/${path}`);
  }
}

const opened = (name: string): ModelFiles => {
  const model = publishedModel(name);
  if (!model) {
    throw new Error(`no model ${name}`);
  }
  return model.files;
};

describe('the manifest', () => {
  it.each(manifest.models.map(({ name }) => name))('%s is made of what is there', async (name) => {
    const model = manifest.models.find((one) => one.name === name);
    for (const part of [...(model?.parts ?? []), ...manifest.rewards]) {
      if ('package' in part) {
        expect([part.package, existsSync(join(PACKAGE_ROOT, 'weights', part.package))]).toEqual([part.package, true]);
      } else {
        const entry = manifest.checkpoints.find((one) => one.name === part.checkpoint);
        const under = entry?.files.filter(({ path }) => `${path}/`.startsWith(part.from === '' ? '' : `${part.from}/`));
        expect([part.checkpoint, part.from, under?.length]).toEqual([part.checkpoint, part.from, expect.any(Number)]);
        expect(under?.length).toBeGreaterThan(0);
      }
    }
    expect((await readSettings(opened(name))).rewards).toEqual({
      hps: 5,
      clip: 0.01,
      pick_score: 0.05,
      image_reward: 1,
    });
  });

  it('gives each checkpoint a use', () => {
    const all = manifest.models.flatMap((model) => checkpointsOf(model, manifest, REWARD_NAMES));
    const unused = manifest.checkpoints.filter((entry) => !all.includes(entry)).map(({ name }) => name);
    // The small decoders replace others only by hand so far.
    expect(unused).toEqual(['taesd', 'taesdxl']);
  });

  it("gives HyperSDXL the reference's scheduler and step", async () => {
    const files = opened('hyper-sdxl');
    const { timestep, lr } = await readSettings(files);
    const step = oneStepOf(await readConfig(files, 'generator/scheduler/scheduler_config.json'), timestep);
    expect([lr, step.timestep, step.inputScale]).toEqual([10, 800, 1]);
    // RENO.md's coefficients, computed from the reference.
    expect(step.x0.z).toBeCloseTo(5.207937, 4);
    expect(step.x0.prediction).toBeCloseTo(-5.111028, 4);
  });

  it.each(['hyper-sdxl', 'pixart-dmd'])(
    "%s's model_index.json names the scheduler that stands beside it",
    async (name) => {
      const files = opened(name);
      const index = await readConfig(files, 'generator/model_index.json');
      const scheduler = await readConfig(files, 'generator/scheduler/scheduler_config.json');
      expect(index.value('scheduler')).toEqual(['diffusers', scheduler.string('_class_name')]);
      const { timestep = 400 } = await readSettings(files);
      expect(oneStepOf(scheduler, timestep).timestep).toBe(timestep);
    },
  );
});

describe('a published model', () => {
  it('says in one sentence what is missing and what to type', async () => {
    put('sd-turbo');
    put('hps');
    const run = (...more: string[]) =>
      inProcess(['generate', '--model', 'sd-turbo', '--prompt', 'a cat', '--out', join(work, 'out'), ...more]);
    const all = await run();
    expect(all.stderr).toEqual([
      `reno: model sd-turbo needs clip-tokenizer (laion/CLIP-ViT-H-14-laion2B-s32B-b79K), clip (laion/CLIP-ViT-H-14-laion2B-s32B-b79K), pickscore (yuvalkirstain/PickScore_v1), image-reward (zai-org/ImageReward), bert-tokenizer (google-bert/bert-base-uncased), not yet whole in ${cache}; get it with: reno weights pull clip-tokenizer clip pickscore image-reward bert-tokenizer`,
    ]);
    expect(all.code).toBe(1);
    expect((await run('--rewards', 'hps')).stderr[0]).toMatch(/get it with: reno weights pull clip-tokenizer$/);
    const other = await inProcess(['generate', '--model', 'sd3', '--prompt', 'a cat']);
    expect(other.stderr[0]).toMatch(/there is no model "sd3"; the models are pocket, sd-turbo, sdxl-turbo, hyper-sdxl/);
    expect(other.code).toBe(2);
  });

  it('needs the shards that an index names', () => {
    for (const name of ['pixart-dmd', 'pixart-base', 't5-tokenizer', 'clip', 'clip-tokenizer', 'clip-l']) {
      put(name);
    }
    const model = publishedModel('pixart-dmd');
    expect(() => model?.assertHere(['clip'])).toThrow(
      /needs pixart-base .*get it with: reno weights pull pixart-base$/,
    );
    putInCache(cache, 'PixArt-alpha/PixArt-XL-2-1024-MS', 'text_encoder/shard-1.safetensors', 'shard');
    expect(() => model?.assertHere(['clip'])).not.toThrow();
  });

  it('takes each file from its own checkpoint', async () => {
    for (const { name } of manifest.checkpoints) {
      put(name);
    }
    const text = async (model: string, path: string) =>
      (await opened(model).has(path)) ? opened(model).readText(path) : null;
    const expected: [string, string, string | null][] = [
      ['sd-turbo', 'generator/unet/config.json', 'stabilityai/sd-turbo/unet/config.json'],
      ['sd-turbo', 'generator/tokenizer/tokenizer_config.json', 'stabilityai/sd-turbo/tokenizer/tokenizer_config.json'],
      ['sd-turbo', 'generator/tokenizer/tokenizer.json', 'laion/CLIP-ViT-H-14-laion2B-s32B-b79K/tokenizer.json'],
      ['sdxl-turbo', 'generator/vae/config.json', 'madebyollin/sdxl-vae-fp16-fix/config.json'],
      [
        'sdxl-turbo',
        'generator/unet/diffusion_pytorch_model.fp16.safetensors',
        'stabilityai/sdxl-turbo/unet/diffusion_pytorch_model.fp16.safetensors',
      ],
      ['hyper-sdxl', 'generator/unet/config.json', 'stabilityai/stable-diffusion-xl-base-1.0/unet/config.json'],
      [
        'hyper-sdxl',
        'generator/unet/diffusion_pytorch_model.safetensors',
        'ByteDance/Hyper-SD/Hyper-SDXL-1step-Unet.safetensors',
      ],
      ['hyper-sdxl', 'generator/vae/config.json', 'stabilityai/stable-diffusion-xl-base-1.0/vae/config.json'],
      [
        'pixart-dmd',
        'generator/transformer/config.json',
        'PixArt-alpha/PixArt-Alpha-DMD-XL-2-512x512/transformer/config.json',
      ],
      ['pixart-dmd', 'generator/text_encoder/config.json', 'PixArt-alpha/PixArt-XL-2-1024-MS/text_encoder/config.json'],
      ['pixart-dmd', 'generator/tokenizer/tokenizer.json', 'google-t5/t5-base/tokenizer.json'],
      [
        'flux-schnell',
        'generator/tokenizer_2/tokenizer.json',
        'black-forest-labs/FLUX.1-schnell/tokenizer_2/tokenizer.json',
      ],
      ['sd-turbo', 'hps/HPS_v2.1_compressed.pt', 'xswu/HPSv2/HPS_v2.1_compressed.pt'],
      ['sd-turbo', 'hps/tokenizer.json', 'laion/CLIP-ViT-H-14-laion2B-s32B-b79K/tokenizer.json'],
      // CLIP's own weights and configuration must not serve as HPS's.
      ['sd-turbo', 'hps/model.safetensors', null],
      ['sd-turbo', 'hps/config.json', null],
      ['sd-turbo', 'clip/model.safetensors', 'laion/CLIP-ViT-H-14-laion2B-s32B-b79K/model.safetensors'],
      ['sd-turbo', 'pick_score/config.json', 'yuvalkirstain/PickScore_v1/config.json'],
      ['sd-turbo', 'image_reward/ImageReward.pt', 'zai-org/ImageReward/ImageReward.pt'],
      ['sd-turbo', 'image_reward/tokenizer.json', 'google-bert/bert-base-uncased/tokenizer.json'],
      ['sd-turbo', 'aesthetic/aesthetic.pth', 'trl-lib/ddpo-aesthetic-predictor/aesthetic-model.pth'],
      ['sd-turbo', 'aesthetic/model.safetensors', 'openai/clip-vit-large-patch14/model.safetensors'],
      ['sd-turbo', 'elsewhere/config.json', null],
    ];
    for (const [model, path, from] of expected) {
      expect([model, path, await text(model, path)]).toEqual([model, path, from]);
    }
  });
});

describe('mounted', () => {
  const files = mounted('model', [
    {
      at: 'generator',
      files: memoryFiles('base', { 'vae/config.json': 'base vae', 'unet/config.json': 'base unet' }),
      from: '',
    },
    { at: 'generator/vae', files: memoryFiles('fix', { 'config.json': 'fixed vae' }), from: '' },
    { at: 'generator/unet/config.json', files: memoryFiles('other', { 'a/b.json': 'other unet' }), from: 'a/b.json' },
    { at: 'text', files: memoryFiles('other', { 'a/b.json': 'b' }), from: 'a' },
  ]);

  it('lets the longest path answer, alone', async () => {
    expect(await files.readText('generator/vae/config.json')).toBe('fixed vae');
    expect(await files.readText('generator/unet/config.json')).toBe('other unet');
    expect(await files.readText('text/b.json')).toBe('b');
    expect(await files.has('generator/vae/model.safetensors')).toBe(false);
    expect(await files.has('generators/vae/config.json')).toBe(false);
    expect(new TextDecoder().decode(await (await files.read('text/b.json')).read(0, 1))).toBe('b');
    await expect(files.read('nowhere/a')).rejects.toThrow('model/nowhere/a: there is no such file');
  });
});
