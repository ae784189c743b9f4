/** The Hugging Face cache read in place, and `reno weights` over it: a cache made here, in the layout the hub documents. */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, realpathSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { blobHash, hubCacheFolder, parseHubRepo, snapshotFolder } from '../../../src/cli/weights/hub_cache.ts';
import { readManifest } from '../../../src/cli/weights/manifest.ts';
import { verifyFile } from '../../../src/cli/weights/verify_file.ts';
import { writeSafetensors } from '../../../src/models/checkpoint/safetensors/write_safetensors.ts';
import { openWeights } from '../../../src/models/weights/weight_store.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import { putInCache } from '../../support/hub_folder.ts';
import { torchArchive } from '../../support/pickles.ts';
import { COMMIT } from '../../support/stand_in_hub.ts';
import { inProcess } from '../in_process.ts';

const tensor = { shape: [2], data: new Float32Array([1, 2]) };
let work = '';
let cache = '';

beforeAll(() => {
  work = realpathSync(mkdtempSync(join(tmpdir(), 'hub-')));
});
afterAll(() => rmSync(work, { recursive: true }));
beforeEach(() => {
  cache = mkdtempSync(join(work, 'cache-'));
  vi.stubEnv('HF_HUB_CACHE', cache);
});
afterEach(() => vi.unstubAllEnvs());

function put(repo: string, path: string, content: Uint8Array | string, large = true): string {
  return putInCache(cache, repo, path, content, large);
}

/** All of the manifest's `clip`, small. */
function putClip(): string[] {
  const repo = 'laion/CLIP-ViT-H-14-laion2B-s32B-b79K';
  return [
    put(repo, 'config.json', '{}', false),
    put(repo, 'tokenizer.json', '{"model": {}}', false),
    put(repo, 'tokenizer_config.json', '{ }', false),
    put(repo, 'pytorch_model.bin', torchArchive({ a: tensor })),
  ];
}

describe('the cache', () => {
  it('is where the environment says', () => {
    const folder = (env: Record<string, string>): string => hubCacheFolder(env, '/home/me');
    expect(folder({})).toBe('/home/me/.cache/huggingface/hub');
    expect(folder({ XDG_CACHE_HOME: '/x' })).toBe('/x/huggingface/hub');
    expect(folder({ XDG_CACHE_HOME: '/x', HF_HOME: '/hf' })).toBe('/hf/hub');
    expect(folder({ HF_HOME: '/hf', HF_HUB_CACHE: '/c' })).toBe('/c');
    expect(folder({ HF_HOME: '/hf', HUGGINGFACE_HUB_CACHE: '/c' })).toBe('/c');
    expect(folder({ HF_HUB_CACHE: '~/c' })).toBe('/home/me/c');
  });

  it('gives the snapshot of a branch or of a commit', () => {
    put('me/model', 'config.json', '{}', false);
    const folder = join(cache, 'models--me--model/snapshots', COMMIT);
    expect(snapshotFolder({ repo: 'me/model', revision: 'main' })).toBe(folder);
    expect(snapshotFolder({ repo: 'me/model', revision: COMMIT })).toBe(folder);
    expect(snapshotFolder({ repo: 'me/model', revision: 'v2' })).toBeNull();
    expect(snapshotFolder({ repo: 'me/other', revision: 'main' })).toBeNull();
  });

  it('does not leave its folder', () => {
    expect(parseHubRepo('me/model')).toEqual({ repo: 'me/model', revision: 'main' });
    expect(parseHubRepo('me/model.v1@refs/pr/1')).toEqual({ repo: 'me/model.v1', revision: 'refs/pr/1' });
    for (const text of ['model', 'a/b/c', '../b', 'a/..', 'a/b@../c', 'a/b@', '/a/b', '']) {
      expect([text, parseHubRepo(text)]).toEqual([text, null]);
    }
    put('me/model', 'config.json', '{}', false);
    writeFileSync(join(cache, 'models--me--model/refs/main'), '../../..');
    expect(snapshotFolder({ repo: 'me/model', revision: 'main' })).toBeNull();
  });

  it('holds model folders that are read in place', async () => {
    put('me/model', 'unet/config.json', '{}', false);
    put('me/model', 'unet/model.safetensors', writeSafetensors({ a: tensor }));
    const files = nodeFiles(join(snapshotFolder({ repo: 'me/model', revision: 'main' }) ?? '', 'unet'));
    const weights = await openWeights(new Graph(), files, 'model');
    weights.get('a', [2]);
    expect(await weights.values()).toEqual(new Map([['weights.a', tensor.data]]));
  });
});

describe('verifyFile', () => {
  it.each([
    ['model.safetensors', () => writeSafetensors({ a: tensor }), true, 'header of 1 tensors, SHA-256'],
    ['model.pt', () => torchArchive({ a: tensor, b: tensor }), true, 'header of 2 tensors, SHA-256'],
    ['config.json', () => '{}', false, "Git's SHA-1"],
  ])('checks %s by what there is', async (name, content, large, says) => {
    expect(await verifyFile(put('me/model', name, content(), large), null)).toEqual({ ok: true, says });
  });

  it('finds a flipped bit, a cut and a wrong size', async () => {
    const bytes = writeSafetensors({ a: tensor });
    const flipped = put('me/model', 'flipped.safetensors', bytes);
    writeFileSync(
      realpathSync(flipped),
      Uint8Array.from(bytes, (byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte)),
    );
    expect(await verifyFile(flipped, { bytes: bytes.length, sha256: null })).toMatchObject({
      ok: false,
      says: expect.stringMatching(/hash under which the cache keeps it/),
    });
    const cut = put('me/other', 'cut.safetensors', bytes);
    truncateSync(realpathSync(cut), bytes.length - 1);
    expect(await verifyFile(cut, null)).toMatchObject({
      ok: false,
      says: expect.stringMatching(/cut\.safetensors: tensor a ends at byte/),
    });
    expect(await verifyFile(cut, { bytes: bytes.length, sha256: null })).toMatchObject({
      ok: false,
      says: `has ${bytes.length - 1} bytes where ${bytes.length} are published; download it again`,
    });
  });

  it('compares the published SHA-256, in the cache and out of it', async () => {
    const sha256 = createHash('sha256').update('{}').digest('hex');
    const [large, small] = [put('me/model', 'a.txt', '{}'), put('me/model', 'b.json', '{}', false)];
    const loose = join(cache, 'c.json');
    writeFileSync(loose, '{}');
    for (const path of [large, small, loose]) {
      expect(await verifyFile(path, { bytes: 2, sha256 })).toEqual({ ok: true, says: 'size, published SHA-256' });
      expect(await verifyFile(path, { bytes: 2, sha256: '0'.repeat(64) })).toMatchObject({
        ok: false,
        says: expect.stringMatching(/^is not the file that was published/),
      });
    }
  });

  it('says when there is nothing to check by', async () => {
    const path = join(cache, 'vocab.txt');
    writeFileSync(path, 'x');
    expect(blobHash(path)).toBeNull();
    expect(await verifyFile(path, null)).toEqual({ ok: true, says: 'is there; nothing is known to check it by' });
    expect(await verifyFile(path, { bytes: 1, sha256: null })).toEqual({ ok: true, says: 'size' });
  });
});

describe('the manifest', () => {
  it("names each checkpoint of the paper's models once, with repositories and files", () => {
    const manifest = readManifest().checkpoints;
    const names = manifest.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(
      expect.arrayContaining([
        'sd-turbo',
        'sdxl-turbo',
        'hyper-sdxl',
        'pixart-dmd',
        'clip',
        'pickscore',
        'hps',
        'image-reward',
      ]),
    );
    for (const { repo, revision, files } of manifest) {
      expect(parseHubRepo(`${repo}@${revision}`)).toEqual({ repo, revision });
      expect(files.length).toBeGreaterThan(0);
    }
  });

  it('is refused by file and key where it is wrong', () => {
    const path = join(work, 'manifest.json');
    writeFileSync(path, '{"format": 1, "checkpoints": [{"name": "a", "role": "b"}]}');
    expect(() => readManifest(path)).toThrow(`${path} (checkpoints 0): repo is missing`);
    writeFileSync(path, '{"format": 1}');
    expect(() => readManifest(path)).toThrow(`${path}: checkpoints must be a list`);
    writeFileSync(path, '{');
    expect(() => readManifest(path)).toThrow(`${path}: cannot be read as JSON`);
  });
});

describe('reno weights', () => {
  const rows = (stdout: string): unknown => JSON.parse(stdout.split('\n').at(-1) ?? '');

  it('list says what is here, and where the licence stands', async () => {
    putClip();
    put('stabilityai/sd-turbo', 'model_index.json', '{}', false);
    const { code, stdout } = await inProcess(['weights', 'list', '--json']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^clip +here +about 3\.94 GB +reward CLIPScore$/m);
    expect(stdout).toMatch(/^sd-turbo +1 of 11 files +about 2\.58 GB +generator$/m);
    expect(stdout).toMatch(/^hps +not here +about 1\.97 GB/m);
    expect(stdout).toContain('https://huggingface.co/xswu/HPSv2; licence: see there');
    expect(stdout).toContain(`2 of 19 checkpoints are in ${cache}`);
    expect(rows(stdout)).toMatchObject({
      ok: true,
      rows: expect.arrayContaining([expect.objectContaining({ name: 'clip', here: 4, needed: 4 })]),
    });
  });

  it('where gives paths, and what to type where there is none', async () => {
    const [config = '', , , weights = ''] = putClip();
    const here = await inProcess(['weights', 'where', '--name', 'clip']);
    expect(here).toMatchObject({ code: 0 });
    expect(here.stdout).toContain(config);
    expect(here.stdout).toContain(weights);
    const absent = await inProcess(['weights', 'where', '--name', 'hps']);
    expect(absent.code).toBe(1);
    expect(absent.stdout).toContain(`not in ${cache}; reno weights pull hps`);
  });

  it('verify checks what is here, and with a name that all of it is', async () => {
    expect((await inProcess(['weights', 'verify'])).stdout).toBe(`there is none of the checkpoints in ${cache}`);
    putClip();
    const whole = await inProcess(['weights', 'verify', '--name', 'clip']);
    expect(whole.stdout.split('\n').at(-1)).toBe('4 files are whole');
    expect(whole.stdout).toMatch(/^ok clip\/pytorch_model\.bin, \d+ bytes: header of 1 tensors, SHA-256$/m);
    expect(whole.code).toBe(0);
    put('xswu/HPSv2', 'HPS_v2.1_compressed.pt', torchArchive({ a: tensor }));
    const broken = await inProcess(['weights', 'verify', '--json']);
    expect(broken.code).toBe(1);
    expect(broken.stdout).toMatch(
      /^-- hps\/HPS_v2\.1_compressed\.pt, \d+ bytes: has \d+ bytes where 1972490005 are published/m,
    );
    expect(rows(broken.stdout)).toMatchObject({ ok: false, summary: '1 of 7 files are missing or broken' });
    const missing = await inProcess(['weights', 'verify', '--name', 'image-reward']);
    expect(missing.stdout).toContain('-- image-reward/ImageReward.pt: is not here');
    expect(missing.code).toBe(1);
  });

  it('refuses a name that is none', async () => {
    const { code, stderr } = await inProcess(['weights', 'where', '--name', 'sd3']);
    expect(stderr).toEqual([
      expect.stringMatching(/^reno: there is no checkpoint "sd3"; there are sd-turbo, sdxl-turbo/),
    ]);
    expect(code).toBe(2);
  });
});

describe('--weights hf:', () => {
  const generate = (weights: string) =>
    inProcess(['generate', '--prompt', 'a cat', '--out', join(work, 'out'), '--weights', weights]);

  it('reads a model folder from the cache', async () => {
    put('me/pocket', 'readme.md', 'no model', false);
    // The folder is found and read; that no reward is in it is what ends the command.
    expect((await generate('hf:me/pocket')).stderr).toEqual([expect.stringContaining('no reward is left')]);
    cpSync(join(cache, 'models--me--pocket'), join(cache, 'models--me--copy'), { recursive: true });
    writeFileSync(join(cache, 'models--me--copy/snapshots', COMMIT, 'reno.json'), '{"nIters": "many"}');
    expect((await generate('hf:me/copy')).stderr).toEqual([
      expect.stringContaining('reno.json: nIters must be a whole number from 1 to 1000000'),
    ]);
  });

  it('says how to get what is not there, and what is no repository', async () => {
    const absent = await generate('hf:me/model@v2');
    expect(absent.stderr).toEqual([
      `reno: hf:me/model@v2 is not in ${cache}; get it with: hf download me/model --revision v2`,
    ]);
    expect(absent.code).toBe(1);
    const wrong = await generate('hf:model');
    expect(wrong.stderr).toEqual([
      expect.stringMatching(/--weights must be a folder or hf:owner\/name@revision, not "hf:model"/),
    ]);
    expect(wrong.code).toBe(2);
  });
});
