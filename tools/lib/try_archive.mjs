/**
 * Tries the archive of tools/bundle.mjs as on a machine that has a GPU driver and nothing else: in a root with a shell, a C library and
 * Mesa's software driver, without network, as a user without rights.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ARCHIVE } from './archive.mjs';
import { exec } from './exec.mjs';
import { say } from './say.mjs';

const DRIVER = '/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so';
const MANIFEST = '/usr/share/vulkan/icd.d/lvp_icd.json';
const NOBODY = '65534:65534';
/** The limits of the parts of `--quick`, and more. */
const LIMIT_MS = 12 * 60_000;

/** @returns the exit code of `reno selftest` @throws Error, one sentence, where it cannot be tried here */
export async function tryArchive(archive) {
  if (process.getuid() !== 0) {
    throw new Error('The archive can be tried by root alone, who may change the root folder of a process.');
  }
  const missing = [DRIVER, MANIFEST].find((path) => !existsSync(path));
  if (missing) {
    throw new Error(
      `${missing} is not here, the software driver that the archive is tried with: install mesa-vulkan-drivers.`,
    );
  }
  const place = mkdtempSync(join(tmpdir(), 'reno-try-'));
  try {
    chmodSync(place, 0o755);
    await makeRoot(place);
    await run('tar', ['-xJf', archive, '-C', join(place, 'opt')]);
    say(`Trying ${archive} in an empty root, without network …`);
    const mounts = `mount -t proc proc '${place}/proc' && mount -t sysfs sys '${place}/sys' && mount --bind /dev '${place}/dev'`;
    const command = `/opt/${ARCHIVE}/reno selftest --quick --json --out /tmp/result`;
    const enter = `${mounts} && exec chroot --userspec=${NOBODY} '${place}' ${command}`;
    const { code, timedOut } = await exec('unshare', ['--mount', '--net', '--fork', 'sh', '-c', enter], {
      show: true,
      limitMs: LIMIT_MS,
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/tmp' },
    });
    say(timedOut ? 'It did not end in time.' : `reno selftest ended with exit code ${code}.`);
    return code;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** A root folder with /bin/sh, the driver, and the libraries that they link to; no Vulkan loader and no Node. */
async function makeRoot(place) {
  for (const folder of ['bin', 'proc', 'sys', 'dev', 'tmp', 'opt', 'etc']) {
    mkdirSync(join(place, folder), { recursive: true });
  }
  chmodSync(join(place, 'tmp'), 0o1777);
  const copy = (path) => {
    mkdirSync(join(place, dirname(path)), { recursive: true });
    copyFileSync(path, join(place, path));
  };
  copyFileSync('/bin/sh', join(place, 'bin/sh'));
  for (const path of [DRIVER, MANIFEST, ...(await librariesOf('/bin/sh')), ...(await librariesOf(DRIVER))]) {
    copy(path);
  }
  // The C library's other parts, which the dynamic linker loads for Node.
  for (const name of ['libdl.so.2', 'libpthread.so.0', 'libm.so.6', 'librt.so.1']) {
    copy(`/lib/x86_64-linux-gnu/${name}`);
  }
}

async function librariesOf(file) {
  const output = await run('ldd', [file]);
  return [...output.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path);
}

async function run(command, args) {
  const { code, output } = await exec(command, args);
  if (code !== 0) {
    throw new Error(`${command} failed: ${output.trim().split('\n').at(-1)}`);
  }
  return output;
}
