/**
 * Runs jobs in several processes of this machine. Each process asks for its next job, so that a slow one holds nobody up; when one
 * dies, another is started, and its job goes to the next that asks.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { adapterFlag } from './adapters.ts';
import type { Job } from './job.ts';
import type { JobEnd } from './run_jobs.ts';

/** Set in a process that gets its jobs from its parent. */
export const WORKER_VARIABLE = 'RENO_BENCH_WORKER';

/** From a process to its parent. */
export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'end'; readonly key: string; readonly end: JobEnd }
  | { readonly type: 'stop'; readonly reason: string };

/** From the parent: the key of the next job; null: there is none left. */
export interface ToWorker {
  readonly key: string | null;
}

/** A job that ended this many processes is the fault itself. */
const MOST_DEATHS = 3;

export interface ProcessHooks {
  readonly jobs: readonly Job[];
  readonly count: number;
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
  const deaths = new Map<string, number>();
  let fruitless = 0;
  let stopped: string | null = null;

  const serve = (i: number): Promise<void> =>
    new Promise((resolve) => {
      const child = hooks.start(i);
      let job: Job | undefined;
      const kill = (): void => {
        child.kill('SIGTERM');
      };
      hooks.signal.addEventListener('abort', kill);
      child.on('message', (message: FromWorker) => {
        if (message.type === 'stop') {
          stopped = message.reason;
          return;
        }
        if (message.type === 'end' && job) {
          fruitless = 0;
          hooks.onEnd(job, message.end);
          job = undefined;
        }
        job = stopped === null && !hooks.signal.aborted ? queue.shift() : undefined;
        child.send({ key: job?.key ?? null } satisfies ToWorker);
      });
      child.on('error', (error: Error) => {
        stopped ??= error.message;
        resolve();
      });
      child.on('exit', (code, signal) => {
        hooks.signal.removeEventListener('abort', kill);
        void ended(i, job, code === null ? `by ${signal}` : `with code ${code}`).then(resolve);
      });
    });

  const ended = async (i: number, job: Job | undefined, how: string): Promise<void> => {
    if (hooks.signal.aborted || stopped !== null || (!job && (queue.length === 0 || how === 'with code 0'))) {
      return;
    }
    fruitless += 1;
    if (job) {
      const count = (deaths.get(job.key) ?? 0) + 1;
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

/** Starts this command again, as a process that gets its jobs from here. */
export function startedAgain(tokens: readonly string[], adapters: readonly string[]): ProcessHooks['start'] {
  return (i) => {
    const script = process.argv[1] ?? '';
    const child = fork(script, [...tokens, ...adapterFlag(adapters, i)], {
      env: { ...process.env, [WORKER_VARIABLE]: '1' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    child.stderr?.on('data', (text: Buffer) => process.stderr.write(text));
    return child;
  };
}

/** The worker's side: runs jobs for the parent until there is none left, or the parent has gone. */
export async function serveParent(jobs: readonly Job[], run: (job: Job) => Promise<JobEnd>): Promise<void> {
  const byKey = new Map(jobs.map((job) => [job.key, job]));
  const tell = (message: FromWorker): void => {
    process.send?.(message);
  };
  let answer: (order: ToWorker | null) => void = () => {};
  process.on('message', (order: ToWorker) => answer(order));
  process.on('disconnect', () => answer(null));
  const asked = (message: FromWorker): Promise<ToWorker | null> =>
    new Promise((resolve) => {
      answer = resolve;
      tell(message);
    });
  let order = await asked({ type: 'ready' });
  while (order !== null && order.key !== null) {
    const job = byKey.get(order.key);
    if (!job) {
      tell({
        type: 'stop',
        reason: 'the model or the list was changed while the processes started: run the command again',
      });
      return;
    }
    order = await asked({ type: 'end', key: job.key, end: await run(job) });
  }
}
