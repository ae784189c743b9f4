/** `npm run page -- parity`: the same run in the page and in Node, on the adapter of each. */
import { join } from 'node:path';
import { adapterName, openAdapter } from '../../src/cli/adapter.ts';
import { type Args, type Command, countFlag, textFlag } from '../../src/cli/flags/args.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { nodeFiles } from '../../src/platform/node/node_files.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { type PngPicture, toPicture } from '../../src/platform/node/png.ts';
import type { History, IterationRecord } from '../../src/reno/report/history.ts';
import { Reno } from '../../src/reno/session.ts';
import { readSettings, withSettings } from '../../src/reno/settings/settings.ts';
import { at } from '../../src/tensor/types.ts';
import { psnr } from '../common/distances.ts';
import { figure, table } from '../common/table.ts';
import { assertChromium } from './assert_chromium.ts';
import { type AskedRun, MEASURED, StudioPage } from './studio_page.ts';

/** The least PSNR of the first picture in dB, and the largest difference of a reward in any iteration. */
const BOUNDS = { psnr: 40, reward: 1e-2 };
const ITERATIONS = 10;

export const parityCommand: Command = {
  meta: { name: 'parity', description: 'Compare a run in the page with the same run in Node' },
  args: {
    prompt: {
      type: 'string',
      description: 'What the picture should show',
      default: MEASURED.prompt,
      valueHint: 'text',
    },
    seed: { type: 'string', description: 'Seed of the noise', default: String(MEASURED.seed), valueHint: 'number' },
    iterations: { type: 'string', description: 'Iterations', default: String(ITERATIONS), valueHint: 'number' },
    ...adapterFlags,
    ...jsonFlag,
  },
  run,
};

/** A run on one side. */
interface Side {
  readonly adapter: string;
  readonly history: History;
  readonly first: PngPicture;
}

/** One comparison. */
interface Row {
  readonly name: string;
  /** PSNR in dB, or the largest difference over all iterations; null for pictures that are equal. */
  readonly found: number | null;
  readonly bound: number;
  readonly ok: boolean;
  readonly shown: string;
}

async function run(args: Args): Promise<number> {
  const asked: AskedRun = {
    prompt: textFlag(args, 'prompt') ?? MEASURED.prompt,
    seed: countFlag(args, 'seed', 0) ?? MEASURED.seed,
    iterations: countFlag(args, 'iterations', 1) ?? ITERATIONS,
  };
  await assertChromium();
  const page = await inPage(asked);
  const node = await inNode(asked, page.history, args);
  const rows = [pictureRow(page.first, node.first), ...rewardRows(page.history, node.history)];
  console.log(
    table(
      ['', 'measured', ''],
      rows.map(({ name, shown, ok }) => [name, shown, ok ? 'holds' : 'FAILS']),
    ).join('\n'),
  );
  const ok = rows.every((row) => row.ok);
  const summary = `${page.adapter} in the page and ${node.adapter} in Node ${ok ? 'agree' : 'do not agree'} on ${asked.iterations} iterations of "${asked.prompt}", seed ${asked.seed}.`;
  return finish(args, ok, summary, rows);
}

async function inPage(asked: AskedRun): Promise<Side> {
  const [{ launchChromium }, { servePage }] = await Promise.all([
    import('./launch_chromium.ts'),
    import('./served.ts'),
  ]);
  const served = await servePage();
  const browser = await launchChromium();
  try {
    const studio = new StudioPage(await browser.newPage());
    await studio.open(served.url);
    await studio.run(asked);
    const history = await studio.history();
    const { description, vendor, architecture } = history.adapter;
    return { adapter: description || `${vendor} ${architecture}`, history, first: await studio.picture('init') };
  } finally {
    await browser.close();
    await served.close();
  }
}

/** The same run in Node, with activations in the page's dtype. */
async function inNode({ prompt, seed, iterations }: AskedRun, { config }: History, args: Args): Promise<Side> {
  const files = nodeFiles(join(PACKAGE_ROOT, 'weights/pocket'));
  const settings = withSettings(await readSettings(files), { dtype: config.dtype });
  using device = await openAdapter(adapterChoice(args));
  using reno = await Reno.open(device, config.model, files, settings);
  const { history, trajectory } = await reno.generate({ prompt, seed, nIters: iterations });
  const { height, width } = reno.imageSize;
  return { adapter: adapterName(device), history, first: toPicture(trajectory.initImage, height, width) };
}

function pictureRow(page: PngPicture, node: PngPicture): Row {
  const same = page.height === node.height && page.width === node.width;
  const found = same ? psnr(page.data, node.data) : Number.NaN;
  return {
    name: 'first picture',
    found: found === Number.POSITIVE_INFINITY ? null : found,
    bound: BOUNDS.psnr,
    ok: found >= BOUNDS.psnr,
    shown:
      found === Number.POSITIVE_INFINITY ? 'equal, byte for byte' : `PSNR ${figure(found)} dB, at least ${BOUNDS.psnr}`,
  };
}

/** A row for each reward and one for their weighted sum: the largest difference over all iterations. */
function rewardRows(page: History, node: History): Row[] {
  const names = page.config.rewards.map(({ name }) => name);
  const series: [string, (record: IterationRecord) => number][] = [
    ...names.map((name): [string, (record: IterationRecord) => number] => [
      `reward ${name}`,
      ({ losses }) => losses[name] ?? Number.NaN,
    ]),
    ['weighted sum', ({ total }) => total],
  ];
  return series.map(([name, value]) => {
    const differences = page.iterations.map((record, i) => Math.abs(value(record) - value(at(node.iterations, i))));
    const found = Math.max(...differences);
    return {
      name,
      found,
      bound: BOUNDS.reward,
      ok: page.iterations.length === node.iterations.length && found <= BOUNDS.reward,
      shown: `differs by ${found.toExponential(1)} at most, in iteration ${differences.indexOf(found)}; allowed is ${BOUNDS.reward}`,
    };
  });
}
