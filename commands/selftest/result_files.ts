/** selftest.json and selftest.html: written again whenever a part has ended, so that a cut loses nothing. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OutFolder } from '../../src/cli/generate/out_folder.ts';
import type { PartResult } from './part.ts';
import { selftestPage } from './selftest_page.ts';

export const RESULT_FILE = 'selftest.json';
export const PAGE_FILE = 'selftest.html';
const PICTURES = ['demo_init.png', 'demo_best.png'];
/** Rows that arrive in between are written at most this often, in milliseconds. */
const INTERVAL = 1000;

export interface SelftestResult {
  readonly format: 1;
  readonly tool: string;
  /** Date and time of the start, in UTC. */
  readonly started: string;
  readonly quick: boolean;
  readonly adapter: string;
  /** Whether all parts that were asked for ran and hold. */
  readonly ok: boolean;
  readonly summary: string;
  /** The parts that were asked for and have not begun. */
  readonly missing: readonly string[];
  readonly parts: readonly PartResult[];
}

/** The result so far. */
export function resultOf(
  about: Pick<SelftestResult, 'tool' | 'started' | 'quick'>,
  wanted: readonly string[],
  parts: readonly PartResult[],
): SelftestResult {
  const missing = wanted.filter((name) => !parts.some(({ part }) => part === name));
  const held = parts.filter(({ state }) => state === 'held').length;
  const others = parts.filter(({ state }) => state !== 'held').map(({ part, state }) => `${part} (${state})`);
  const ok = held === wanted.length;
  const capabilities = parts.flatMap(({ rows }) => rows).find(({ name }) => name === 'adapter');
  const summary = ok
    ? `all ${held} parts hold`
    : [
        `${held} of ${wanted.length} parts hold`,
        ...(others.length > 0 ? [`not ${others.join(', ')}`] : []),
        ...(missing.length > 0 ? [`${missing.join(', ')} did not begin`] : []),
      ].join('; ');
  const adapter = capabilities?.shown ?? 'an adapter that was not asked for its name';
  return { format: 1, ...about, adapter, ok, summary, missing, parts };
}

/** Keeps the files of a result up to date. */
export class ResultFiles {
  readonly #folder: OutFolder;
  #written = 0;

  constructor(folder: OutFolder) {
    this.#folder = folder;
    for (const file of [RESULT_FILE, PAGE_FILE, ...PICTURES]) {
      folder.remove(file); // Of an earlier run.
    }
  }

  /** Writes the result; while a part runs, not too often. */
  update(result: SelftestResult, isRunning: boolean): void {
    const now = performance.now();
    if (!isRunning || now - this.#written >= INTERVAL) {
      this.#written = now;
      this.#write(result);
    }
  }

  #write(result: SelftestResult): void {
    this.#folder.write(RESULT_FILE, `${JSON.stringify(result, null, 1)}\n`);
    const paths = PICTURES.map((file) => [file, join(this.#folder.path, file)] as const);
    const pictures = new Map(
      paths.filter(([, path]) => existsSync(path)).map(([file, path]) => [file, readFileSync(path)] as const),
    );
    this.#folder.write(PAGE_FILE, selftestPage(result, pictures));
  }
}
