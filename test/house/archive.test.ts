/** `npm run bundle`: the files of the archive, its launcher, and the command in one file. Making the archive itself takes minutes. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { archiveFiles, glibcOf, limitOf } from '../../tools/lib/archive.mjs';
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { bundleAlone } from '../../tools/lib/bundle.mjs';

interface ArchiveFile {
  readonly path: string;
  readonly from?: string;
  readonly text?: string;
}

const root = resolve(import.meta.dirname, '../..');
/** The archive takes the loader of the machine that makes it. */
const canBeMade =
  process.platform === 'linux' &&
  process.arch === 'x64' &&
  ['/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib'].some((at) => existsSync(join(at, 'libvulkan.so.1')));
const files = (withoutWeights: boolean): ArchiveFile[] => archiveFiles({ withoutWeights });

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reno-archive-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.runIf(canBeMade)('the archive for linux-x64', () => {
  const paths = (withoutWeights: boolean): string[] => files(withoutWeights).map(({ path }) => path);
  const programs = [
    'reno',
    'bin/node',
    'lib/vulkan/libvulkan.so.1',
    'lib/cxx/libstdc++.so.6',
    'lib/cxx/libgcc_s.so.1',
    'node_modules/webgpu/package.json',
    'node_modules/webgpu/index.js',
    'node_modules/webgpu/LICENSE.md',
    'node_modules/webgpu/dist/linux-x64/dawn.node',
  ];

  it('without weights holds the programs alone', () => {
    expect(paths(true)).toEqual(programs);
  });

  it('holds all that reno reads', () => {
    expect(paths(false).slice(0, programs.length)).toEqual(programs);
    const data = paths(false).slice(programs.length);
    expect(data).toEqual(
      expect.arrayContaining([
        'package.json',
        'LICENSE',
        'weights/manifest.json',
        'weights/pocket/reno.json',
        'weights/pocket/generator/unet/diffusion_pytorch_model.safetensors',
        'weights/published/sd-turbo/layout.json',
        'parity/pocket_loop.safetensors',
        'python/selftest_torch.py',
      ]),
    );
    expect(
      data.filter((path) => !/^(weights|python|parity)\/|^(package\.json|LICENSE|CHANGELOG\.md)$/.test(path)),
    ).toEqual([]);
    const missing = files(false).filter(({ from, text }) => text === undefined && !existsSync(from ?? ''));
    expect(missing).toEqual([]);
  });

  it('is at most 55 MB, and 33 MB without weights', () => {
    expect([limitOf(false), limitOf(true)]).toEqual([55e6, 33e6]);
    expect(glibcOf(Buffer.from('GLIBC_2.4 GLIBC_2.34 GLIBCXX_3.4.30 GLIBC_2.17'))).toBe(34);
  });

  it('has a launcher that finds its folder, and says where it must lie', () => {
    const launcher = files(true).find(({ path }) => path === 'reno')?.text ?? '';
    const place = join(folder, 'a folder');
    mkdirSync(join(place, 'bin'), { recursive: true });
    writeFileSync(join(place, 'reno'), launcher);
    writeFileSync(join(place, 'bin/node'), '#!/bin/sh\necho "$@"\n');
    chmodSync(join(place, 'reno'), 0o755);
    chmodSync(join(place, 'bin/node'), 0o755);
    const run = () => spawnSync(join(place, 'reno'), ['plan', '--model', 'a b'], { encoding: 'utf8', cwd: tmpdir() });
    expect(run()).toMatchObject({
      status: 1,
      stderr: 'reno: this archive was made without weights: unpack it in the folder of the repository reno-webgpu\n',
    });
    writeFileSync(join(place, 'package.json'), '{}');
    expect(run()).toMatchObject({ status: 0, stdout: `${place}/dist/cli/main.js plan --model a b\n` });
  });
});

it('the command runs from one file beside Dawn alone', { timeout: 60_000 }, async () => {
  const place = join(folder, 'alone');
  mkdirSync(join(place, 'node_modules'), { recursive: true });
  copyFileSync(join(root, 'package.json'), join(place, 'package.json'));
  symlinkSync(join(root, 'weights'), join(place, 'weights'));
  await bundleAlone(join(place, 'dist/cli/main.js'));
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(place, 'dist/cli/main.js'), ...args], { encoding: 'utf8', cwd: place });
  expect(run('--version').stderr).toBe('');
  expect(run('selftest', '--help').stdout).toContain('--quick');
  const { status, stdout } = run('plan', '--model', 'pocket', '--json');
  expect([status, JSON.parse(stdout.trim().split('\n').at(-1) ?? '').ok ?? true]).toEqual([0, true]);
});
