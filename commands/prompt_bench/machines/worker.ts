/** `reno worker`: takes jobs of `reno bench --queue` until it is told to leave. Workers come and go as they like. */
import { hostname } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openAdapter } from '../../../src/cli/adapter.ts';
import { EXIT } from '../../../src/cli/exit_codes.ts';
import { type Command, isSet, textFlag } from '../../../src/cli/flags/args.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from '../../../src/cli/flags/shared.ts';
import { sentenceOf, UsageError } from '../../../src/cli/usage_error.ts';
import { type ChosenModel, chosenModel, modelFlags } from '../../../src/cli/weights/chosen_model.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { identified } from '../jobs/identity.ts';
import type { Job } from '../jobs/job.ts';
import { openRunner } from '../jobs/open_runner.ts';
import { finishJob, jobsAtOnce } from '../jobs/run_jobs.ts';
import type { JobStore } from '../stores/job_store.ts';
import { openPlace, outFlag } from '../stores/results_place.ts';
import { LOCK_MS, MOST_STALLS, queueFlag, queueName } from './queue.ts';
import { openQueueEngine } from './queue_engine.ts';
import { QueueProgress } from './queue_progress.ts';

export interface WorkerOptions {
  readonly url: string;
  readonly model: ChosenModel;
  readonly store: JobStore;
  readonly openDevice: () => Promise<Device>;
  /** Leaves when no job is waiting; otherwise waits for more. */
  readonly untilEmpty: boolean;
  /** Aborted: the job in hand is finished, and the worker leaves. */
  readonly signal: AbortSignal;
}

export interface WorkerResult {
  readonly jobs: number;
  /** Milliseconds: the longest time for which the event loop did nothing else; locks are renewed by it. */
  readonly longestBlock: number;
  /** The sentence of what ended the worker before its time. */
  readonly stopped: string | null;
}

/** @throws Error, one sentence, where the queue cannot be used */
export async function work({
  url,
  model,
  store,
  openDevice,
  untilEmpty,
  signal,
}: WorkerOptions): Promise<WorkerResult> {
  const engine = await openQueueEngine(url);
  const { UnrecoverableError } = engine.bullmq;
  using runner = openRunner(model, openDevice, new AbortController().signal);
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  let jobs = 0;
  let stopped: string | null = null;
  const known = new Map<string, string>();
  const name = `${hostname()}-${process.pid}`;
  let leave = (): void => {};
  const leaving = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const worker = engine.worker(
    queueName(model.name),
    async (taken) => {
      try {
        const job = JSON.parse(taken.data.job) as Job;
        worker.concurrency = Math.max(worker.concurrency, jobsAtOnce(job.settings)); // Those of one setting run together.
        const progress = new QueueProgress(taken, job);
        progress.say(`taken by ${name}`);
        await assertSameModel(model, job, known);
        const { end, reason } = await finishJob(runner, store, job, {
          onIteration: (record) => progress.onIteration(record),
        });
        console.error(`${end.padEnd(6)}  ${job.arm}, seed ${job.listSeed}: ${job.prompt}`);
        if (reason !== undefined) {
          throw new UnrecoverableError(reason); // The job itself is at fault.
        }
        jobs += 1;
        return progress.ended();
      } catch (error) {
        if (!(error instanceof UnrecoverableError)) {
          stopped = sentenceOf(error); // This machine cannot go on; the job goes to another.
          leave();
        }
        throw error;
      }
    },
    {
      name,
      concurrency: 1,
      lockDuration: LOCK_MS,
      maxStalledCount: MOST_STALLS,
    },
  );
  worker.on('error', (error) => console.error(`reno: the queue: ${sentenceOf(error)}`));
  if (untilEmpty) {
    worker.on('drained', leave);
  }
  signal.addEventListener('abort', leave);
  await leaving;
  await worker.close();
  await engine.close();
  delay.disable();
  return { jobs, longestBlock: delay.max / 1e6, stopped };
}

/** Checks that this machine has the model's bytes of which the job's key speaks. @throws Error, one sentence */
async function assertSameModel(
  model: ChosenModel,
  { identity, settings, scene, arm }: Job,
  known: Map<string, string>,
): Promise<void> {
  const reads = JSON.stringify([settings.rewards, scene !== undefined]);
  if (!known.has(reads)) {
    const [own] = await identified(model, [{ name: arm, settings }], scene !== undefined);
    known.set(reads, JSON.stringify(own?.identity));
  }
  if (known.get(reads) !== JSON.stringify(identity)) {
    throw new Error(
      `the files of model ${model.name} or the version here (${JSON.parse(known.get(reads) ?? '{}').tool}) are not those of the jobs (${identity.tool}): this worker leaves`,
    );
  }
}

export const command: Command = {
  meta: { name: 'worker', description: 'Take jobs of "reno bench --queue" until a signal ends it' },
  args: {
    ...queueFlag,
    ...outFlag,
    'until-empty': { type: 'boolean', description: 'Leave when no job is waiting' },
    ...modelFlags,
    ...adapterFlags,
    ...jsonFlag,
  },
  run: async (args) => {
    const url = textFlag(args, 'queue');
    if (url === undefined) {
      throw new UsageError('--queue is missing: name the queue, such as redis://localhost:6379');
    }
    const model = chosenModel(args);
    const { store } = await openPlace(textFlag(args, 'out') ?? outFlag.out.default);
    const abort = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (abort.signal.aborted) {
          process.exit(EXIT.terminated); // Asked twice: the job in hand goes to another worker when its lock has run out.
        }
        console.error(`reno: ${signal}: the job in hand is finished first; a second signal ends it at once`);
        abort.abort();
      });
    }
    const openDevice = (): Promise<Device> => openAdapter(adapterChoice(args));
    const { jobs, longestBlock, stopped } = await work({
      url,
      model,
      store,
      openDevice,
      untilEmpty: isSet(args, 'until-empty'),
      signal: abort.signal,
    });
    const summary = `${jobs} jobs done; the event loop was blocked for at most ${longestBlock.toFixed(0)} ms (a lock lasts ${LOCK_MS / 1000} s)`;
    if (stopped !== null) {
      console.error(`reno: ${stopped}`);
    }
    const code = finish(args, stopped === null, summary, [{ jobs, longestBlock, stopped }]);
    return stopped === null ? code : EXIT.temporary;
  },
};
