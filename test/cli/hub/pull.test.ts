/** `reno weights pull` against a stand-in for the hub: the cache it leaves, and everything that can end a download early. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cacheError } from '../../../src/cli/hub/cache_folder.ts';
import { hubEnvironment } from '../../../src/cli/hub/environment.ts';
import { size, TransferLine } from '../../../src/cli/hub/transfer_line.ts';
import { readManifest } from '../../../src/cli/weights/manifest.ts';
import { type PullSettings, pull } from '../../../src/cli/weights/weights_pull.ts';
import { writeSafetensors } from '../../../src/models/checkpoint/safetensors/write_safetensors.ts';
import { torchArchive } from '../../support/pickles.ts';
import { COMMIT, hashOf, refuse, StandInHub } from '../../support/stand_in_hub.ts';
import { inProcess, printed } from '../in_process.ts';

const REPO = 'laion/CLIP-ViT-H-14-laion2B-s32B-b79K';
const NAME = `${REPO}/pytorch_model.bin`;
const WEIGHTS = archiveOfSize(300_000);
/** Bytes of the other files. */
const SMALL = 24;
const work = realpathSync(mkdtempSync(join(tmpdir(), 'pull-')));
let hub: StandInHub;

/** A PyTorch file of exactly `bytes` bytes. */
function archiveOfSize(bytes: number): Buffer {
  for (let name = 'w'; ; name += 'w') {
    const of = (count: number) => {
      const data = new Float32Array(randomBytes(4 * count).map((byte) => byte & 0x3f).buffer);
      return torchArchive({ [name]: { shape: [count], data } });
    };
    const rest = bytes - of(0).length;
    if (rest % 4 === 0) {
      return Buffer.from(of(rest / 4));
    }
  }
}

let cache = '';

beforeEach(async () => {
  hub = await StandInHub.start();
  hub.put(REPO, 'config.json', '{"a": 1}');
  hub.put(REPO, 'tokenizer.json', '{"model": {}}');
  hub.put(REPO, 'tokenizer_config.json', '{ }');
  hub.put(REPO, 'pytorch_model.bin', WEIGHTS, true);
  cache = join(mkdtempSync(join(work, 'home-')), 'hub');
  vi.stubEnv('HF_HUB_CACHE', cache);
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', 'hf_test');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.stop();
});
afterAll(() => rmSync(work, { recursive: true }));

const folder = (): string => join(cache, `models--${REPO.replace('/', '--')}`);
const snapshot = (path: string): string => join(folder(), 'snapshots', COMMIT, path);
const blob = (): string => join(folder(), 'blobs', hashOf({ content: WEIGHTS, large: true }));
const command = (...more: string[]) => inProcess(['weights', 'pull', 'clip', '--yes', ...more]);

/** The command with settings that make failures quick. */
function quick(settings: Partial<PullSettings> = {}) {
  const { signal } = new AbortController();
  return printed(() => pull({ yes: true }, ['clip'], { signal, pause: 1, tries: 2, ...settings }));
}

/** Nothing has its final name that is not whole; no snapshot is announced. */
function expectNothingFinal(): void {
  expect(existsSync(blob())).toBe(false);
  expect(existsSync(snapshot('pytorch_model.bin'))).toBe(false);
  expect(existsSync(join(folder(), 'refs/main'))).toBe(false);
}

const partBytes = (): number => statSync(`${blob()}.incomplete`, { throwIfNoEntry: false })?.size ?? 0;

describe('a pull', () => {
  it("leaves the layout of huggingface_hub: blobs by hash, relative links, the branch's commit", async () => {
    const { code, stdout } = await command('--json');
    expect(stdout).toContain('licence: stand-in-licence');
    expect(JSON.parse(stdout.split('\n').at(-1) ?? '')).toMatchObject({
      ok: true,
      rows: [{ name: 'clip', repo: REPO, bytes: WEIGHTS.length + SMALL }],
    });
    expect(code).toBe(0);
    expect(readFileSync(join(folder(), 'refs/main'), 'utf8')).toBe(COMMIT);
    expect(readlinkSync(snapshot('pytorch_model.bin'))).toBe(
      `../../blobs/${hashOf({ content: WEIGHTS, large: true })}`,
    );
    expect(readFileSync(snapshot('pytorch_model.bin')).equals(WEIGHTS)).toBe(true);
    expect(readFileSync(snapshot('config.json'), 'utf8')).toBe('{"a": 1}');
    expect(readdirSync(join(folder(), 'blobs')).sort()).toEqual(
      [...(hub.repos.get(REPO)?.values() ?? [])].map(hashOf).sort(),
    );
    expect((await inProcess(['weights', 'where', '--name', 'clip'])).code).toBe(0);
  });

  it('sends the token to the hub and not to where the hub redirects', async () => {
    await command();
    expect(hub.downloads.filter(({ cdn }) => cdn).map((s) => s.authorization)).toEqual([undefined]);
    expect(new Set(hub.seen.filter(({ cdn }) => !cdn).map((s) => s.authorization))).toEqual(
      new Set(['Bearer hf_test']),
    );
  });

  it('asks nothing when all is here', async () => {
    await command();
    hub.seen.length = 0;
    const again = await command();
    expect(again).toMatchObject({ code: 0, stdout: 'clip: all files are here already' });
    expect(hub.seen).toEqual([]);
  });

  it('brings only the file that is missing', async () => {
    await command();
    rmSync(snapshot('config.json'));
    rmSync(realpathSync(snapshot('tokenizer.json')));
    hub.seen.length = 0;
    expect((await command()).code).toBe(0);
    // The blob of config.json is still there, so only its link is made again.
    expect(hub.downloads.map(({ url }) => url.split('/').at(-1))).toEqual(['tokenizer.json']);
  });

  it('prefers a file to those that serve as well', async () => {
    const repo = 'yuvalkirstain/PickScore_v1';
    hub.put(repo, 'config.json', '{}');
    hub.put(repo, 'pytorch_model.bin', WEIGHTS, true);
    hub.put(repo, 'model.safetensors', Buffer.from(writeSafetensors({})), true);
    await inProcess(['weights', 'pull', 'pickscore', '--yes']);
    const here = (path: string) =>
      existsSync(join(cache, 'models--yuvalkirstain--PickScore_v1/snapshots', COMMIT, path));
    expect([here('model.safetensors'), here('pytorch_model.bin')]).toEqual([true, false]);
  });

  it('brings the shards that an index names', async () => {
    const repo = 'PixArt-alpha/PixArt-XL-2-1024-MS';
    for (const path of ['tokenizer/tokenizer_config.json', 'text_encoder/config.json', 'vae/config.json']) {
      hub.put(repo, path, '{}');
    }
    hub.put(repo, 'vae/diffusion_pytorch_model.bin', WEIGHTS, true);
    const shard = (n: number) => Buffer.from(writeSafetensors({ [`${n}`]: { shape: [n], data: new Float32Array(n) } }));
    const index = (shard: string) =>
      hub.put(
        repo,
        'text_encoder/model.safetensors.index.json',
        `{"weight_map": {"a": "one.safetensors", "b": "${shard}"}}`,
      );
    const pullBase = () => inProcess(['weights', 'pull', 'pixart-base', '--yes']);
    index('two.safetensors');
    hub.put(repo, 'text_encoder/one.safetensors', shard(3), true);
    expect((await pullBase()).stderr).toEqual([
      expect.stringMatching(/has no text_encoder\/two\.safetensors, which text_encoder\/model/),
    ]);
    hub.put(repo, 'text_encoder/two.safetensors', shard(4), true);
    expect((await pullBase()).stdout).toMatch(/pixart-base .*: 7 files, /);
    const where = await inProcess(['weights', 'where', '--name', 'pixart-base']);
    expect(where.code).toBe(0);
    rmSync(join(cache, 'models--PixArt-alpha--PixArt-XL-2-1024-MS/snapshots', COMMIT, 'text_encoder/two.safetensors'));
    expect((await inProcess(['weights', 'where', '--name', 'pixart-base'])).stdout).toMatch(
      /two\.safetensors is not here; reno weights pull pixart-base/,
    );
    expect((await pullBase()).code).toBe(0);
    index('../../../../escape');
    rmSync(cache, { recursive: true });
    expect((await pullBase()).stderr).toEqual([
      expect.stringMatching(/names the file "\.\.\/.*", and an index names only files of its own folder/),
    ]);
  });

  it('brings a file again that is here and not whole, and says why', async () => {
    await command();
    truncateSync(realpathSync(snapshot('pytorch_model.bin')), 200_000);
    const { code, stdout } = await command();
    expect(stdout).toMatch(/^clip\/pytorch_model\.bin: .*(zip|archive|end)/m);
    expect(code).toBe(0);
    expect(readFileSync(snapshot('pytorch_model.bin')).equals(WEIGHTS)).toBe(true);
  });

  it('refuses a file, another that can take its place, and a shard that are not those of the manifest', async () => {
    const files = ['config.json', 'model.safetensors'];
    for (const path of files) {
      hub.put('openai/clip-vit-large-patch14', path, randomBytes(9), path.endsWith('s'));
    }
    const refused = async (name: string) => (await inProcess(['weights', 'pull', name, '--yes'])).stderr[0];
    expect(await refused('clip-l')).toBe(
      'reno: openai/clip-vit-large-patch14/model.safetensors is not the file that weights/manifest.json describes (another SHA-256); it was replaced',
    );
    const base = 'stabilityai/stable-diffusion-xl-base-1.0';
    for (const { files } of readManifest().checkpoints.filter(({ repo }) => repo === base)) {
      for (const { path } of files.filter((file) => file.bytes === null)) {
        hub.put(base, path, '{}');
      }
    }
    hub.put(base, 'text_encoder/model.safetensors', randomBytes(9), true);
    hub.put(base, 'text_encoder_2/model.safetensors', randomBytes(9), true);
    hub.put(base, 'vae/diffusion_pytorch_model.fp16.safetensors', randomBytes(9), true);
    expect(await refused('sdxl-base')).toMatch(/diffusion_pytorch_model\.fp16\.safetensors is not the file that/);
    const flux = 'black-forest-labs/FLUX.1-schnell';
    for (const { path } of readManifest().checkpoints.find(({ repo }) => repo === flux)?.files ?? []) {
      hub.put(flux, path, '{}');
    }
    expect(await refused('flux-schnell')).toMatch(
      /text_encoder\/model\.safetensors is not the file .* \(2 bytes instead/,
    );
    const t5 = 'PixArt-alpha/PixArt-XL-2-1024-MS';
    for (const path of ['tokenizer/tokenizer_config.json', 'text_encoder/config.json', 'vae/config.json']) {
      hub.put(t5, path, '{}');
    }
    hub.put(t5, 'vae/diffusion_pytorch_model.bin', WEIGHTS, true);
    const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    for (const name of shards) {
      hub.put(t5, `text_encoder/${name}`, randomBytes(9), true);
    }
    const weight_map = Object.fromEntries(shards.map((name) => [name, name]));
    hub.put(t5, 'text_encoder/model.safetensors.index.json', JSON.stringify({ weight_map }));
    expect(await refused('pixart-base')).toMatch(
      /text_encoder\/model-00001-of-00002\.safetensors is not the file that/,
    );
    expect(existsSync(cache)).toBe(false);
  });

  it('does not begin without a yes', async () => {
    const { code, stderr } = await inProcess(['weights', 'pull', 'clip']);
    expect(stderr).toEqual([expect.stringMatching(/^reno: there is no terminal to ask on; --yes downloads/)]);
    expect(code).toBe(2);
    expect(hub.downloads).toEqual([]);
  });

  it('refuses names that are none, and none at all', async () => {
    expect((await inProcess(['weights', 'pull', 'clip', 'sd3'])).stderr).toEqual([
      expect.stringMatching(/^reno: there is no checkpoint "sd3"; there are /),
    ]);
    expect(await inProcess(['weights', 'pull'])).toMatchObject({ code: 2 });
    expect(hub.seen).toEqual([]);
  });
});

describe('a connection that is cut', () => {
  it('is taken up where it ended', async () => {
    hub.cuts = [100_000, 50_000];
    expect((await quick()).error).toBeNull();
    expect(hub.downloads.filter(({ cdn }) => cdn).map(({ range }) => range)).toEqual([
      undefined,
      'bytes=100000-',
      'bytes=150000-',
    ]);
    expect(readFileSync(blob()).equals(WEIGHTS)).toBe(true);
  });

  it('is given up after some tries, and the next pull goes on', async () => {
    hub.cuts = [100_000, 0, 0];
    const { error } = await quick();
    expect(error).toMatch(
      new RegExp(`^${NAME}: the connection was cut.*; 100000 of 300000 bytes are kept, the same command goes on from`),
    );
    expectNothingFinal();
    expect(partBytes()).toBe(100_000);
    hub.cuts = [];
    hub.seen.length = 0;
    expect((await command()).code).toBe(0);
    expect(hub.downloads.filter(({ cdn }) => cdn).map(({ range }) => range)).toEqual(['bytes=100000-']);
    expect(readFileSync(blob()).equals(WEIGHTS)).toBe(true);
    expect(existsSync(`${blob()}.incomplete`)).toBe(false);
  });

  it('begins at the front where the server knows no ranges', async () => {
    hub.cuts = [100_000];
    hub.knowsRanges = false;
    expect((await quick()).error).toBeNull();
    expect(readFileSync(blob()).equals(WEIGHTS)).toBe(true);
  });

  it('counts as cut when nothing comes', async () => {
    hub.twist = (seen, response) => {
      if (!seen.cdn) {
        return false;
      }
      response.writeHead(200, { 'content-length': WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, 10));
      return true;
    };
    const { error } = await quick({ stall: 100 });
    expect(error).toMatch(/pytorch_model\.bin: nothing came for 0\.1 s; 10 of 300000 bytes are kept/);
    expectNothingFinal();
  });

  it('may be a busy hub', async () => {
    let busy = 2;
    hub.twist = (seen, response) => {
      if (!seen.cdn || busy-- <= 0) {
        return false;
      }
      refuse(response, 503);
      return true;
    };
    expect((await quick({ tries: 3 })).error).toBeNull();
    busy = 99;
    rmSync(cache, { recursive: true });
    expect((await quick({ tries: 3 })).error).toBe(`${NAME}: ${hub.endpoint} answered 503; try again later`);
  });
});

describe('what came', () => {
  const wrong = (content: Buffer) => {
    hub.twist = (seen, response) => {
      if (!seen.cdn) {
        return false;
      }
      response.writeHead(200, { 'content-length': content.length });
      response.end(content);
      return true;
    };
  };

  it('is removed where its hash is wrong', async () => {
    const flipped = Buffer.from(WEIGHTS);
    flipped[1000] = (flipped[1000] ?? 0) ^ 1;
    wrong(flipped);
    const { code, stderr } = await command();
    expect(stderr).toEqual([`reno: ${NAME} came with a wrong hash and was removed; run the same command again`]);
    expect(code).toBe(1);
    expectNothingFinal();
    expect(partBytes()).toBe(0);
  });

  it('is removed where it is too long', async () => {
    wrong(Buffer.concat([WEIGHTS, WEIGHTS]));
    const { stderr } = await command();
    expect(stderr).toEqual([
      `reno: ${NAME} came with more than its 300000 bytes and was removed; run the same command again`,
    ]);
    expectNothingFinal();
  });

  it('is not believed where the hub gives no hash, or no commit', async () => {
    hub.twist = (seen, response) => {
      if (!seen.url.includes('/paths-info/')) {
        return false;
      }
      response.end(
        JSON.stringify(
          ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'pytorch_model.bin'].map((path) => ({
            type: 'file',
            path,
            size: 1,
            oid: '../../x',
          })),
        ),
      );
      return true;
    };
    expect((await command()).stderr).toEqual([expect.stringMatching(/the hub gives no hash for it/)]);
    expect(existsSync(cache)).toBe(false);
  });
});

describe('two downloads at once', () => {
  it('never write one incomplete file: the second is told who downloads', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    hub.twist = (seen, response) => {
      if (!seen.cdn || seen.range) {
        return false;
      }
      response.writeHead(200, { 'content-length': WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, 100_000));
      held.then(() => response.end(WEIGHTS.subarray(100_000)));
      return true;
    };
    const first = quick();
    await vi.waitUntil(() => partBytes() === 100_000, { timeout: 30_000 });
    const { error } = await quick();
    expect(error).toBe(
      `${NAME} is being downloaded by process ${process.pid}; wait for it, or remove ${blob()}.incomplete.lock if there is no such download`,
    );
    release();
    expect((await first).error).toBeNull();
    expect(readFileSync(blob()).equals(WEIGHTS)).toBe(true);
    expect(readdirSync(join(folder(), 'blobs')).filter((name) => !/^[0-9a-f]+$/.test(name))).toEqual([]);
  });

  it('go on where the process of a lock is gone, and wait for one of another machine', async () => {
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    const lock = `${blob()}.incomplete.lock`;
    mkdirSync(join(folder(), 'blobs'), { recursive: true });
    writeFileSync(lock, JSON.stringify({ pid: 1, host: 'elsewhere' }));
    expect((await quick()).error).toMatch(/is being downloaded by process 1 of elsewhere; wait for it, or remove/);
    for (const stale of [JSON.stringify({ pid: gone, host: hostname() }), '', '{"pid']) {
      writeFileSync(lock, stale);
      rmSync(blob(), { force: true });
      expect((await quick()).error).toBeNull();
      expect(existsSync(lock)).toBe(false);
    }
  });
});

describe('a hub that is none', () => {
  const answering = (part: string, type: string, text: string): void => {
    hub.twist = (seen, response) => {
      if (!seen.url.includes(part)) {
        return false;
      }
      response.writeHead(200, { 'content-type': type });
      response.end(text);
      return true;
    };
  };

  it('and says nothing is given up in time', async () => {
    hub.twist = () => true;
    const { error } = await quick({ stall: 200 });
    expect(error).toBe(`${hub.endpoint} gave no answer for 0.2 s; check the network, or try again later`);
  });

  it('and stops in the middle of an answer is given up in time', async () => {
    hub.twist = (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"sha":');
      return true;
    };
    const { error } = await quick({ stall: 200 });
    expect(error).toBe(`${hub.endpoint} gave no answer for 0.2 s; check the network, or try again later`);
  });

  it('but a page, in place of JSON or of a file', async () => {
    answering('/api/', 'text/html', '<html>log in</html>');
    const page = `${hub.endpoint} answers with a page and not with data, as a proxy or a network's log-in does; open it in a browser to see, or set HF_ENDPOINT`;
    expect((await quick()).error).toBe(`${REPO}: ${page}`);
    hub.twist = (seen, response) => {
      if (!seen.cdn) {
        return false;
      }
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
      response.end('<html>log in</html>');
      return true;
    };
    mkdirSync(join(folder(), 'blobs'), { recursive: true });
    writeFileSync(`${blob()}.incomplete`, WEIGHTS.subarray(0, 100_000));
    expect((await quick()).error).toMatch(/^laion.*pytorch_model\.bin: http.* answers with a page and not with data/);
    expect(partBytes()).toBe(100_000);
    expectNothingFinal();
  });

  it.each([
    ['/api/', 'null', /does not answer as a hub does \(.*\); is HF_ENDPOINT right\?/],
    ['/api/', '[]', /names no commit for revision main/],
    ['/paths-info/', '{}', /does not answer as a hub does \(.*\); is HF_ENDPOINT right\?/],
    ['/paths-info/', '[{"type": "file", "path": 7}]', /does not answer as a hub does \(no list of files\)/],
    ['/paths-info/', '[{"type": "file", "path": "config.json", "size": -1}]', /does not answer as a hub does/],
  ])('but something that answers %s with %s', async (part, text, message) => {
    answering(part, 'application/json', text);
    expect((await quick()).error).toMatch(message);
    expect(existsSync(cache)).toBe(false);
  });
});

describe('a hub that refuses', () => {
  const refusing = (status: number, code: string, cdnToo = false) => {
    hub.twist = (seen, response) => {
      if (!cdnToo && !seen.url.includes('/resolve/')) {
        return false;
      }
      refuse(response, status, code);
      return true;
    };
  };

  it.each([
    [401, '', 'hf_test', /config\.json: the hub does not accept the token in HF_TOKEN \(401\); make a token/],
    [401, '', '', /config\.json: the hub asks for a token \(401\).*make a token of type read at .* and set HF_TOKEN/],
    [401, 'GatedRepo', '', /is gated: log in at http.*accept the terms there, then make a token of type read/],
    [403, 'GatedRepo', 'hf_test', /is gated and this token may not read it: log in at .*, accept the terms there/],
    [403, '', 'hf_test', /config\.json: this token may not read it \(403\); ask for access at/],
    [404, 'EntryNotFound', 'hf_test', /config\.json is not on http.* \(404\); see http.*\/tree\/main for what is/],
  ])('with %d %s and token "%s" says what to do', async (status, reason, token, says) => {
    vi.stubEnv('HF_TOKEN', token);
    vi.stubEnv('HF_HOME', work);
    refusing(status, reason);
    const { code, stderr } = await command();
    expect(stderr).toEqual([expect.stringMatching(/^reno: laion\//)]);
    expect(stderr[0]).toMatch(says);
    expect(code).toBe(1);
    expect(hub.downloads.length).toBe(1);
    expectNothingFinal();
  });

  it('a repository or a file that is not there', async () => {
    hub.repos.get(REPO)?.delete('tokenizer.json');
    expect((await command()).stderr).toEqual([
      `reno: ${REPO} has no tokenizer.json at main; the manifest does not fit it`,
    ]);
    hub.repos.clear();
    expect((await command()).stderr).toEqual([
      `reno: ${REPO} is not on ${hub.endpoint} (404); its owner may have moved it`,
    ]);
    expect(existsSync(cache)).toBe(false);
  });

  it('says beforehand that a repository is gated', async () => {
    hub.gated = 'auto';
    vi.stubEnv('HF_TOKEN', '');
    vi.stubEnv('HF_HOME', work);
    expect((await command()).stdout).toMatch(/gated: accept the terms on that page, then set HF_TOKEN/);
  });
});

describe('this machine', () => {
  it('whose cache would lie in a file is told so before the hub is asked', async () => {
    const file = join(work, 'a-file');
    writeFileSync(file, '');
    vi.stubEnv('HF_HUB_CACHE', '');
    vi.stubEnv('HF_HOME', file);
    const { code, stderr } = await command();
    expect(stderr).toEqual([
      `reno: the cache cannot be ${file}/hub, for ${file} is a file; set HF_HOME to a folder that you may write to, or HF_HUB_CACHE to one for the downloads alone`,
    ]);
    expect(code).toBe(1);
    expect(hub.seen).toEqual([]);
  });

  it('whose cache may not be written is told what to do', () => {
    for (const code of ['EACCES', 'EROFS']) {
      const error = Object.assign(new Error(`${code}: no`), { code });
      expect(cacheError(error, '/c').message).toMatch(
        new RegExp(`^/c may not be written \\(${code}\\); set HF_HOME to a`),
      );
    }
  });

  it('without a network', async () => {
    await hub.stop();
    const { code, stderr } = await command();
    expect(stderr).toEqual([
      expect.stringMatching(/^reno: http:\/\/127.*cannot be reached \(.*ECONNREFUSED.*\); check/),
    ]);
    expect(code).toBe(1);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect((await command()).stderr).toEqual([expect.stringMatching(/HF_HUB_OFFLINE is set/)]);
  });

  it('with a disk that is too small is told before anything is downloaded', async () => {
    const { error } = await quick({ free: async () => 100_000 });
    expect(error).toBe(
      `300 kB are to be downloaded and the disk of ${cache} has 100 kB free; make room, or set HF_HOME to a folder on another disk`,
    );
    expect(hub.downloads).toEqual([]);
    expect(existsSync(cache)).toBe(false);
  });

  it('with a disk that fills up keeps what came', async () => {
    let room = 150_000;
    const openPart: PullSettings['openPart'] = async (path, flags) => {
      const file = await open(path, flags);
      return {
        writeFile: async (bytes) => {
          await file.writeFile(bytes.subarray(0, room));
          room -= bytes.length;
          if (room < 0) {
            throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
          }
        },
        sync: () => file.sync(),
        close: () => file.close(),
      };
    };
    const { error } = await quick({ openPart });
    expect(error).toMatch(/^the disk of .*blobs is full; make room or set HF_HOME/);
    expectNothingFinal();
    expect(partBytes()).toBe(150_000 - SMALL);
    expect((await command()).code).toBe(0);
    expect(readFileSync(blob()).equals(WEIGHTS)).toBe(true);
  });

  it('where the cache may not be written', async () => {
    mkdirSync(cache, { recursive: true });
    writeFileSync(folder(), 'a file where the folder would be');
    const { code, stderr } = await command();
    expect(code).toBe(1);
    expect(stderr).toEqual([expect.stringMatching(/^reno: .*: a part of the path is a file$/)]);
  });

  it('stopped by Ctrl-C keeps what came', async () => {
    hub.twist = (seen, response) => {
      if (!seen.cdn || seen.range) {
        return false;
      }
      response.writeHead(200, { 'content-length': WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, 200_000));
      return true;
    };
    const main = join(import.meta.dirname, '../../../commands/bin.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', main, 'weights', 'pull', 'clip', '--yes'], {
      env: process.env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const stderr = textOf(child);
    await vi.waitUntil(() => partBytes() === 200_000, { timeout: 90_000 });
    child.kill('SIGINT');
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(await stderr).toBe('reno: stopped; what came is kept, and the same command goes on from there\n');
    expect(code).toBe(1);
    expectNothingFinal();
    hub.seen.length = 0;
    expect((await command()).code).toBe(0);
    expect(hub.downloads.filter(({ cdn }) => cdn).map(({ range }) => range)).toEqual(['bytes=200000-']);
    expect(lstatSync(snapshot('pytorch_model.bin')).isSymbolicLink()).toBe(true);
  }, 120_000);
});

async function textOf(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const chunk of child.stderr ?? []) {
    text += String(chunk);
  }
  return text;
}

describe('the environment', () => {
  it('is read as huggingface_hub reads it', () => {
    const home = mkdtempSync(join(work, 'me-'));
    const read = (env: Record<string, string>) => hubEnvironment(env, home);
    expect(read({})).toEqual({
      endpoint: 'https://huggingface.co',
      cache: join(home, '.cache/huggingface/hub'),
      token: null,
    });
    mkdirSync(join(home, '.cache/huggingface'), { recursive: true });
    writeFileSync(join(home, '.cache/huggingface/token'), 'hf_file\n');
    expect(read({}).token).toBe('hf_file');
    expect(read({ HF_TOKEN: 'hf_env' }).token).toBe('hf_env');
    expect(read({ HF_HOME: join(home, 'other') }).token).toBeNull();
    expect(read({ HF_ENDPOINT: 'http://mirror:8080/' }).endpoint).toBe('http://mirror:8080');
    expect(() => read({ HF_ENDPOINT: 'mirror' })).toThrow('HF_ENDPOINT must be an address');
    expect(() => read({ HF_HUB_OFFLINE: '1' })).toThrow('HF_HUB_OFFLINE');
  });
});

describe('the progress line', () => {
  it('shows bytes, rate and time left, redrawn on a terminal', () => {
    const text: string[] = [];
    let now = 0;
    const line = new TransferLine({ isTTY: true, columns: 80, write: (t) => text.push(t) }, 1e9, 3e9, () => now);
    line.begin('clip/model.safetensors');
    now = 1000;
    line.add(5e8);
    line.add(1);
    line.close();
    expect(text).toEqual(['\r1.50 GB of 3.00 GB, 500 MB/s, 3.0 s left  clip/model.safetensors\x1b[K', '\r\x1b[K']);
  });

  it('is a line now and then elsewhere', () => {
    const text: string[] = [];
    let now = 0;
    const line = new TransferLine({ isTTY: false, columns: 80, write: (t) => text.push(t) }, 0, 100, () => now);
    for (; now < 40_000; now += 1000) {
      line.add(1);
    }
    line.close();
    expect(text.length).toBe(2);
    expect(text[0]).toMatch(/^16 B of 100 B, 1 B\/s, 1 min 19 s left {2}\n$/);
  });

  it('counts bytes as disks are sold', () => {
    expect([0, 999, 1000, 1_972_490_005].map(size)).toEqual(['0 B', '999 B', '1.00 kB', '1.97 GB']);
  });
});
