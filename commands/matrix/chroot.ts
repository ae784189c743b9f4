/**
 * A folder with Debian sid's software driver (lavapipe, Mesa 26 and later), whose matrices of 8x8x8 run on any CPU. Nothing is
 * installed on the machine: mounts are private to the child process and end with it.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';

const MIRROR = 'http://deb.debian.org/debian';
const PACKAGES = 'libvulkan1,mesa-vulkan-drivers';

/** Makes the folder, or finds it. @throws Error, one sentence, where it cannot be made here */
function systemFolder(): string {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'reno-webgpu', 'debian-sid');
  const ready = join(folder, 'ready');
  if (existsSync(ready)) {
    return folder;
  }
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error(
      'no adapter here has matrix units, and the software driver that has them needs Linux and root: debootstrap makes a folder of Debian sid',
    );
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  console.error(`making a folder of Debian sid in ${folder} (600 MB, a minute) …`);
  const { status, error, stdout } = spawnSync(
    'debootstrap',
    ['--variant=minbase', `--include=${PACKAGES}`, 'sid', folder, MIRROR],
    { encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  if (status !== 0) {
    const why = error ? error.message : stdout.trim().split('\n').at(-1);
    throw new Error(
      `debootstrap could not make a folder of Debian sid (${why}); it is the package debootstrap on Debian and Ubuntu`,
    );
  }
  writeFileSync(ready, '');
  return folder;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * Runs a command of this repository in the folder, with matrix units on.
 * @returns the exit code
 * @throws Error, one sentence, where the folder cannot be made or entered
 */
export function runInSid(tokens: readonly string[]): number {
  const folder = systemFolder();
  const node = join(folder, 'usr/local/bin/node');
  if (!existsSync(node)) {
    copyFileSync(realpathSync(process.execPath), node);
  }
  const shown = [...new Set([PACKAGE_ROOT, realpathSync(join(PACKAGE_ROOT, 'node_modules'))])];
  const inside = (path: string): string => join(folder, path);
  for (const path of shown) {
    mkdirSync(inside(path), { recursive: true });
  }
  const mounts = [
    `mount -t proc proc ${quoted(inside('proc'))}`,
    `mount -t sysfs sys ${quoted(inside('sys'))}`,
    `mount --bind /dev ${quoted(inside('dev'))}`,
    ...shown.map((path) => `mount --bind ${quoted(path)} ${quoted(inside(path))}`),
  ];
  const command = ['node', '--import', 'tsx', 'commands/main.ts', ...tokens].map(quoted).join(' ');
  const entered = `cd ${quoted(PACKAGE_ROOT)} && exec ${command}`;
  const script = `set -e; ${mounts.join('; ')}; exec chroot ${quoted(folder)} /bin/sh -c ${quoted(entered)}`;
  const { status, error } = spawnSync('unshare', ['--mount', '--fork', 'sh', '-c', script], {
    stdio: 'inherit',
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin:/sbin:/usr/sbin',
      HOME: '/tmp',
      RENO_SUBGROUP_MATRIX: '1',
      RENO_TUNING: 'off',
      VK_DRIVER_FILES: '/usr/share/vulkan/icd.d/lvp_icd.json',
    },
  });
  if (error || status === null) {
    throw new Error(`the folder of Debian sid cannot be entered (${error?.message ?? 'the process was ended'})`);
  }
  return status;
}
