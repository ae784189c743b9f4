/** From the hub to a picture: pocket's files served as if they were SD-Turbo's and CLIP's, pulled, and run by the model's name. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import type { ManifestFile } from '../../../src/cli/weights/manifest.ts';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import { StandInHub } from '../../support/stand_in_hub.ts';
import { inProcess } from '../in_process.ts';

// The hub of this test serves pocket's files, which have not the sizes and hashes of the published ones.
vi.mock('../../../src/cli/weights/manifest.ts', async (original) => {
  const real = await original<typeof import('../../../src/cli/weights/manifest.ts')>();
  const open = (file: ManifestFile): ManifestFile => ({
    ...{ ...file, bytes: null, sha256: null },
    ...{ or: file.or.map(open), shards: file.shards.map(open) },
  });
  const { checkpoints, ...rest } = real.readManifest();
  const manifest = { ...rest, checkpoints: checkpoints.map((entry) => ({ ...entry, files: entry.files.map(open) })) };
  return { ...real, readManifest: () => manifest };
});

const work = mkdtempSync(join(tmpdir(), 'pulled-'));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(work, { recursive: true });
});

it('runs a model that was pulled, as it runs the folder', async () => {
  const hub = await StandInHub.start();
  const serve = (from: string, repo: string) => {
    const folder = join(PACKAGE_ROOT, 'weights/pocket', from);
    for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.includes('.'),
    )) {
      hub.put(repo, path, readFileSync(join(folder, path)), path.endsWith('.safetensors'));
    }
  };
  serve('generator', 'stabilityai/sd-turbo');
  serve('clip', 'laion/CLIP-ViT-H-14-laion2B-s32B-b79K');
  vi.stubEnv('HF_HUB_CACHE', join(work, 'hub'));
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', 'hf_test');
  const run = (model: string) =>
    inProcess([
      ...['generate', '--model', model, '--prompt', 'a red circle', '--out', join(work, model), '--no-optim'],
      ...['--rewards', 'clip', '--clip-weighting', '1', '--dtype', 'f16'],
    ]);
  const before = await run('sd-turbo');
  expect(before.stderr[0]).toMatch(/get it with: reno weights pull sd-turbo clip-tokenizer clip$/);
  const pulled = await inProcess(['weights', 'pull', 'sd-turbo', 'clip-tokenizer', 'clip', '--yes']);
  await hub.stop();
  expect(pulled.stderr).toEqual(['']);
  expect(pulled.code).toBe(0);
  const [own, made] = [await run('pocket'), await run('sd-turbo')];
  expect([own.code, made.code]).toEqual([0, 0]);
  const picture = (model: string) => readFileSync(join(work, model, 'best.png'));
  expect(picture('sd-turbo').equals(picture('pocket'))).toBe(true);
});
