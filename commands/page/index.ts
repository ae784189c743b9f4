/**
 * `npm run page`: measures the browser page in Chromium, on a first and a second visit. `--url` measures a page that is served
 * already, such as one of an older commit. `ops`, `parity` and `memory` check what the page computes, and `screenshots` takes its pictures.
 */
import { type Args, type Command, countFlag, textFlag } from '../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { table } from '../common/table.ts';
import { assertChromium } from './assert_chromium.ts';
import type { Visit } from './measure.ts';
import { memoryCommand } from './memory.ts';
import { opsCommand } from './ops/index.ts';
import { parityCommand } from './parity.ts';
import { screenshotsCommand } from './screenshots.ts';

const DEFAULT_ITERATIONS = 50;
/** The longest task of the main thread that a page which answers at once may have, in milliseconds. Source: Long Tasks API, W3C. */
const LONG_TASK = 50;

export const command: Command = {
  meta: {
    name: 'page',
    description: 'Measure the browser page in Chromium: requests, bytes, times, longest task of the main thread',
  },
  args: {
    url: { type: 'string', description: 'A page that is served already; default: this one', valueHint: 'address' },
    iterations: {
      type: 'string',
      description: 'Iterations of the run',
      default: String(DEFAULT_ITERATIONS),
      valueHint: 'number',
    },
    ...jsonFlag,
  },
  subCommands: { ops: opsCommand, parity: parityCommand, memory: memoryCommand, screenshots: screenshotsCommand },
  run,
};

async function run(args: Args): Promise<number> {
  const iterations = countFlag(args, 'iterations', 1) ?? DEFAULT_ITERATIONS;
  await assertChromium();
  const [{ measurePage }, { servePage }] = await Promise.all([import('./measure.ts'), import('./served.ts')]);
  const served = textFlag(args, 'url') === undefined ? await servePage() : null;
  try {
    const visits = await measurePage(textFlag(args, 'url') ?? served?.url ?? '', iterations);
    console.log(table(['visit', ...COLUMNS.map(([name]) => name)], visits.map(cells)).join('\n'));
    for (const { visit, tasks } of visits) {
      console.log(`longest tasks of the ${visit} visit:`);
      for (const { cpu, wall, parts } of tasks) {
        console.log(`  ${cpu.toFixed(1)} ms of CPU, ${wall.toFixed(1)} ms by the clock: ${parts.join(' · ')}`);
      }
    }
    const longest = Math.max(...visits.map((visit) => visit.longestTask));
    const missing = visits.reduce((sum, visit) => sum + visit.missing, 0);
    const summary = `The longest task of the main thread took ${longest.toFixed(1)} ms of CPU time (${LONG_TASK} are allowed); ${missing} requests found nothing.`;
    return finish(args, longest <= LONG_TASK && missing === 0, summary, visits);
  } finally {
    await served?.close();
  }
}

const COLUMNS: readonly (readonly [string, (visit: Visit) => string])[] = [
  ['requests', (visit) => String(visit.requests)],
  ['not there', (visit) => String(visit.missing)],
  ['MB', (visit) => (visit.bytes / 1e6).toFixed(2)],
  ['ready s', (visit) => visit.ready.toFixed(1)],
  ['first picture s', (visit) => visit.firstPicture.toFixed(1)],
  ['run s', (visit) => visit.run.toFixed(1)],
  ['longest task, CPU ms', (visit) => visit.longestTask.toFixed(1)],
  ['by the clock', (visit) => visit.longestWall.toFixed(1)],
  ['heap MB', (visit) => (visit.heap / 1e6).toFixed(1)],
];

const cells = (visit: Visit): string[] => [visit.visit, ...COLUMNS.map(([, value]) => value(visit))];
