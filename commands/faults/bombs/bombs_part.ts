/** The most work that each reader of files and prompts can be given: a sentence or an answer within 2 s and 200 MiB. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import type { FaultPart, FaultRow } from '../fault_part.ts';
import { BOMBS } from './bombs.ts';
import type { Measured } from './measured_bombs.ts';

const MOST_SECONDS = 2;
const MOST_MEBIBYTES = 200;

export const bombs: FaultPart = {
  name: 'bombs',
  description: 'the most work that each reader can be given ends within 2 s and 200 MiB',
  run: async () => {
    const rows: FaultRow[] = [];
    for await (const measured of measurements()) {
      rows.push(rowOf(measured));
    }
    const lost = BOMBS.slice(rows.length).map(({ reader, input }) =>
      row(`${reader}: ${input}`, 'the process ended', false),
    );
    return [...rows, ...lost];
  },
};

/** Measures all bombs in a process of their own. */
async function* measurements(): AsyncGenerator<Measured> {
  const args = ['--expose-gc', '--import', 'tsx', 'commands/faults/bombs/measured_bombs.ts'];
  const child = spawn(process.execPath, args, { cwd: PACKAGE_ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  for await (const line of createInterface({ input: child.stdout })) {
    yield JSON.parse(line) as Measured;
  }
  await ended;
}

function rowOf({ reader, input, refusal, seconds, mebibytes }: Measured): FaultRow {
  const within = seconds <= MOST_SECONDS && mebibytes <= MOST_MEBIBYTES;
  const isSentence = refusal === undefined || /^[\x20-\x7e]{1,300}$/.test(refusal);
  const used = `${seconds.toFixed(2)} s, ${mebibytes.toFixed(0)} MiB: ${refusal ?? 'read'}`;
  return row(`${reader}: ${input}`, used, within && isSentence);
}

function row(fault: string, found: string, right: boolean): FaultRow {
  return { part: 'bombs', fault, injected: 1, survived: right ? 1 : 0, lost: right ? 0 : 1, found };
}
