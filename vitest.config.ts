import { defineConfig } from 'vitest/config';

/** Needs an adapter (or a browser): `*.gpu.test.ts`. Everything else must run anywhere, without weights, in seconds. */
const gpu = ['test/**/*.gpu.test.ts'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: gpu,
          pool: 'forks',
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'gpu',
          include: gpu,
          // One process a file: a device lost in one cannot fail another, and Dawn gives its memory back.
          pool: 'forks',
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
