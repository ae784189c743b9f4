/** `npm run test:faults`: injects faults into files, processes and devices, and counts after which of them a promise did not hold. */
import { type Args, type Command, countFlag, isSet, textFlag } from '../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { sentenceOf } from '../../src/cli/usage_error.ts';
import type { FaultRow } from './fault_part.ts';
import { PARTS } from './fault_parts.ts';

export const command: Command = {
  meta: { name: 'faults', description: 'Inject faults, and count what they break' },
  args: {
    only: { type: 'enum', options: PARTS.map(({ name }) => name), description: 'Only one part' },
    count: {
      type: 'string',
      description: 'Inputs or repetitions of each part, instead of a short run',
      valueHint: 'n',
    },
    all: {
      type: 'boolean',
      description: 'A fault at every allocation of the made-up device, not at some of them: an hour',
    },
    seed: { type: 'string', description: 'Seed of everything random', default: '1', valueHint: 'n' },
    ...jsonFlag,
  },
  run: faults,
};

async function faults(args: Args): Promise<number> {
  const options = {
    seed: countFlag(args, 'seed', 0) ?? 1,
    count: countFlag(args, 'count', 1),
    all: isSet(args, 'all'),
    say: (sentence: string) => console.error(sentence),
  };
  const only = textFlag(args, 'only');
  const rows: FaultRow[] = [];
  for (const part of PARTS.filter(({ name }) => only === undefined || name === only)) {
    const found = await part
      .run(options)
      .catch((error): FaultRow[] => [
        { part: part.name, fault: 'the part itself', injected: 1, survived: 0, lost: 1, found: sentenceOf(error) },
      ]);
    for (const row of found) {
      rows.push(row);
      const state = row.lost === 0 ? 'ok  ' : 'FAIL';
      console.log(`${state} ${row.part}  ${row.fault}: ${row.injected} injected, ${row.lost} lost  ${row.found}`);
    }
  }
  const sum = (key: 'injected' | 'survived' | 'lost'): number => rows.reduce((n, row) => n + row[key], 0);
  const parts = [...new Set(rows.map(({ part }) => part))].map((part) => describePart(part, rows));
  const total = `${sum('injected')} faults injected, ${sum('survived')} survived, ${sum('lost')} lost`;
  return finish(args, rows.length > 0 && sum('lost') === 0, [total, ...parts].join('; '), rows);
}

/** The figures of a part, such as `fuzz: 4000 inputs fuzzed, 0 divergences`; where it has none, its faults. */
function describePart(part: string, all: readonly FaultRow[]): string {
  const rows = all.filter((row) => row.part === part);
  const figures = new Map<string, number>();
  for (const [name, value] of rows.flatMap((row) => Object.entries(row.figures ?? {}))) {
    figures.set(name, (figures.get(name) ?? 0) + value);
  }
  const injected = rows.reduce((n, row) => n + row.injected, 0);
  const survived = rows.reduce((n, row) => n + row.survived, 0);
  const shown = [...figures].map(([name, value]) => `${Number.isInteger(value) ? value : value.toFixed(3)} ${name}`);
  return `${part}: ${shown.length > 0 ? shown.join(', ') : `${survived} of ${injected} survived`}`;
}
