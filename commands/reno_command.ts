/** The command `reno`: the commands of src/cli, and those of this folder that users of the repository want. */
import { COMMANDS } from '../src/cli/cli.ts';
import type { Command } from '../src/cli/flags/args.ts';
import { command as evaluate } from './evaluate/index.ts';
import { command as graph } from './graph/index.ts';
import { command as kernels } from './kernels/index.ts';
import { command as profile } from './profile/index.ts';
import { command as bench } from './prompt_bench/index.ts';
import { command as worker } from './prompt_bench/machines/worker.ts';
import { command as selftest } from './selftest/index.ts';

const { generate, ...others } = COMMANDS;

export const reno: Command = {
  meta: { name: 'reno', description: 'ReNO on WebGPU: a better picture from a better noise' },
  subCommands: {
    ...(generate ? { generate } : {}),
    ...{ evaluate, bench, worker },
    ...others,
    ...{ graph, kernels, profile, selftest },
  },
};
