import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Needs an adapter (or a browser): `*.gpu.test.ts`. Everything else must run anywhere, without weights, in seconds. */
const gpu = ['test/**/*.gpu.test.ts'];
/** The start of paths under src, as Vite writes them. */
const SRC = `^${literally(import.meta.dirname.replaceAll('\\', '/'))}/src/`;
/** Imports point down, so no file of these is loaded a second time by those above, where a test may replace a module. */
const CORE = '(tensor|kernels|models|reno)/';

/** The longest files with an adapter, which begin first: the last file should not be one that keeps the others' process waiting. */
const LONGEST = [
  'web/page',
  'kernels/ops',
  'package/package',
  'cli/generate/kept_runs',
  'rewrite/store_fusion',
  'commands/parity_cases',
  'kernels/packed_f16',
  'reno/session',
  'kernels/tutorial',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}.gpu.test.ts`));
      return place < 0 ? LONGEST.length : place;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** Runs sources as Node does: through Vite's imports, which are getters, the f64 references take twice as long. */
const asNodeRuns = (paths: string) => ({
  server: { deps: { external: [new RegExp(paths)] } },
  execArgv: ['--import', 'tsx'],
});

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: gpu,
          pool: 'forks',
          // A process for each core (by default one core is left idle), which imports what the tests share once.
          maxWorkers: availableParallelism(),
          isolate: false,
          sequence: { groupOrder: 0 },
          ...asNodeRuns(SRC),
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'gpu',
          include: gpu,
          // One process a file: a device lost in one cannot fail another, and Dawn gives its memory back.
          pool: 'forks',
          // Two at a time: a driver on the CPU computes on all cores, but compiles, reads and plans on one.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          ...asNodeRuns(`${SRC}${CORE}`),
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
