/** Whatever is wrong with the input, the command says it in one sentence, exits with a code, and leaves nothing behind. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inProcess } from './in_process.ts';

const root = resolve(import.meta.dirname, '../..');
const weights = join(root, 'weights/pocket');
let work = '';
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'reno-cli-'));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** The command as a user runs it. */
function spawned(args: readonly string[], env: Readonly<Record<string, string>> = {}): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', 'commands/bin.ts', ...args], {
    cwd: root,
    env: { ...process.env, DEBUG: '', ...env },
    encoding: 'utf8',
    timeout: 120_000,
  });
  const said = stderr.split('\n').filter((line) => line.startsWith('reno: '));
  expect(stderr).not.toMatch(/^\s+at .*(\.ts|\.js|node:)/m);
  return { code: status, said, stdout };
}

/** The command in this process, where it starts in no time. */
async function reno(args: readonly string[]): Promise<Result> {
  const { code, stdout, stderr } = await inProcess(args);
  return { code, stdout, said: stderr.filter((line) => line.startsWith('reno: ')) };
}

interface Result {
  readonly code: number | null;
  /** The command's lines on stderr, without progress and Dawn's own notes. */
  readonly said: string[];
  readonly stdout: string;
}

/** One sentence, this exit code, and no folder left. */
async function expectRefusal(
  args: readonly string[],
  code: number,
  sentence: RegExp,
  run: (args: readonly string[]) => Result | Promise<Result> = reno,
): Promise<void> {
  const out = join(work, 'out');
  const result = await run([...args, '--out', out]);
  expect(result.said).toHaveLength(1);
  expect(result.said[0]).toMatch(sentence);
  expect(result.code).toBe(code);
  expect(existsSync(out)).toBe(false);
}

const generate = ['generate', '--prompt', 'a photo of a cat', '--n-iters', '1'];

describe('broken weights', () => {
  /** A model folder of links to the real files, one of them replaced. */
  function spoiled(path: string, spoil: (bytes: Buffer) => Uint8Array | string | null): string {
    const folder = mkdtempSync(join(work, 'weights-'));
    const inside = dirname(path);
    for (const name of readdirSync(weights)) {
      symlinkSync(join(weights, name), join(folder, name));
    }
    const top = path.split('/')[0] ?? '';
    rmSync(join(folder, top));
    cpSync(join(weights, top), join(folder, top), { recursive: true });
    mkdirSync(join(folder, inside), { recursive: true });
    const content = spoil(readFileSync(join(weights, path)));
    rmSync(join(folder, path));
    if (content !== null) {
      writeFileSync(join(folder, path), content);
    }
    return folder;
  }

  /** The file with another header over the same data. */
  function withHeader(bytes: Buffer, change: (header: Record<string, Entry>) => void): Buffer {
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, Entry>;
    change(header);
    const text = Buffer.from(JSON.stringify(header).padEnd(length));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([size, text, bytes.subarray(8 + length)]);
  }
  interface Entry {
    dtype: string;
    shape: number[];
    data_offsets: [number, number];
  }

  const unet = 'generator/unet/diffusion_pytorch_model.safetensors';
  const key = 'conv_in.weight';
  const entry = (header: Record<string, Entry>): Entry => header[key] ?? { dtype: '', shape: [], data_offsets: [0, 0] };

  it.each<[string, string, (bytes: Buffer) => Uint8Array | string | null, RegExp]>([
    [
      'a truncated file',
      unet,
      (b) => b.subarray(0, b.length - 1000),
      /diffusion_pytorch_model\.safetensors.*truncated/,
    ],
    [
      'a file of eight bytes less than a header',
      unet,
      () => 'short',
      /diffusion_pytorch_model\.safetensors.*too short/,
    ],
    [
      'a header that lies about a shape',
      unet,
      (b) => withHeader(b, (h) => entry(h).shape.push(2)),
      /tensor conv_in\.weight is F16 \[\d+, 12, 3, 3, 2\], which is \d+ bytes, but its data_offsets span \d+/,
    ],
    [
      'a header that lies about the place of a tensor',
      unet,
      (b) =>
        withHeader(b, (h) => Object.assign(entry(h), { data_offsets: entry(h).data_offsets.map((o) => o + b.length) })),
      /tensor conv_in\.weight ends at byte \d+, after the end of the file/,
    ],
    [
      'a missing tensor',
      unet,
      (b) =>
        withHeader(b, (h) => {
          Object.assign(h, { 'conv_in.other': entry(h) });
          delete h[key];
        }),
      /there is no tensor conv_in\.weight/,
    ],
    [
      'a tensor of another shape',
      unet,
      (b) => withHeader(b, (h) => entry(h).shape.reverse()),
      /tensor conv_in\.weight has shape \[3, 3, 12, \d+\] where \[\d+, 12, 3, 3\] is needed/,
    ],
    ['a missing file', 'hps/model.safetensors', () => null, /hps: there is no model\.safetensors/],
    [
      'a configuration that is no JSON',
      'image_reward/config.json',
      () => '{',
      /image_reward\/config\.json: is not valid JSON/,
    ],
    ['a tokenizer that is none', 'clip/tokenizer.json', () => '{}', /clip\/tokenizer\.json: has no model/],
  ])('%s is refused', async (_, path, spoil, sentence) => {
    await expectRefusal([...generate, '--weights', spoiled(path, spoil)], 1, sentence);
  });

  it('a reward that the model does not have is refused', async () => {
    await expectRefusal([...generate, '--pickscore-weighting', '1'], 2, /model pocket has no reward pickscore/);
  });

  it('a folder that is not there is refused', async () => {
    await expectRefusal([...generate, '--weights', join(work, 'nowhere')], 1, /nowhere: there is no such folder/);
    await expectRefusal([...generate, '--decoder', 'nodecoder'], 2, /--decoder: there is no folder "nodecoder"/);
    await expectRefusal([...generate, '--decoder', 'taesd'], 1, /get it with: reno weights pull taesd$/);
  });

  it('a NaN among the weights ends the run, and what was made until then is kept', async () => {
    const out = join(work, 'nan');
    const folder = spoiled(unet, (b) => {
      const start = 8 + Number(b.readBigUInt64LE(0));
      const header = JSON.parse(b.toString('utf8', 8, start)) as Record<string, Entry>;
      const { data_offsets } = header['conv_norm_out.weight'] ?? expect.fail('the network has no such tensor');
      b.writeUInt16LE(0x7e00, start + data_offsets[0]);
      return b;
    });
    const { code, said } = await reno([
      'generate',
      '--prompt',
      'a photo of a cat',
      '--n-iters',
      '2',
      '--weights',
      folder,
      '--out',
      out,
    ]);
    expect(said).toEqual([
      'reno: the gradient of the noise became NaN at iteration 0; check the weights; the best picture until then is kept',
    ]);
    expect(code).toBe(1);
    expect(readdirSync(out)).toEqual(expect.arrayContaining(['best.png', 'history.json', 'report.html']));
  });

  it('is said by the spawned command too, with its exit code', async () => {
    const folder = spoiled(unet, (b) => b.subarray(0, 1000));
    await expectRefusal(
      [...generate, '--weights', folder],
      1,
      /diffusion_pytorch_model\.safetensors.*truncated/,
      spawned,
    );
  });
});

describe('a folder that cannot be written', () => {
  it('is refused where a file is in the way', async () => {
    const file = join(work, 'file');
    writeFileSync(file, 'mine');
    for (const out of [file, join(file, 'deeper')]) {
      const { code, said } = await reno([...generate, '--out', out]);
      expect(said).toHaveLength(1);
      expect(said[0]).toMatch(/cannot write to the folder .*file.*; give another one with --out/);
      expect(code).toBe(1);
    }
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  it.skipIf(process.getuid?.() === 0)('is refused where permission is missing', async () => {
    const folder = join(work, 'locked');
    mkdirSync(folder);
    chmodSync(folder, 0o500);
    const { code, said } = await reno([...generate, '--out', folder]);
    expect(said[0]).toMatch(/permission is denied/);
    expect(code).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is refused on a file system that takes no files', async () => {
    const { code, said } = await reno([...generate, '--out', '/proc/reno']);
    expect(said[0]).toMatch(/cannot write to the folder \/proc\/reno: /);
    expect(code).toBe(1);
  });
});

describe('no adapter', () => {
  const none = { VK_ICD_FILENAMES: '/nonexistent', VK_DRIVER_FILES: '/nonexistent' };

  it('is said in one sentence, with what to install', async () => {
    const run = (args: readonly string[]): Result => spawned(args, none);
    await expectRefusal(generate, 1, /no WebGPU adapter was found; install a Vulkan driver/, run);
  });

  it('is what doctor finds, with exit code 1', () => {
    const { code, stdout } = spawned(['doctor', '--json'], none);
    const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
      ok: boolean;
      rows: { what: string; value: string }[];
    };
    expect(result.ok).toBe(false);
    expect(result.rows.find((r) => r.what === 'adapter')?.value).toBe('none');
    expect(code).toBe(1);
  });

  it('of the name asked for: the names there are', async () => {
    await expectRefusal(
      [...generate, '--adapter', 'no such card'],
      1,
      /no adapter is named "no such card"; there is "/,
    );
  });
});
