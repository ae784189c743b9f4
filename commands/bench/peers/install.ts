/** Puts what the benchmark compares with beside it, on first use: three npm packages and PyTorch. None is part of this project. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { exec } from '../../../tools/lib/exec.mjs';
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { npm } from '../../../tools/lib/packages.mjs';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FOLDER = join(ROOT, 'commands', 'bench', 'peers');
const VENV = join(ROOT, '.reno', 'bench-python');
const TORCH = 'torch==2.13.0';
const CPU_WHEELS = 'https://download.pytorch.org/whl/cpu';
const LIMIT_MS = 1_200_000;

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly optional?: boolean }>>;
}

const lockOf = (path: string): Lock => JSON.parse(readFileSync(join(FOLDER, path), 'utf8')) as Lock;

function upToDate(): boolean {
  if (!existsSync(join(FOLDER, 'node_modules/.package-lock.json'))) {
    return false;
  }
  const present = lockOf('node_modules/.package-lock.json').packages;
  return Object.entries(lockOf('package-lock.json').packages).every(
    ([path, entry]) => path === '' || entry.optional || present[path]?.version === entry.version,
  );
}

/** @throws Error when npm cannot. */
export async function installPackages(say: (line: string) => void): Promise<void> {
  if (upToDate()) {
    return;
  }
  say(
    'installing tfjs, jax-js and onnxruntime-node into commands/bench/peers (about 600 MB on disk; install scripts off) …',
  );
  const args = ['ci', '--prefix', FOLDER, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { code, output } = await npm(args);
  if (code !== 0) {
    throw new Error(`npm could not install commands/bench/peers: ${lastLine(output)}`);
  }
}

/**
 * A Python that has PyTorch: `PYTHON` if set, else a virtual environment of the benchmark's own.
 * @throws Error saying what is missing.
 */
export async function pythonWithTorch(say: (line: string) => void): Promise<string> {
  const asked = process.env.PYTHON;
  if (asked) {
    if (!(await importsTorch(asked))) {
      throw new Error(`PYTHON is ${asked}, which cannot import torch and numpy`);
    }
    return asked;
  }
  const python = join(VENV, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  if (existsSync(python) && (await importsTorch(python))) {
    return python;
  }
  say(`installing PyTorch (${TORCH}, about 1 GB on disk) into .reno/bench-python; PYTHON=… names another …`);
  await must(process.platform === 'win32' ? 'python' : 'python3', ['-m', 'venv', VENV]);
  await must(python, ['-m', 'pip', 'install', '--quiet', TORCH, 'numpy', '--extra-index-url', CPU_WHEELS]);
  return python;
}

async function importsTorch(python: string): Promise<boolean> {
  return (await exec(python, ['-c', 'import torch, numpy'])).code === 0;
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const { code, output } = await exec(command, [...args], { limitMs: LIMIT_MS });
  if (code !== 0) {
    throw new Error(`${command} ${args.slice(0, 3).join(' ')} failed: ${lastLine(output)}`);
  }
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';
