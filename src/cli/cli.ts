/** The command line: finds the command, runs it, and turns whatever fails into one sentence and an exit code. */
import { renderUsage } from 'citty';
import { asCitty, type Command, parseCommandLine, plain } from './args.ts';
import { devicesCommand, doctorCommand } from './doctor/index.ts';
import { sentenceOf, UsageError } from './errors.ts';
import { evaluateCommand } from './evaluate.ts';
import { generateCommand } from './generate.ts';
import { planCommand } from './plan/index.ts';
import { toolVersion } from './shared.ts';
import { tuneCommand } from './tune.ts';
import { weightsCommand } from './weights.ts';

const root: Command = {
  meta: { name: 'reno', description: 'ReNO on WebGPU: a better picture from a better noise' },
  subCommands: {
    generate: generateCommand,
    evaluate: evaluateCommand,
    tune: tuneCommand,
    plan: planCommand,
    weights: weightsCommand,
    doctor: doctorCommand,
    devices: devicesCommand,
  },
};

/** @returns the exit code: 0 done, 1 failed, 2 wrong command line */
export async function runCli(tokens: readonly string[]): Promise<number> {
  try {
    if (tokens.length === 0) {
      console.log(await usage(root, 'reno'));
      return 2;
    }
    if (tokens[0] === '--version') {
      console.log(toolVersion());
      return 0;
    }
    const { command, name, help, args, positionals } = parseCommandLine(root, tokens);
    if (help) {
      console.log(await usage(command, name));
      return 0;
    }
    return (await command.run?.(args, positionals)) ?? 0;
  } catch (error) {
    console.error(`reno: ${sentenceOf(error)}`);
    if (process.env.DEBUG?.includes('reno')) {
      console.error(error);
    }
    return error instanceof UsageError ? 2 : 1;
  }
}

async function usage(command: Command, name: string): Promise<string> {
  const parents = name.split(' ').slice(0, -1).join(' ');
  const own = name.split(' ').at(-1) ?? name;
  const text = await renderUsage(asCitty(command, own), parents === '' ? undefined : asCitty(root, parents));
  return process.stdout.isTTY ? text : plain(text);
}
