/**
 * `npm run bench -- [--json] [--only kernels,…] [--rows REGEX] [--rounds N]`: the figures of this project beside others' and beside what is
 * asked of them. Exit code 0 only where all of them hold.
 */
import { parseArgs } from 'node:util';
import type { ResultRow, Section } from './section.ts';
import { growth, growthTable } from './sections/growth.ts';
import { host, hostTable } from './sections/host.ts';
import { iterations, iterationTable } from './sections/iterations.ts';
import { kernels, kernelTable } from './sections/kernels.ts';
import { plan, planTable } from './sections/plan.ts';

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

const USAGE = `usage: npm run bench -- [--json] [--only ${Object.keys(PARTS).join(',')}] [--rows REGEX] [--rounds N]`;

interface Settings {
  readonly json: boolean;
  readonly only: readonly string[];
  readonly rounds: number;
  readonly rows: RegExp;
}

function settings(args: readonly string[]): Settings {
  const text = { type: 'string' } as const;
  const options = { json: { type: 'boolean' }, only: text, rows: text, rounds: text } as const;
  const { values } = parseArgs({ args: [...args], options });
  const only = values.only?.split(',') ?? Object.keys(PARTS);
  const unknown = only.find((name) => !(name in PARTS));
  if (unknown !== undefined) {
    throw new Error(`--only: there is no part "${unknown}"`);
  }
  const rounds = Number(values.rounds ?? 5);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Error(`--rounds is a whole number from 1 on, not "${values.rounds}"`);
  }
  return { json: values.json ?? false, only, rounds, rows: new RegExp(values.rows ?? '') };
}

async function main(): Promise<number> {
  let asked: Settings;
  try {
    asked = settings(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return 2;
  }
  const say = (line: string): void => console.error(line);
  const rows: ResultRow[] = [];
  for (const name of asked.only) {
    const part = PARTS[name];
    const found = (await part?.run({ rounds: asked.rounds, say, matches: (name) => asked.rows.test(name) })) ?? [];
    rows.push(...found);
    console.log(`\n${name}\n${(part?.print(found) ?? []).join('\n')}`);
    for (const row of found) {
      for (const note of row.notes) {
        console.log(`  ${row.name}: ${note}`);
      }
    }
  }
  const held = rows.filter((row) => row.ok).length;
  const ok = rows.length > 0 && held === rows.length;
  const summary = `${held} of ${rows.length} figures hold`;
  console.log(asked.json ? JSON.stringify({ ok, summary, rows }) : `\n${summary}`);
  return ok ? 0 : 1;
}

process.exit(await main());
