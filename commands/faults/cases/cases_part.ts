/** Every file of shared/cases with its right answer. Where the folder is not beside the repository, the part says so. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultPart, FaultRow } from '../fault_part.ts';
import { HOSTILE_CASES } from './hostile_cases.ts';
import { READING_CASES } from './reading_cases.ts';
import { RUN_CASES } from './run_cases.ts';
import { CASES_FOLDER, type SharedCase } from './shared_case.ts';

/** All cases. A test checks that each file of the folder belongs to one. */
const CASES: readonly SharedCase[] = [...HOSTILE_CASES, ...READING_CASES, ...RUN_CASES];

/** The limits of reading a file: seconds of processor time, and MiB. */
const MOST_SECONDS = 2;
const MOST_MEBIBYTES = 200;

export const cases: FaultPart = {
  name: 'cases',
  description: 'every file of shared/cases gets its right answer',
  run: async ({ say }) => {
    if (!existsSync(CASES_FOLDER)) {
      const found = `not run: ${CASES_FOLDER} is not there`;
      return [{ part: 'cases', fault: 'shared/cases', injected: 0, survived: 0, lost: 0, found }];
    }
    const rows: FaultRow[] = [];
    for (const one of CASES) {
      say(`cases: ${one.path}`);
      rows.push(await rowOf(one));
    }
    for (const path of withoutCase()) {
      rows.push(row(path, 'no right answer is written for it', false));
    }
    return rows;
  },
};

async function rowOf(one: SharedCase): Promise<FaultRow> {
  const [before, time] = [process.memoryUsage().rss, process.cpuUsage()];
  try {
    const found = await one.check(join(CASES_FOLDER, one.path));
    const { user, system } = process.cpuUsage(time);
    const seconds = (user + system) / 1e6;
    const mebibytes = Math.max(0, process.memoryUsage().rss - before) / 2 ** 20;
    if (one.bounded && (seconds > MOST_SECONDS || mebibytes > MOST_MEBIBYTES)) {
      throw new Error(`took ${seconds.toFixed(1)} s and ${mebibytes.toFixed(0)} MiB`);
    }
    const used = one.bounded ? ` (${(seconds * 1000).toFixed(0)} ms, ${mebibytes.toFixed(0)} MiB)` : '';
    return row(one.path, `${one.right}: ${found}${used}`, true);
  } catch (error) {
    return row(one.path, `${one.right}; but it ${error instanceof Error ? error.message : error}`, false);
  }
}

function row(fault: string, found: string, right: boolean): FaultRow {
  return { part: 'cases', fault, injected: 1, survived: right ? 1 : 0, lost: right ? 0 : 1, found };
}

/** Returns the files of shared/cases that belong to no case. */
export function withoutCase(): string[] {
  const isIn = (path: string): boolean => CASES.some((one) => path === one.path || path.startsWith(`${one.path}/`));
  const files = readdirSync(CASES_FOLDER, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath.slice(CASES_FOLDER.length + 1), entry.name));
  return files.filter((path) => !path.endsWith('README') && !isIn(path)).sort();
}
