/** Published models in the page: folders of each family, Hugging Face, and SD-Turbo's plan at full size. */
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { BrowserContext, Route } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerOnlyFiles } from '../../../src/cli/plan/header_only_files.ts';
import { planRun } from '../../../src/cli/plan/planned_run.ts';
import { publishedLayout } from '../../../src/cli/plan/published_layout.ts';
import { type ModelFiles, subfolder } from '../../../src/models/checkpoint/files.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { BROWSER_PATIENCE } from '../../support/chromium.ts';
import { findings } from '../axe.ts';
import type { Studio, Tab } from '../studio.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const CLIP = join(ROOT, 'weights/pocket/clip');
const CLIP_REPO = 'laion/CLIP-ViT-H-14-laion2B-s32B-b79K';

/** Seeded small folders of the public layout. */
const FAMILIES = {
  'Stable Diffusion': { folder: 'pipeline', side: 32 },
  SDXL: { folder: 'pipeline_sdxl', side: 32 },
  PixArt: { folder: 'pipeline_pixart', side: 32 },
  FLUX: { folder: 'flux_pipeline', side: 128 },
} as const;

/** A repository of the stand-in for Hugging Face: the paths of its files, and their bytes. */
interface Repository {
  readonly paths: readonly string[];
  readonly files: ModelFiles;
}

/** Answers for huggingface.co. @param onBytes may shorten an answer, as a broken connection does */
async function answer(
  route: Route,
  repositories: Readonly<Record<string, Repository>>,
  onBytes: (path: string, range: string | null, bytes: Uint8Array) => Uint8Array = (_p, _r, bytes) => bytes,
): Promise<void> {
  const { pathname } = new URL(route.request().url());
  const [, api, listed] = /^\/(api\/models\/)?([\w.-]+\/[\w.-]+)/.exec(pathname) ?? [];
  const repository = repositories[listed ?? ''];
  const headers = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': 'Range' };
  if (!repository) {
    return route.fulfill({ status: 404, headers });
  }
  if (api) {
    const list = repository.paths.map(async (path) => ({
      type: 'file',
      path,
      size: (await repository.files.read(path)).size,
    }));
    return route.fulfill({ json: await Promise.all(list), headers });
  }
  const path = pathname.slice(`/${listed}/resolve/main/`.length);
  const source = await repository.files.read(path);
  const range = (await route.request().headerValue('range')) ?? null;
  const [, first = '0', last = ''] = /bytes=(\d+)-(\d*)/.exec(range ?? '') ?? [];
  const start = Number(first);
  const end = last === '' ? source.size : Number(last) + 1;
  const bytes = onBytes(path, range, await source.read(start, end - start));
  return route.fulfill({ status: range ? 206 : 200, body: Buffer.from(bytes), headers });
}

function repositoryOf(folder: string): Repository {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => statSync(join(folder, path)).isFile());
  return { paths, files: nodeFiles(folder) };
}

/** A published repository at full size: names and shapes without values. */
function headersOf(name: string): Repository {
  const layout = publishedLayout(name, 'at');
  const tokenizers = Object.keys(layout.tokenizers).flatMap((at) =>
    ['tokenizer.json', 'tokenizer_config.json'].map((file) => `${at}/${file}`),
  );
  const paths = [...Object.keys(layout.files), ...layout.weights.map(({ path }) => path), ...tokenizers];
  return {
    paths: paths.map((path) => path.slice('at/'.length)),
    files: subfolder(headerOnlyFiles(name, layout), 'at'),
  };
}

export function modelsSuite(studio: () => Studio): void {
  describe('published models', () => {
    let tab: Tab;
    let context: BrowserContext;
    let work: string;
    beforeAll(async () => {
      work = mkdtempSync(join(tmpdir(), 'reno-folders-'));
      // A service worker's requests cannot be answered from here.
      context = await studio().browser.newContext({ serviceWorkers: 'block' });
      tab = await studio().open({ prompt: 'a photo of a red car', iterations: '2' }, { context });
      await tab.waitFor('ready');
      await tab.page.click('#models summary');
      await tab.page.waitForFunction(() => (document.querySelector('#model') as HTMLSelectElement).options.length > 3);
    }, BROWSER_PATIENCE);
    afterAll(async () => {
      await context?.close();
      rmSync(work, { recursive: true, force: true });
    });
    const planned = async (): Promise<string> => {
      await tab.page.waitForFunction(
        () => !/^Planning|^$/.test(document.querySelector('#model-plan')?.textContent ?? ''),
        null,
        {
          timeout: BROWSER_PATIENCE,
        },
      );
      return (await tab.page.textContent('#model-plan')) ?? '';
    };
    const loadAndRun = async (): Promise<void> => {
      await tab.page.click('#model-load');
      await tab.waitFor('loading');
      await tab.waitFor('ready');
      await tab.run();
    };

    it('says what a folder lacks', async () => {
      const bare = join(work, 'bare');
      cpSync(join(ROOT, 'parity/pipeline'), bare, { recursive: true });
      await tab.page.setInputFiles('#model-folder', bare);
      expect(await planned()).toContain('no reward model beside the generator');
      expect(await findings(tab.page)).toEqual([]);
      await tab.page.setInputFiles('#model-folder', join(bare, 'unet'));
      await tab.page.waitForFunction(() =>
        /model_index/.test(document.querySelector('#model-plan')?.textContent ?? ''),
      );
    });

    for (const [family, { folder, side }] of Object.entries(FAMILIES)) {
      it(`run from a folder: ${family}`, async () => {
        const path = join(work, folder);
        cpSync(join(ROOT, 'parity', folder), path, { recursive: true });
        cpSync(CLIP, join(path, 'clip'), { recursive: true });
        await tab.page.setInputFiles('#model-folder', path);
        await tab.page.waitForFunction(
          (name) => document.querySelector('#model-plan')?.textContent?.startsWith(name),
          folder,
          {
            timeout: BROWSER_PATIENCE,
          },
        );
        expect(await planned()).toMatch(new RegExp(`draws ${side}×${side} pixels with CLIP.* needs [\\d.]+ MB`));
        await loadAndRun();
        expect(await tab.page.$eval('#best', (canvas) => (canvas as HTMLCanvasElement).width)).toBe(side);
        expect(await tab.iteration('now')).toBe(1);
        expect(await tab.loss('now')).not.toBe(await tab.loss('init'));
      });
    }

    it('come from Hugging Face: a broken download goes on, the weights are kept, listed and deleted', async () => {
      const repositories = { 'tiny/sd': repositoryOf(join(ROOT, 'parity/pipeline')), [CLIP_REPO]: repositoryOf(CLIP) };
      const asked: string[] = [];
      let breaks = true;
      await context.route('https://huggingface.co/**', (route) =>
        answer(route, repositories, (path, range, bytes) => {
          if (path.endsWith('.safetensors') && bytes.length > 1_000_000) {
            asked.push(range ?? 'whole');
            return breaks ? bytes.slice(0, 1_000_000) : bytes;
          }
          return bytes;
        }),
      );
      await tab.page.selectOption('#model', 'other');
      await tab.page.fill('#model-repo', 'tiny/sd');
      await tab.page.check('#model-rewards input[value="clip"]');
      await tab.page.click('#model-form button[type="submit"]');
      expect(await planned()).toContain('To download: 3.2 MB in 1 file,');
      await tab.page.click('#model-load');
      await tab.page.waitForFunction(() => document.documentElement.dataset.state === 'unusable', null, {
        timeout: BROWSER_PATIENCE,
      });
      expect(await tab.page.textContent('#notice')).toContain('1000000 of 3152082 bytes came');
      breaks = false;
      await tab.page.click('#notice button');
      await tab.waitFor('ready');
      expect(asked).toEqual(['whole', 'bytes=1000000-']);
      await tab.run();
      expect(await tab.page.textContent('#model-stored')).toContain(`${CLIP_REPO}: 3.2 MB`);

      await tab.page.click('#model-form button[type="submit"]');
      await tab.page.waitForSelector('#model-load:visible', { timeout: BROWSER_PATIENCE });
      expect(await tab.page.textContent('#model-load')).toBe('Load it');
      await tab.page.click(`[aria-label="Delete ${CLIP_REPO}"]`);
      await tab.page.waitForFunction(() => !document.querySelector('#model-stored')?.textContent?.includes('CLIP'));
      await context.unroute('https://huggingface.co/**');
    });

    it('have a plan at full size before anything is downloaded: SD-Turbo', async () => {
      const repositories = { 'stabilityai/sd-turbo': headersOf('sd-turbo'), [CLIP_REPO]: headersOf('clip') };
      await context.route('https://huggingface.co/**', (route) =>
        answer(route, repositories).catch((error: unknown) => route.fulfill({ status: 500, body: String(error) })),
      );
      await tab.page.selectOption('#model', 'sd-turbo');
      for (const reward of ['hps', 'pick_score', 'image_reward']) {
        await tab.page.uncheck(`#model-rewards input[value="${reward}"]`);
      }
      await tab.page.click('#model-form button[type="submit"]');
      const text = await planned();
      const [, gigabytes] = /draws 512×512 pixels with CLIP, stored as f32\. It needs ([\d.]+) GB/.exec(text) ?? [];
      const software = { f16: false, subgroups: true, subgroupMinSize: 4, subgroupMaxSize: 4, software: true };
      const { schedule } = await planRun({
        model: 'sd-turbo',
        rewards: { clip: 0.01 },
        dtype: 'f32',
        device: {
          info: { vendor: 'google', architecture: 'swiftshader', description: '' },
          caps: { ...software, maxWorkgroupStorage: 16384, maxInvocations: 256, maxStorageBuffers: 10 },
        },
      });
      const expected = schedule.buffers.reduce((sum, { bytes }) => sum + bytes, 0) / 1e9;
      expect(Math.abs(Number(gigabytes) / expected - 1)).toBeLessThan(0.05);
      expect(text).toMatch(/To download: [\d.]+ GB in \d files/);
    });
  });
}
