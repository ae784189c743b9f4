/**
 * `npm run page`: measures the browser page in Chromium, on a first and a second visit. `--url` measures a page that is served
 * already, such as one of an older commit.
 */
import { type Args, type Command, textFlag } from '../../src/cli/args.ts';
import { finish, jsonFlag } from '../../src/cli/shared.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { table } from '../common/table.ts';
import { assertChromium } from './assert_chromium.ts';
import type { Visit } from './measure.ts';
import { opsCommand } from './ops/index.ts';

const DEFAULT_ITERATIONS = 50;

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
  subCommands: { ops: opsCommand },
  run,
};

async function run(args: Args): Promise<number> {
  const iterations = Number(textFlag(args, 'iterations'));
  if (!Number.isInteger(iterations) || iterations < 1) {
    throw new UsageError('--iterations must be a whole number from 1 on');
  }
  await assertChromium();
  const { measurePage } = await import('./measure.ts');
  const served = textFlag(args, 'url') === undefined ? await serveOwn() : null;
  try {
    const visits = await measurePage(textFlag(args, 'url') ?? served?.url ?? '', iterations);
    console.log(table(['visit', ...COLUMNS.map(([name]) => name)], visits.map(cells)).join('\n'));
    const longest = Math.max(...visits.map((visit) => visit.longestTask));
    return finish(args, true, `The longest task of the main thread took ${Math.round(longest)} ms.`, visits);
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
  ['longest task ms', (visit) => String(Math.round(visit.longestTask))],
  ['heap MB', (visit) => (visit.heap / 1e6).toFixed(1)],
];

const cells = (visit: Visit): string[] => [visit.visit, ...COLUMNS.map(([, value]) => value(visit))];

/** The page of this checkout, as `npm run build` makes it. */
async function serveOwn(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const [{ buildPage }, { serveFiles }] = await Promise.all([
    // @ts-expect-error plain JavaScript, because it also runs before anything is installed
    import('../../tools/lib/page.mjs'),
    // @ts-expect-error plain JavaScript, because it also runs before anything is installed
    import('../../tools/lib/serve.mjs'),
  ]);
  const files = await buildPage({ minify: true });
  return serveFiles(async () => files, { port: 0 });
}
