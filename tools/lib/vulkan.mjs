/** A driver that WebGPU can run on. On Linux Dawn needs Vulkan; without a GPU, Mesa's lavapipe runs it on the CPU. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { exec, root } from './exec.mjs';
import { duration, say, stop } from './say.mjs';

const PROBE_LIMIT_MS = 60_000;
const APT_LIMIT_MS = 600_000;

/** @returns {Promise<{ ok: boolean, description?: string, name?: string, why?: string }>} */
export async function probe() {
  const child = await exec(process.execPath, [join(root, 'tools/lib/probe.mjs')], { limitMs: PROBE_LIMIT_MS });
  const line = child.output.split('\n').find((text) => text.startsWith('{"ok":'));
  if (line) {
    return JSON.parse(line);
  }
  const why = child.timedOut ? 'the driver did not answer in a minute' : child.signal ? `crash (${child.signal})` : '';
  return { ok: false, why: why || child.output.trim().split('\n').at(-1) };
}

/** Fields of /etc/os-release. */
function osRelease() {
  const path = '/etc/os-release';
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return Object.fromEntries([...text.matchAll(/^(\w+)="?([^"\n]*)"?$/gm)].map(([, key, value]) => [key, value]));
}

const OTHER_SYSTEMS = {
  fedora: 'dnf install mesa-vulkan-drivers vulkan-loader',
  arch: 'pacman -S vulkan-swrast vulkan-icd-loader',
  alpine: 'apk add mesa-vulkan-swrast vulkan-loader',
};

/** The address from which apt fetches Debian on this machine, so that a configured mirror is kept. */
function debianMirror(texts) {
  for (const text of texts) {
    const match = /^(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s+)?)(https?:\/\/\S+)/m.exec(text);
    if (match && /debian/.test(match[1]) && !/security|snapshot/.test(match[1])) {
      return match[1];
    }
  }
  return 'http://deb.debian.org/debian';
}

function aptSources() {
  const dir = '/etc/apt/sources.list.d';
  const files = existsSync(dir) ? readdirSync(dir).map((name) => join(dir, name)) : [];
  return ['/etc/apt/sources.list', ...files]
    .filter((path) => existsSync(path) && /\.(list|sources)$/.test(path))
    .map((path) => readFileSync(path, 'utf8').replace(/^\s*#.*$/gm, ''));
}

/** Returns the installation as commands for a person and as steps for this script; null where it is not known. */
function recipe() {
  const { ID = '', ID_LIKE = '', VERSION_CODENAME = '' } = osRelease();
  if (!existsSync('/usr/bin/apt-get') || !/debian|ubuntu/.test(`${ID} ${ID_LIKE}`)) {
    return null;
  }
  // Debian 12's own Mesa (22.3) is too old for Dawn.
  const backports = VERSION_CODENAME === 'bookworm' && ID === 'debian';
  const sources = aptSources();
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const signed = existsSync(keyring) ? `[signed-by=${keyring}] ` : '';
  const entry = `deb ${signed}${debianMirror(sources)} bookworm-backports main`;
  const list = '/etc/apt/sources.list.d/reno-webgpu-backports.list';
  const steps = [];
  if (backports && !sources.some((text) => text.includes('bookworm-backports'))) {
    steps.push(['sh', '-c', `echo '${entry}' > ${list}`]);
  }
  const from = backports ? ['-t', 'bookworm-backports'] : [];
  steps.push(['apt-get', 'update']);
  steps.push(['apt-get', 'install', '-y', '--no-install-recommends', ...from, 'mesa-vulkan-drivers', 'libvulkan1']);
  return steps;
}

const shown = (step) => (step[0] === 'sh' ? `sh -c "${step[2]}"` : step.join(' '));

/** How to become root: '' (already), 'sudo', or null when this process may not or cannot. */
async function rights(steps) {
  if (process.getuid?.() === 0) {
    return [];
  }
  if (!existsSync('/usr/bin/sudo')) {
    return null;
  }
  if (process.env.CI) {
    return (await exec('sudo', ['-n', 'true'])).code === 0 ? ['sudo', '-n'] : null;
  }
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    return null;
  }
  say('To install one, these commands would be run with sudo:');
  for (const step of steps) {
    say(`  ${shown(step)}`);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const closed = new Promise((resolve) => terminal.once('close', () => resolve('')));
  const answer = await Promise.race([terminal.question('Run them now? [y/N] '), closed]);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim()) ? ['sudo'] : null;
}

async function install(steps, prefix) {
  const start = performance.now();
  say('Installing a Vulkan driver that runs on the CPU (Mesa lavapipe):');
  for (const step of steps) {
    say(`  ${shown(step)}`);
    const [command, ...args] = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', ...step];
    const options = { stdin: prefix[0] === 'sudo' && prefix.length === 1, limitMs: APT_LIMIT_MS };
    const { code, output } = await exec(command, args, options);
    if (code !== 0) {
      console.error(output.trim().split('\n').slice(-15).join('\n'));
      stop(`\`${shown(step)}\` failed (see above), so there is no driver for WebGPU to run on.`);
    }
  }
  say(`Installed the driver in ${duration(performance.now() - start)}.`);
}

/** Makes sure that Dawn finds an adapter that computes; says what it did, or ends with what to do. */
export async function ensureAdapter() {
  const first = await probe();
  if (first.ok) {
    return first;
  }
  const why = `WebGPU finds no adapter that works here${first.why ? ` (${first.why})` : ''}.`;
  const forced = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'].find((name) => process.env[name]);
  if (forced) {
    stop(why, [`${forced} is set to ${process.env[forced]}: unset it, or let it name a driver that works.`]);
  }
  if (process.platform !== 'linux') {
    stop(why, ['Update the graphics driver; Dawn needs Metal on macOS and Direct3D 12 on Windows.']);
  }
  const steps = recipe();
  if (!steps) {
    const hint =
      OTHER_SYSTEMS[osRelease().ID ?? ''] ?? "your distribution's package of Mesa's Vulkan drivers (lavapipe)";
    stop(why, [`Install a Vulkan driver, then try again: ${hint}`]);
  }
  say(why);
  const prefix = await rights(steps);
  if (prefix === null) {
    stop('A Vulkan driver must be installed, which needs root. Run these, then try again:', steps.map(shown));
  }
  await install(steps, prefix);
  const second = await probe();
  if (!second.ok) {
    stop(`The driver is installed, but WebGPU still finds no adapter that works (${second.why}).`, [
      'Mesa 24 or newer with lavapipe is known to work: `vulkaninfo --summary` (package vulkan-tools) shows what is there.',
    ]);
  }
  return second;
}
