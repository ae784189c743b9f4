/** A small input that once gave a wrong answer, and the right one. The files lie beside the repository, in shared/cases. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';

/** The folder of the shared inputs. */
export const CASES_FOLDER = join(PACKAGE_ROOT, '../shared/cases');

/** One file or folder of CASES_FOLDER. */
export interface SharedCase {
  /** Its path in CASES_FOLDER. */
  readonly path: string;
  /** The right answer, in words. */
  readonly right: string;
  /** Whether reading it must stay within 2 s of processor time and 200 MiB. */
  readonly bounded?: boolean;
  /** Returns what happened. @throws Error when that is not right */
  check(path: string): Promise<string>;
}

/** @throws Error saying both values when they differ */
export function equal(found: unknown, right: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(right)];
  if (a !== b) {
    throw new Error(`gave ${a.slice(0, 300)} where ${b.slice(0, 300)} is right`);
  }
}

/** @throws Error when `text` does not match */
export function matches(text: string, right: RegExp): string {
  if (!right.test(text)) {
    throw new Error(`said "${text.slice(0, 300)}", which does not match ${right}`);
  }
  return text;
}

/** A sentence for a terminal: one line, visible characters only. */
const SENTENCE = /^[^\p{Cc}\p{Cf}\p{Co}\p{Cs}]+$/u;

/** Returns the sentence that refuses. @throws Error when `read` takes the input, or refuses it in other words */
export async function refusal(read: () => unknown, right: RegExp): Promise<string> {
  let taken: unknown;
  try {
    taken = await read();
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error);
    return matches(matches(sentence, SENTENCE), right);
  }
  throw new Error(`was taken: ${JSON.stringify(taken)?.slice(0, 300)}`);
}

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program, for at most 5 minutes. */
export function ran(program: string, args: readonly string[], cwd: string = PACKAGE_ROOT): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const { npm_config_prefix: _, INIT_CWD: __, ...env } = process.env;
    const child = spawn(program, args, { cwd, env, timeout: 300_000, stdio: ['ignore', 'pipe', 'pipe'] });
    const texts = { stdout: '', stderr: '' };
    child.stdout.on('data', (part) => {
      texts.stdout += part;
    });
    child.stderr.on('data', (part) => {
      texts.stderr += part;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...texts }));
  });
}

/** Runs `reno generate` with one step of the pocket models. @throws Error when it fails */
export async function generated(...flags: readonly string[]): Promise<string> {
  const { code, stderr } = await reno('generate', '--no-optim', ...flags);
  equal([code, code === 0 ? '' : stderr.slice(-300)], [0, '']);
  return stderr;
}

/** Runs `reno`. */
export function reno(...args: readonly string[]): Promise<Ran> {
  return ran(process.execPath, ['--import', 'tsx', 'commands/bin.ts', ...args]);
}

/** Returns which of `paths` are not in the folder. */
export function missing(folder: string, paths: readonly string[]): string[] {
  return paths.filter((path) => !existsSync(join(folder, path)));
}
