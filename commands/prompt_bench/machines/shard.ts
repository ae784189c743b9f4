/** The share of the jobs that one of several independent processes runs. */
import { UsageError } from '../../../src/cli/usage_error.ts';

export interface Shard {
  /** From 0. */
  readonly index: number;
  readonly count: number;
  /** The origin of the numbers, for messages. */
  readonly from: string;
}

/**
 * Reads `--shard i/n`, i from 1 to n. Without it, a task of a Slurm array (SLURM_ARRAY_TASK_ID, _MIN, _MAX, _COUNT) and a pod of an
 * Indexed Job (JOB_COMPLETION_INDEX; the number of pods from `--shard /n`) are shards by themselves.
 * @returns null: all jobs @throws UsageError, one sentence
 */
export function shardOf(
  flag: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Shard | null {
  const [, given, total] = /^(\d*)\/(\d+)$/.exec(flag ?? '') ?? [];
  if (flag !== undefined && total === undefined) {
    throw new UsageError(`--shard must be a share such as 1/8, or /8 in a Kubernetes Indexed Job, not "${flag}"`);
  }
  const { JOB_COMPLETION_INDEX: pod, SLURM_ARRAY_TASK_ID: task } = environment;
  if (given) {
    return checked(Number(given) - 1, Number(total), `--shard ${flag}`);
  }
  if (pod !== undefined) {
    if (total === undefined) {
      throw new UsageError(
        'JOB_COMPLETION_INDEX is set, but not the number of pods: add --shard /N with N = spec.completions',
      );
    }
    return checked(Number(pod), Number(total), `JOB_COMPLETION_INDEX ${pod}`);
  }
  if (task !== undefined) {
    return slurmShard(environment, total === undefined ? undefined : Number(total));
  }
  if (total !== undefined) {
    throw new UsageError(
      `--shard ${flag} leaves the share out, and neither JOB_COMPLETION_INDEX nor SLURM_ARRAY_TASK_ID is set`,
    );
  }
  return null;
}

function slurmShard(environment: Readonly<Record<string, string | undefined>>, total: number | undefined): Shard {
  const { SLURM_ARRAY_TASK_ID: task, SLURM_ARRAY_TASK_MIN: min = '0', SLURM_ARRAY_TASK_COUNT: count } = environment;
  const shards = total ?? Number(count);
  const max = Number(environment.SLURM_ARRAY_TASK_MAX ?? Number.NaN);
  // A task that is run again alone has an array of its own: --array=7 with --shard /16 is the eighth of sixteen.
  const first = total === undefined ? Number(min) : 0;
  if (total === undefined && max - first + 1 !== shards) {
    throw new UsageError(
      `the Slurm array has ${count} tasks from ${min} to ${environment.SLURM_ARRAY_TASK_MAX}, with gaps: add --shard /N with N = all tasks, numbered from 0`,
    );
  }
  return checked(Number(task) - first, shards, `SLURM_ARRAY_TASK_ID ${task}`);
}

function checked(index: number, count: number, from: string): Shard {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(count) || count < 1 || index < 0 || index >= count) {
    throw new UsageError(
      `${from} is no share of ${count}: shares are numbered ${from.startsWith('--') ? `1 to ${count}` : `0 to ${count - 1}`}`,
    );
  }
  return { index, count, from };
}

/** The jobs of a share: every n-th prompt, so that each share gets all kinds of runs. */
export function inShard<T extends { readonly index: number }>(jobs: readonly T[], shard: Shard | null): T[] {
  return jobs.filter(({ index }) => shard === null || index % shard.count === shard.index);
}
