import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Needs an adapter (or a browser): `*.gpu.test.ts`. Everything else must run anywhere, without weights, in seconds. */
const gpu = ['test/**/*.gpu.test.ts'];
/** Files under src, as Vite writes paths. */
const sources = new RegExp(`^${literally(import.meta.dirname.replaceAll('\\', '/'))}/src/`);

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

export default defineConfig({
  test: {
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
          // Sources run as Node runs them: through Vite's imports, which are getters, the f64 references take twice as long.
          server: { deps: { external: [sources] } },
          execArgv: ['--import', 'tsx'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'gpu',
          include: gpu,
          // One process a file: a device lost in one cannot fail another, and Dawn gives its memory back.
          pool: 'forks',
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
