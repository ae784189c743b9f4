/** The manifests of examples/ give command lines that the parser takes, and places for results that can be opened. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openBucket } from '../../../commands/prompt_bench/stores/s3_bucket.ts';
import { reno } from '../../../commands/reno_command.ts';
import { EXIT } from '../../../src/cli/exit_codes.ts';
import { type Args, parseCommandLine } from '../../../src/cli/flags/args.ts';

/** The arguments of a Slurm array's last line. */
function slurmTask(text: string): Args {
  const command = /exec reno ([\s\S]*)$/.exec(text)?.[1]?.replaceAll(/["\\\n]/g, ' ') ?? '';
  const { name, args, positionals } = parseCommandLine(reno, command.trim().split(/\s+/));
  expect(name).toBe('reno bench geneval');
  expect(positionals).toEqual(['$HOME/geneval/prompts/evaluation_metadata.jsonl']);
  return args;
}

/** The elements of a list in a manifest's YAML, which stands in one line. */
const listOf = (text: string, key: string): string[] =>
  (new RegExp(`${key}: \\[(.*)\\]`).exec(text)?.[1] ?? '').split(',').map((word) => word.trim().replaceAll('"', ''));

/** The arguments of an Indexed Job's pods. */
function podArguments(text: string): Args {
  const [, ...tokens] = [...listOf(text, 'command'), ...listOf(text, 'args')];
  const { name, args } = parseCommandLine(reno, tokens);
  expect(name).toBe('reno bench geneval');
  return args;
}

const bucketOf = async (address: unknown): Promise<string> => (await openBucket(String(address))).name;

describe('manifests of several machines', () => {
  it('Slurm: the command is one that reno takes', () => {
    expect(slurmTask(readFileSync('examples/slurm/geneval.sbatch', 'utf8')).out).toBe('$OUT');
  });

  it('Slurm, with a bucket: the address is one that opens, and credentials come from a profile', async () => {
    const text = readFileSync('examples/slurm/geneval_s3.sbatch', 'utf8');
    expect(slurmTask(text).out).toBe('$OUT');
    expect(await bucketOf(/OUT=\$\{OUT:-(.*)\}/.exec(text)?.[1])).toBe('s3://my-bucket/geneval');
    expect(text).toContain('export AWS_PROFILE=');
    expect(text).not.toMatch(/AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY)=/);
  });

  it.each(['geneval', 'geneval_s3'])(
    'Kubernetes, %s: shares equal completions, exit codes are the documented ones',
    (name) => {
      const text = readFileSync(`examples/kubernetes/${name}.yaml`, 'utf8');
      expect(podArguments(text).shard).toBe(`/${/completions: (\d+)/.exec(text)?.[1]}`);
      expect(listOf(text, 'values').map(Number)).toEqual([EXIT.failed, EXIT.usage]);
    },
  );

  it('Kubernetes, with a bucket: the address is one that opens, and the pods have the service account that is made', async () => {
    const text = readFileSync('examples/kubernetes/geneval_s3.yaml', 'utf8');
    expect(await bucketOf(podArguments(text).out)).toBe('s3://my-bucket/geneval');
    const account = /kind: ServiceAccount\nmetadata:\n {2}name: (\S+)/.exec(text)?.[1];
    expect(/serviceAccountName: (\S+)/.exec(text)?.[1]).toBe(account ?? 'none');
    expect(text).toMatch(/secretRef: \{ name: reno-bucket, optional: true \}/);
    expect(text).not.toMatch(/claimName: reno-results/);
  });
});
