/** The jobs of the tests: GenEval metadata of pocket prompts, one broken line among them, and the command that runs them. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';

/** Writes a list of `count` GenEval entries; the entry in the middle is no metadata, so that its job always fails. */
export function writeList(path: string, count: number): void {
  const objects = ['apple', 'banana', 'car', 'cat', 'whale', 'mushroom', 'tree', 'house', 'umbrella', 'guitar'];
  const colors = ['red', 'orange', 'yellow', 'green', 'blue', 'purple', 'black', 'white'];
  const lines = Array.from({ length: count }, (_, i) => {
    const [object, color] = [objects[i % objects.length], colors[Math.floor(i / objects.length) % colors.length]];
    const entry = {
      tag: 'colors',
      include: [{ class: object, count: 1, color }],
      prompt: `a photo of a ${color} ${object}`,
    };
    return i === Math.floor(count / 2) ? '{"tag": "colors", "broken": true}' : JSON.stringify(entry);
  });
  writeFileSync(path, `${lines.join('\n')}\n`);
}

/** The flags of the jobs: short runs of one reward, since the subject is the jobs and not the pictures. */
export const SHORT = ['--n-iters', '2', '--methods', 'reno', '--rewards', 'clip'] as const;

export interface Started {
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Everything that the process has said so far. */
  readonly said: () => string;
  readonly ended: Promise<{ readonly code: number | null; readonly out: string; readonly said: string }>;
}

/** Starts a script of this repository, such as `commands/bin.ts`. */
export function started(
  script: string,
  tokens: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Started {
  const child = spawn(process.execPath, ['--import', 'tsx', join(PACKAGE_ROOT, script), ...tokens], {
    cwd: PACKAGE_ROOT,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end); // No worker outlives the test that started it.
  let out = '';
  let said = '';
  child.stdout.on('data', (text: Buffer) => {
    out += text;
  });
  child.stderr.on('data', (text: Buffer) => {
    said += text;
  });
  const ended = new Promise<{ code: number | null; out: string; said: string }>((resolve) => {
    child.on('exit', (code) => {
      process.off('exit', end);
      resolve({ code, out, said });
    });
  });
  return { kill: (signal) => void child.kill(signal), said: () => said, ended };
}

/**
 * SHA-256 of every file of every job, but for record.json, which says when and where a job ran. What a killed process had begun
 * and not finished is no result.
 */
export function jobHashes(folder: string): Map<string, string> {
  const hashes = new Map<string, string>();
  const jobs = join(folder, 'jobs');
  for (const path of readdirSync(jobs, { recursive: true, encoding: 'utf8' }).sort()) {
    if (/^[0-9a-f]{2}\b.*\.(png|json)$/.test(path) && !path.endsWith('record.json')) {
      hashes.set(
        path,
        createHash('sha256')
          .update(readFileSync(join(jobs, path)))
          .digest('hex'),
      );
    }
  }
  return hashes;
}

/** Returns the first difference of two sets of results in words; null where they are the same. */
export function differenceOf(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): string | null {
  for (const path of new Set([...a.keys(), ...b.keys()])) {
    if (a.get(path) !== b.get(path)) {
      return `${path} ${a.has(path) && b.has(path) ? 'has other bytes' : 'is there once only'}`;
    }
  }
  return null;
}
