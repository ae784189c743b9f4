/** `npm run results -- FOLDER`: writes docs/results.md and its chart from the results of `npm run evaluate` or `reno bench pocket`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Command, textFlag } from '../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { reasonOf, UsageError } from '../../src/cli/usage_error.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { revision } from '../common/revision.ts';
import { curveMeans, curveSvg } from '../evaluate/curve.ts';
import { readResults } from '../prompt_bench/results/results_difference.ts';
import { claims } from './claims.ts';
import { CURVE_FILE, resultsPage } from './page.ts';

export const command: Command = {
  meta: {
    name: 'results',
    description: 'Write docs/results.md from the results of "npm run evaluate" or "reno bench pocket"',
  },
  args: {
    to: {
      type: 'string',
      description: 'The page to write',
      default: join(PACKAGE_ROOT, 'docs/results.md'),
      valueHint: 'file',
    },
    ...jsonFlag,
  },
  positionals: { name: 'folder', description: 'The folder given to reno bench as --out' },
  run: async (args, folders) => {
    const [folder] = folders;
    if (folder === undefined || folders.length > 1) {
      throw new UsageError('name the folder of the results: npm run results -- FOLDER');
    }
    const results = await readResults(folder);
    const to = textFlag(args, 'to') ?? join(PACKAGE_ROOT, 'docs/results.md');
    try {
      writeFileSync(to, resultsPage(results, revision().date));
      const means = curveMeans(results.curves ?? []);
      if (means.length > 0) {
        const chart = join(dirname(to), CURVE_FILE);
        mkdirSync(dirname(chart), { recursive: true });
        writeFileSync(chart, curveSvg(means));
      }
    } catch (error) {
      throw new Error(`cannot write ${to}: ${reasonOf(error)}`);
    }
    const { done, all } = results.jobs;
    return finish(args, true, `${to}: from ${done} of ${all} jobs`, claims(results));
  },
};
