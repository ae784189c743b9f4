/** `npm run page -- memory`: runs one after another in one tab; memory must not grow. */
import { type Args, type Command, countFlag } from '../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { at } from '../../src/tensor/types.ts';
import { table } from '../common/table.ts';
import { assertChromium } from './assert_chromium.ts';

const RUNS = 10;
const ITERATIONS = 5;
/** The first runs bring things that stay, such as the evaluator and compiled code: growth is counted from the third run on. */
const WARM = 2;
/** The largest growth of the heaps from the base to the last run, as a share: garbage that was not yet collected. */
const GROWTH = 0.03;

export const memoryCommand: Command = {
  meta: { name: 'memory', description: 'Measure the memory of the page over several runs: heaps and GPU buffers' },
  args: {
    runs: { type: 'string', description: 'Number of runs', default: String(RUNS), valueHint: 'number' },
    iterations: {
      type: 'string',
      description: 'Iterations of each run',
      default: String(ITERATIONS),
      valueHint: 'number',
    },
    ...jsonFlag,
  },
  run,
};

/** Memory after a run, in bytes; garbage was collected before. */
export interface MemoryRow {
  readonly run: number;
  /** JavaScript heaps and array buffers of the page and of its workers. */
  readonly page: number;
  readonly workers: number;
  /** Buffers that the engine has on the GPU. */
  readonly buffers: number;
  readonly bufferBytes: number;
}

async function run(args: Args): Promise<number> {
  const runs = countFlag(args, 'runs', WARM + 2) ?? RUNS;
  const iterations = countFlag(args, 'iterations', 1) ?? ITERATIONS;
  await assertChromium();
  const { measureMemory } = await import('./measure_memory.ts');
  const rows = await measureMemory(runs, iterations);
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(2);
  console.log(
    table(
      ['run', 'page MB', 'workers MB', 'GPU buffers', 'GPU MB'],
      rows.map((row) => [
        String(row.run),
        megabytes(row.page),
        megabytes(row.workers),
        String(row.buffers),
        megabytes(row.bufferBytes),
      ]),
    ).join('\n'),
  );
  const [base, last] = [at(rows, WARM), at(rows, rows.length - 1)];
  const heap = ({ page, workers }: MemoryRow): number => page + workers;
  const growth = heap(last) / heap(base) - 1;
  const flat = growth <= GROWTH && last.buffers <= base.buffers && last.bufferBytes <= base.bufferBytes;
  const summary =
    `From run ${base.run} to run ${last.run} the heaps grew by ${(100 * growth).toFixed(1)} % (${100 * GROWTH} % is allowed), ` +
    `GPU buffers from ${base.buffers} (${megabytes(base.bufferBytes)} MB) to ${last.buffers} (${megabytes(last.bufferBytes)} MB).`;
  return finish(args, flat, summary, rows);
}
