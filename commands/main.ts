/** Runs a command of this repository, as the npm scripts do:   node tools/run.mjs commands/main.ts bench --only plan */
import { runCli } from '../src/cli/cli.ts';
import type { Command } from '../src/cli/flags/args.ts';
import { leave, watchOutput } from '../src/platform/node/leave.ts';
import { command as bench } from './bench/index.ts';
import { command as evaluate } from './evaluate/index.ts';
import { command as faults } from './faults/index.ts';
import { command as fidelity } from './fidelity/index.ts';
import { command as fullsize } from './fullsize/index.ts';
import { command as matrix } from './matrix/index.ts';
import { command as page } from './page/index.ts';
import { command as parity } from './parity/index.ts';
import { command as profile } from './profile/index.ts';

import { command as record } from './record/index.ts';
import { command as results } from './results/index.ts';
import { command as scale } from './scale/index.ts';

const root: Command = {
  meta: { name: 'npm run', description: 'Measurements and comparisons of this repository' },
  helpFlag: '-- --help',
  subCommands: { evaluate, parity, fullsize, fidelity, bench, profile, matrix, faults, record, page, results, scale },
};

watchOutput();
await leave(await runCli(root, process.argv.slice(2)));
