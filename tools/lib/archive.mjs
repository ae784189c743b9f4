/** The archive for linux-x64: which files it has, and how it is written. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { exec, root } from './exec.mjs';

/** The archive's name, and that of the one folder in it. */
export const ARCHIVE = 'reno-webgpu-linux-x64';

/** Bytes of the archive at most. */
export const limitOf = (withoutWeights) => (withoutWeights ? 33e6 : 55e6);

const LIBRARY_FOLDERS = ['/usr/lib/x86_64-linux-gnu', '/lib/x86_64-linux-gnu', '/usr/lib64', '/lib64', '/usr/lib'];

/** @throws Error, one sentence with what to install, where this machine has no such library */
function systemLibrary(name, debianPackage) {
  const path = LIBRARY_FOLDERS.map((folder) => join(folder, name)).find(existsSync);
  if (!path) {
    throw new Error(`${name} is not on this machine, and the archive brings it along: install ${debianPackage}.`);
  }
  return realpathSync(path);
}

const LAUNCHER = `#!/bin/sh
# Runs reno with the Node, Dawn and libraries of this folder. Uses the shell alone; LD_LIBRARY_PATH of the caller stays.
case "$0" in */*) here=\${0%/*} ;; *) here=. ;; esac
here=$(cd "$here" && pwd) || exit 1
add() { LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$1"; export LD_LIBRARY_PATH; }

if [ ! -f "$here/package.json" ] && [ ! -f "$here/../package.json" ]; then
  echo "reno: this archive was made without weights: unpack it in the folder of the repository reno-webgpu" >&2
  exit 1
fi

# The system's Vulkan loader, where there is one: it is made for the system's drivers.
loader=
for folder in /usr/lib/x86_64-linux-gnu /lib/x86_64-linux-gnu /usr/lib64 /lib64 /usr/lib /usr/local/lib; do
  if [ -e "$folder/libvulkan.so.1" ]; then loader=$folder; fi
done
[ -n "$loader" ] || add "$here/lib/vulkan"

# The C++ library of this folder only where the system has none or an older one: a driver may need the system's.
dawn=$here/node_modules/webgpu/dist/linux-x64/dawn.node
if ! "$here/bin/node" -e 'require(process.argv[1]); process.exit(0)' "$dawn" >/dev/null 2>&1; then add "$here/lib/cxx"; fi
exec "$here/bin/node" "$here/dist/cli/main.js" "$@"
`;

const readme = (withoutWeights, glibc) => `reno-webgpu for Linux on x86-64
===============================

This folder runs ReNO on a machine that has a GPU driver and glibc ${glibc} or later (Debian 12, Ubuntu 22.04, RHEL 9 and
later). It needs no network and no root, and installs nothing.
${withoutWeights ? '\nIt was made without weights: unpack it in the folder of the repository reno-webgpu, whose weights it uses.\n' : ''}
Run this first on a new GPU:

    ./reno selftest --out result

It takes at most ten minutes, and leaves result/selftest.json and result/selftest.html. Each part has a time limit and is
written as it ends, so a cut loses nothing. With --quick it runs small variants. Then:

    ./reno doctor
    ./reno generate --prompt "a photo of a red tree and a purple heart"
    ./reno --help

If no GPU is found, ./reno doctor says what is missing: on NVIDIA usually the Vulkan part of the driver, which
containers bring with NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility.

The archive is compressed with xz. Where tar has no xz, Python unpacks it:

    python3 -c "import tarfile; tarfile.open('${ARCHIVE}.tar.xz').extractall()"

What is in here: reno-webgpu (MIT, see LICENSE), Node.js (MIT and others, https://github.com/nodejs/node/blob/main/LICENSE),
Dawn through the npm package webgpu (see node_modules/webgpu/LICENSE.md), the Vulkan loader (Apache 2.0), libstdc++ and
libgcc (GPL 3 with the GCC runtime library exception; used only where the system has none).
`;

/** Files of a folder of the repository, with paths in the archive. */
function folder(path) {
  return readdirSync(join(root, path), { recursive: true, encoding: 'utf8' })
    .map((name) => join(path, name))
    .filter((file) => statSync(join(root, file)).isFile())
    .sort()
    .map((file) => ({ path: file, from: join(root, file) }));
}

/**
 * The files of the archive, without the command itself and the README.
 * @returns {{ path: string, from?: string, text?: string, mode?: number, strip?: boolean }[]} strip: debugging symbols are removed
 */
export function archiveFiles({ withoutWeights }) {
  const dawn = 'node_modules/webgpu';
  const own = (path) => ({ path, from: join(root, path) });
  const cxx = (name) => ({
    path: `lib/cxx/${name}`,
    from: systemLibrary(name, 'libstdc++6 and libgcc-s1'),
    strip: true,
  });
  return [
    { path: 'reno', text: LAUNCHER, mode: 0o755 },
    { path: 'bin/node', from: realpathSync(process.execPath), mode: 0o755, strip: true },
    { path: 'lib/vulkan/libvulkan.so.1', from: systemLibrary('libvulkan.so.1', 'libvulkan1'), strip: true },
    cxx('libstdc++.so.6'),
    cxx('libgcc_s.so.1'),
    ...['package.json', 'index.js', 'LICENSE.md'].map((name) => own(`${dawn}/${name}`)),
    { ...own(`${dawn}/dist/linux-x64/dawn.node`), strip: true },
    // The repository has these files too.
    ...(withoutWeights
      ? []
      : [
          own('package.json'),
          own('LICENSE'),
          own('CHANGELOG.md'),
          own('python/selftest_torch.py'),
          own('parity/pocket_loop.json'),
          own('parity/pocket_loop.safetensors'),
          ...folder('weights'),
        ]),
  ];
}

/** The newest version of glibc whose symbols a program or library asks for. */
export function glibcOf(bytes) {
  const versions = [...bytes.toString('latin1').matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
  return Math.max(0, ...versions);
}

/**
 * Writes the archive into `target`. @returns its path, and figures of what is in it
 * @throws Error, one sentence, where this machine lacks something
 */
export async function writeArchive(target, { withoutWeights }) {
  const work = mkdtempSync(join(tmpdir(), 'reno-archive-'));
  try {
    const inside = join(work, ARCHIVE);
    const files = archiveFiles({ withoutWeights });
    let glibc = 0;
    for (const { path, from, text, mode = 0o644, strip } of files) {
      const to = join(inside, path);
      mkdirSync(dirname(to), { recursive: true });
      if (text === undefined) {
        copyFileSync(from, to);
      } else {
        writeFileSync(to, text);
      }
      chmodSync(to, mode | 0o200);
      if (strip && !path.startsWith('lib/')) {
        glibc = Math.max(glibc, glibcOf(readFileSync(to))); // Those of lib/ are used only where the system has none.
      }
      if (strip) {
        await exec('strip', ['--strip-unneeded', to]); // Without binutils the file stays as it is, and the limit decides.
      }
      chmodSync(to, mode);
    }
    const { bundleAlone } = await import('./bundle.mjs');
    await bundleAlone(join(inside, 'dist/cli/main.js'));
    writeFileSync(join(inside, 'README.txt'), readme(withoutWeights, `2.${glibc}`));
    const path = join(target, `${ARCHIVE}${withoutWeights ? '-without-weights' : ''}.tar.xz`);
    mkdirSync(target, { recursive: true });
    const owner = ['--owner=0', '--group=0', '--numeric-owner', '--sort=name', '--mtime=@0'];
    const { code, output } = await exec('tar', [...owner, '-cJf', path, '-C', work, ARCHIVE], {
      env: { ...process.env, XZ_OPT: '-9' },
    });
    if (code !== 0) {
      throw new Error(
        `tar could not write the archive (${output.trim().split('\n').at(-1)}): GNU tar and xz-utils are needed.`,
      );
    }
    return { path, glibc: `2.${glibc}`, ...figuresOf(inside) };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function figuresOf(inside) {
  const all = readdirSync(inside, { recursive: true, encoding: 'utf8' })
    .map((path) => ({ path, stat: statSync(join(inside, path)) }))
    .filter(({ stat }) => stat.isFile())
    .map(({ path, stat }) => ({ path, bytes: stat.size }))
    .sort((a, b) => b.bytes - a.bytes);
  return { count: all.length, bytes: all.reduce((n, { bytes }) => n + bytes, 0), largest: all.slice(0, 8) };
}
