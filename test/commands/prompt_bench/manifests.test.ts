/** The manifests of examples/ give command lines that the parser takes. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { reno } from '../../../commands/reno_command.ts';
import { parseCommandLine } from '../../../src/cli/args.ts';
import { EXIT } from '../../../src/cli/exit_codes.ts';

describe('manifests of several machines', () => {
  it('Slurm: the command is one that reno takes', () => {
    const text = readFileSync('examples/slurm/geneval.sbatch', 'utf8');
    const command = /exec reno ([\s\S]*)$/.exec(text)?.[1]?.replaceAll(/["\\\n]/g, ' ') ?? '';
    const { name, positionals } = parseCommandLine(reno, command.trim().split(/\s+/));
    expect(name).toBe('reno bench geneval');
    expect(positionals).toEqual(['$HOME/geneval/prompts/evaluation_metadata.jsonl']);
  });

  it('Kubernetes: the command is one that reno takes, shares equal completions, exit codes are the documented ones', () => {
    const text = readFileSync('examples/kubernetes/geneval.yaml', 'utf8');
    const list = (key: string): string[] =>
      (new RegExp(`${key}: \\[(.*)\\]`).exec(text)?.[1] ?? '')
        .split(',')
        .map((word) => word.trim().replaceAll('"', ''));
    const [, ...tokens] = [...list('command'), ...list('args')];
    const { name, args } = parseCommandLine(reno, tokens);
    expect(name).toBe('reno bench geneval');
    expect(args.shard).toBe(`/${/completions: (\d+)/.exec(text)?.[1]}`);
    expect(list('values').map(Number)).toEqual([EXIT.failed, EXIT.usage]);
  });
});
