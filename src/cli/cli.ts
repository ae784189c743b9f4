/** Runs a command line: finds the command, runs it, and turns a failure into one sentence and an exit code. */
import { renderUsage } from 'citty';
import { devicesCommand, doctorCommand } from './doctor/index.ts';
import { EXIT } from './exit_codes.ts';
import { asCitty, type Command, parseCommandLine, plain } from './flags/args.ts';
import { toolVersion } from './flags/shared.ts';
import { generateCommand } from './generate/generate.ts';
import { planCommand } from './plan/index.ts';
import { tuneCommand } from './tune.ts';
import { weightsCommand } from './weights/weights_command.ts';
import { guardConsole, printJsonLine, printUsage, problemOf } from './words.ts';

/** The commands of `reno`, apart from those in the folder commands/. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  generate: generateCommand,
  tune: tuneCommand,
  plan: planCommand,
  weights: weightsCommand,
  doctor: doctorCommand,
  devices: devicesCommand,
};

/**
 * Runs the command that `tokens` name. A failure is one sentence on stderr; where the tokens ask for JSON, the last line of stdout is
 * `{"ok":false,…}`. @param root the command that has them as sub-commands. @returns the exit code, one of EXIT
 */
export async function runCli(root: Command, tokens: readonly string[]): Promise<number> {
  using _ = guardConsole();
  try {
    if (tokens.length === 0) {
      printUsage(await usage(root, root, root.meta.name));
      return EXIT.usage;
    }
    if (tokens[0] === '--version') {
      console.log(toolVersion());
      return EXIT.done;
    }
    const { command, name, help, args, positionals, useless } = parseCommandLine(root, tokens);
    if (help) {
      printUsage(await usage(root, command, name));
      return EXIT.done;
    }
    for (const sentence of useless) {
      console.error(`warning: ${sentence}`);
    }
    return (await command.run?.(args, positionals)) ?? EXIT.done;
  } catch (error) {
    const { sentence, code } = problemOf(error);
    console.error(`${root.meta.name}: ${sentence}`);
    if (process.env.DEBUG?.includes('reno')) {
      console.error(error);
    }
    if (tokens.includes('--json')) {
      printJsonLine({ ok: false, summary: sentence, rows: [], error: { sentence, code } });
    }
    return code;
  }
}

async function usage(root: Command, command: Command, name: string): Promise<string> {
  const own = command === root ? name : (name.split(' ').at(-1) ?? name);
  const parents = name.slice(0, -own.length).trim();
  const text = await renderUsage(asCitty(command, own), parents === '' ? undefined : asCitty(root, parents));
  return process.stdout.isTTY ? text : plain(text);
}
