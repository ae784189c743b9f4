/** The same kernels in PyTorch on the same GPU, where python3 has it. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { type KernelRow, nameOf } from './kernel_rows.ts';

const SCRIPT = join(PACKAGE_ROOT, 'python/selftest_torch.py');

export interface TorchTimes {
  /** PyTorch's version and device, or the reason why there are no times. */
  readonly about: string;
  readonly ms: ReadonlyMap<string, number>;
}

/** Times the rows in PyTorch. It never throws: without PyTorch there are no times, and `about` says why. */
export function torchTimes(
  rows: readonly KernelRow[],
  dtype: 'f16' | 'f32',
  seconds: number,
  flags: readonly string[] = [],
): Promise<TorchTimes> {
  if (!existsSync(SCRIPT)) {
    return Promise.resolve({
      about: 'PyTorch was not asked: the npm package does not have the script for it',
      ms: new Map(),
    });
  }
  return new Promise((resolve) => {
    // LD_LIBRARY_PATH is for the Node of an archive; Python has libraries of its own.
    const { LD_LIBRARY_PATH: _, ...env } = process.env;
    const child = spawn('python3', [SCRIPT, ...flags], { stdio: ['pipe', 'pipe', 'ignore'], env });
    let text = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), Math.max(1, seconds) * 1000);
    child.on('error', () => {
      clearTimeout(timer);
      resolve({ about: 'there is no python3 here, so nothing was compared with PyTorch', ms: new Map() });
    });
    child.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    child.stdin.on('error', () => {}); // It may have ended before it read.
    child.stdin.end(JSON.stringify(rows.map((row) => ({ name: nameOf(row), dtype, ...row }))));
    child.on('close', () => {
      clearTimeout(timer);
      resolve(parsed(text));
    });
  });
}

interface Line {
  readonly missing?: string;
  readonly torch?: string;
  readonly device?: string;
  readonly name?: string;
  readonly ms?: number;
}

/** Reads what the script printed, as far as it came. */
export function parsed(text: string): TorchTimes {
  const lines = text.split('\n').flatMap((line): Line[] => {
    try {
      return [JSON.parse(line) as Line];
    } catch {
      return []; // A last line that was cut, or something else that Python printed.
    }
  });
  const ms = new Map(
    lines.flatMap(({ name, ms }) => (name !== undefined && ms !== undefined ? [[name, ms] as const] : [])),
  );
  const head = lines.find(({ torch }) => torch !== undefined);
  const missing = lines.find((line) => line.missing !== undefined)?.missing;
  const about = head
    ? `PyTorch ${head.torch} on ${head.device}`
    : `nothing was compared: ${missing ?? 'python3 did not answer in time'}`;
  return { about, ms };
}
