/**
 * `npm run bench`: measures this project beside other engines, and compares each figure with what is asked of it.
 * Exits with 0 only where all of them hold.
 */
import { type Args, type Command, countFlag, textFlag } from '../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import type { ResultRow, Section } from './section.ts';
import { growth, growthTable } from './sections/growth.ts';
import { host, hostTable } from './sections/host.ts';
import { iterations, iterationTable } from './sections/iterations.ts';
import { kernels, kernelTable } from './sections/kernels.ts';
import { plan, planTable } from './sections/planned_needs.ts';

interface Part {
  readonly run: Section;
  readonly print: (rows: readonly ResultRow[]) => string[];
}

const PARTS: Readonly<Record<string, Part>> = {
  kernels: { run: kernels, print: kernelTable },
  iterations: { run: iterations, print: iterationTable },
  plan: { run: plan, print: planTable },
  host: { run: host, print: hostTable },
  growth: { run: growth, print: growthTable },
};

export const command: Command = {
  meta: { name: 'bench', description: 'Measure this project beside other engines' },
  args: {
    only: { type: 'string', description: `Only these parts of ${Object.keys(PARTS).join(', ')}`, valueHint: 'list' },
    rows: { type: 'string', description: 'Only rows whose name matches', valueHint: 'regex' },
    rounds: { type: 'string', description: 'Turns that each engine takes at a row', default: '5', valueHint: 'n' },
    ...jsonFlag,
  },
  run: bench,
};

async function bench(args: Args): Promise<number> {
  const names = textFlag(args, 'only')?.split(',') ?? Object.keys(PARTS);
  const unknown = names.find((name) => !(name in PARTS));
  if (unknown !== undefined) {
    throw new UsageError(`--only: there is no part "${unknown}"; the parts are ${Object.keys(PARTS).join(', ')}`);
  }
  const rounds = countFlag(args, 'rounds', 1) ?? 5;
  const wanted = new RegExp(textFlag(args, 'rows') ?? '');
  const say = (line: string): void => console.error(line);
  const rows: ResultRow[] = [];
  for (const name of names) {
    const part = PARTS[name];
    const found = (await part?.run({ rounds, say, matches: (row) => wanted.test(row) })) ?? [];
    rows.push(...found);
    console.log(`\n${name}\n${(part?.print(found) ?? []).join('\n')}`);
    for (const row of found) {
      for (const note of row.notes) {
        console.log(`  ${row.name}: ${note}`);
      }
    }
  }
  const held = rows.filter((row) => row.ok).length;
  console.log('');
  return finish(args, rows.length > 0 && held === rows.length, `${held} of ${rows.length} figures hold`, rows);
}
