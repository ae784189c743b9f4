/** The command `reno`: the commands of src/cli, and `evaluate`. */
import type { Command } from '../src/cli/args.ts';
import { COMMANDS } from '../src/cli/cli.ts';
import { command as evaluate } from './evaluate/index.ts';

const { generate, ...others } = COMMANDS;

export const reno: Command = {
  meta: { name: 'reno', description: 'ReNO on WebGPU: a better picture from a better noise' },
  subCommands: { ...(generate ? { generate } : {}), evaluate, ...others },
};
