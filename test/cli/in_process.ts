/** Runs the command line in this process and catches what it prints. */
import { vi } from 'vitest';
import { runCli } from '../../src/cli/cli.ts';

export interface Printed {
  readonly code: number;
  readonly stdout: string;
  /** One entry for each line. */
  readonly stderr: string[];
}

export async function inProcess(args: readonly string[]): Promise<Printed> {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((...words) => void stdout.push(words.join(' ')));
  const error = vi.spyOn(console, 'error').mockImplementation((...words) => void stderr.push(words.join(' ')));
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr.push(String(text));
    return true;
  });
  try {
    const code = await runCli(args);
    return { code, stdout: stdout.join('\n'), stderr: stderr.join('\n').split('\n') };
  } finally {
    log.mockRestore();
    error.mockRestore();
    write.mockRestore();
  }
}
