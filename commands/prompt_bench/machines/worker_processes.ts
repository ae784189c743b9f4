/**
 * Runs jobs in several processes of this machine. Each process gets another job when it has ended one, so that a slow one holds nobody
 * up; when one dies, another is started, and its jobs go to others.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Job } from '../jobs/job.ts';
import type { JobEnd } from '../jobs/run_jobs.ts';
import { adapterFlag } from './adapters.ts';

/** Set in a process that gets its jobs from its parent. */
export const WORKER_VARIABLE = 'RENO_BENCH_WORKER';

/** From a process to its parent. */
export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'end'; readonly key: string; readonly end: JobEnd }
  | { readonly type: 'stop'; readonly reason: string };

/** From the parent: the key of another job; null: there is none left. */
interface ToWorker {
  readonly key: string | null;
}

/** A job that ended this many processes is the fault itself. */
const MOST_DEATHS = 3;

export interface ProcessHooks {
  readonly jobs: readonly Job[];
  readonly count: number;
  /** The number of jobs that a process runs at once. */
  readonly atOnce: number;
  /** Starts process `i`. */
  readonly start: (i: number) => Pick<ChildProcess, 'on' | 'send' | 'kill' | 'pid'>;
  readonly onEnd: (job: Job, end: JobEnd) => void;
  /** Records that a job ended every process that ran it. */
  readonly onPoison: (job: Job, reason: string) => Promise<void>;
  readonly say: (sentence: string) => void;
  readonly signal: AbortSignal;
}

/** @throws Error when the processes end again and again without having finished a job */
export async function runInProcesses(hooks: ProcessHooks): Promise<void> {
  const queue = [...hooks.jobs];
  const most = Math.min(hooks.atOnce, Math.ceil(queue.length / hooks.count));
  /** How many processes ended while they ran this job and no other; 0: only beside others, so that one of them may be the fault. */
  const deaths = new Map<string, number>();
  let fruitless = 0;
  let stopped: string | null = null;

  /** The next job of a process that runs these. A job whose process ended is run alone. */
  const nextBeside = (running: ReadonlyMap<string, Job>): Job | undefined => {
    if (stopped !== null || hooks.signal.aborted || [...running.keys()].some((key) => deaths.has(key))) {
      return undefined;
    }
    const i = queue.findIndex(({ key }) => running.size === 0 || !deaths.has(key));
    return i < 0 ? undefined : queue.splice(i, 1)[0];
  };

  const serve = (i: number): Promise<void> =>
    new Promise((resolve) => {
      const child = hooks.start(i);
      const running = new Map<string, Job>();
      let hasEnded = false;
      const kill = (): void => {
        child.kill('SIGTERM');
      };
      hooks.signal.addEventListener('abort', kill);
      child.on('message', (message: FromWorker) => {
        if (hasEnded) {
          return; // A message can come after the exit: its job is found done when another process gets it.
        }
        if (message.type === 'stop') {
          stopped = message.reason;
          return;
        }
        const job = message.type === 'end' ? running.get(message.key) : undefined;
        if (message.type === 'end' && job) {
          fruitless = 0;
          running.delete(job.key);
          hooks.onEnd(job, message.end);
        }
        while (running.size < most) {
          const next = nextBeside(running);
          if (!next) {
            break;
          }
          running.set(next.key, next);
          child.send({ key: next.key } satisfies ToWorker);
        }
        if (running.size === 0) {
          child.send({ key: null } satisfies ToWorker);
        }
      });
      child.on('error', (error: Error) => {
        stopped ??= error.message;
        resolve();
      });
      child.on('exit', (code, signal) => {
        hasEnded = true;
        hooks.signal.removeEventListener('abort', kill);
        void ended(i, [...running.values()], code === null ? `by ${signal}` : `with code ${code}`).then(resolve);
      });
    });

  const ended = async (i: number, jobs: readonly Job[], how: string): Promise<void> => {
    const isOver = jobs.length === 0 && (queue.length === 0 || how === 'with code 0');
    if (hooks.signal.aborted || stopped !== null || isOver) {
      return;
    }
    fruitless += 1;
    for (const job of jobs) {
      const count = (deaths.get(job.key) ?? 0) + (jobs.length === 1 ? 1 : 0);
      deaths.set(job.key, count);
      if (count >= MOST_DEATHS) {
        await hooks.onPoison(job, `the process that ran it ended ${how}, ${count} times`);
        hooks.onEnd(job, 'failed');
      } else {
        queue.push(job);
      }
    }
    if (fruitless > MOST_DEATHS * hooks.count) {
      stopped = `the processes end again and again (the last one ${how})`;
      return;
    }
    hooks.say(`process ${i + 1} ended ${how}: another one is started, and no job is lost`);
    await serve(i);
  };

  await Promise.all(Array.from({ length: Math.min(hooks.count, hooks.jobs.length) }, (_, i) => serve(i)));
  if (stopped !== null) {
    throw new Error(stopped);
  }
}

/**
 * Starts this command again, as a process that gets its jobs from here.
 * @param batch the number of pictures at once, as it was chosen here: `--batch auto` might choose another on another GPU
 */
export function startedAgain(
  tokens: readonly string[],
  batch: number,
  adapters: readonly string[],
): ProcessHooks['start'] {
  const chosen = batch > 1 ? withFlag(tokens, '--batch', String(batch)) : tokens;
  return (i) => {
    const script = process.argv[1] ?? '';
    const child = fork(script, [...chosen, ...adapterFlag(adapters, i)], {
      env: { ...process.env, [WORKER_VARIABLE]: '1' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    child.stderr?.on('data', (text: Buffer) => process.stderr.write(text));
    return child;
  };
}

/** The words of a command line with this value of a flag, in place of the one that it has. */
export function withFlag(tokens: readonly string[], flag: string, value: string): string[] {
  const others = tokens.filter((token, i) => token !== flag && tokens[i - 1] !== flag && !token.startsWith(`${flag}=`));
  return [...others, flag, value];
}

/** The worker's side: runs jobs for the parent until there is none left, or the parent has gone. @throws what a job throws */
export async function serveParent(jobs: readonly Job[], run: (job: Job) => Promise<JobEnd>): Promise<void> {
  const byKey = new Map(jobs.map((job) => [job.key, job]));
  const tell = (message: FromWorker): void => {
    if (process.connected) {
      process.send?.(message);
    }
  };
  const running = new Set<Promise<void>>();
  await new Promise<void>((resolve, reject) => {
    process.on('disconnect', resolve);
    process.on('message', ({ key }: ToWorker) => {
      if (key === null) {
        resolve();
        return;
      }
      const job = byKey.get(key);
      if (!job) {
        const reason = 'the model or the list was changed while the processes started: run the command again';
        tell({ type: 'stop', reason });
        resolve();
        return;
      }
      const ended = run(job).then((end) => tell({ type: 'end', key, end }));
      running.add(ended);
      ended.catch(reject).finally(() => running.delete(ended));
    });
    tell({ type: 'ready' });
  });
  await Promise.all(running);
}
