/** Runs the command line in this process and catches what it prints. */
import { vi } from 'vitest';
import { reno } from '../../commands/reno_command.ts';
import { runCli } from '../../src/cli/cli.ts';

export interface Printed {
  readonly code: number;
  readonly stdout: string;
  /** One entry for each line. */
  readonly stderr: string[];
}

export async function inProcess(args: readonly string[]): Promise<Printed> {
  const { error, ...rest } = await printed(() => runCli(reno, args));
  if (error !== null) {
    throw new Error(`runCli threw: ${error}`);
  }
  return rest;
}

/** Runs one command's function. `error`: what it threw, if it did. */
export async function printed(run: () => Promise<number>): Promise<Printed & { readonly error: string | null }> {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((...words) => void stdout.push(words.join(' ')));
  const error = vi.spyOn(console, 'error').mockImplementation((...words) => void stderr.push(words.join(' ')));
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr.push(String(text));
    return true;
  });
  const texts = () => ({ stdout: stdout.join('\n'), stderr: stderr.join('\n').split('\n') });
  try {
    const code = await run();
    return { code, ...texts(), error: null };
  } catch (thrown) {
    return { code: 1, ...texts(), error: thrown instanceof Error ? thrown.message : String(thrown) };
  } finally {
    log.mockRestore();
    error.mockRestore();
    write.mockRestore();
  }
}
