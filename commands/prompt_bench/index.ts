/** `reno bench`: benchmarks of prompts, method beside method, on one machine or many. */

import { openAdapter } from '../../src/cli/adapter.ts';
import { EXIT } from '../../src/cli/exit_codes.ts';
import { type Args, type Command, countFlag, isSet, textFlag } from '../../src/cli/flags/args.ts';
import { adapterChoice, printJson } from '../../src/cli/flags/shared.ts';
import { Interruption } from '../../src/cli/interruption.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import { duration } from '../../src/reno/report/report.ts';
import { batchOf } from '../../src/reno/search/method.ts';
import { type BenchTask, benchFlags, benchTask } from './bench_task.ts';
import { type CocoDetector, openCocoDetector } from './detector/coco_detector.ts';
import type { Job } from './jobs/job.ts';
import { ledgerLine, ledgerOf } from './jobs/ledger.ts';
import { openRunner } from './jobs/open_runner.ts';
import { finishJob, type JobEnd, jobsAtOnce } from './jobs/run_jobs.ts';
import { LISTS, type ListName } from './lists/benchmark_lists.ts';
import { gpuNames } from './machines/adapters.ts';
import { awaitJobs, enqueue, queueName } from './machines/queue.ts';
import { openQueueEngine } from './machines/queue_engine.ts';
import { inShard, shardOf } from './machines/shard.ts';
import { runInProcesses, serveParent, startedAgain, WORKER_VARIABLE } from './machines/worker_processes.ts';
import { command as merge } from './merge.ts';
import { type Assembled, assemble } from './results/assemble.ts';
import { command as compare } from './results/results_difference.ts';
import { rememberTask, command as status } from './status.ts';
import { failureOf, type JobStore } from './stores/job_store.ts';
import { openPlace, outFlag, type ResultsPlace } from './stores/results_place.ts';

const DESCRIPTIONS: Readonly<Record<ListName, string>> = {
  geneval: 'GenEval: evaluation_metadata.jsonl, 553 prompts',
  geneval2: 'GenEval 2: geneval2_data.jsonl, 800 prompts',
  't2i-compbench': 'T2I-CompBench: a list such as color_val.txt',
  'parti-prompts': 'PartiPrompts.tsv, 1,632 prompts',
  'example-prompts': "The reference's example prompts: a prompt a line",
  prompts: 'Any list: a prompt a line',
  pocket: "The pocket models' held-out prompts, judged by their evaluator",
};

function listCommand(list: ListName): Command {
  return {
    meta: { name: list, description: DESCRIPTIONS[list] },
    args: benchFlags,
    positionals: { name: 'file', description: 'The list, as its authors publish it' },
    run: (args, positionals) => bench(list, args, positionals),
  };
}

export const command: Command = {
  meta: { name: 'bench', description: 'Benchmarks of prompts: base, best-of-N and ReNO beside each other, resumable' },
  subCommands: { ...Object.fromEntries(LISTS.map((list) => [list, listCommand(list)])), status, compare, merge },
};

/** The jobs of a command that are still to be done, and what their ways share. */
interface BenchRun {
  readonly task: BenchTask;
  readonly args: Args;
  /** Processes here; undefined: one for each GPU. */
  readonly workers: number | undefined;
  readonly store: JobStore;
  readonly jobs: readonly Job[];
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** The conclusion of a command from whole results, after they are written. */
export interface Concluded {
  /** Whether the command has shown what it is asked for. */
  readonly ok: boolean;
  readonly summary: string;
  readonly rows: readonly unknown[];
}

export type Conclusion = (made: Assembled, task: BenchTask, place: ResultsPlace) => Promise<Concluded>;

/** Runs the jobs of a list that are still to be done, and writes the results. @param conclude is asked once all jobs of this command are done @returns the exit code */
export async function bench(
  list: ListName,
  args: Args,
  positionals: readonly string[],
  conclude?: Conclusion,
): Promise<number> {
  const shard = shardOf(textFlag(args, 'shard'), process.env);
  const workers = countFlag(args, 'workers', 1);
  if (workers !== undefined && textFlag(args, 'queue') !== undefined) {
    throw new UsageError(
      '--workers starts processes of this command, and with --queue the work is done by "reno worker": start that as often as you like, and leave --workers out',
    );
  }
  const detectorFile = textFlag(args, 'detector');
  if (detectorFile !== undefined && list !== 'geneval') {
    throw new UsageError(`--detector looks for GenEval's objects, and the list is ${list}: leave it out`);
  }
  const task = await benchTask(list, args, positionals);
  const place = await openPlace(textFlag(args, 'out') ?? outFlag.out.default);
  const { store } = place;
  using interruption = new Interruption(() => place.discardIfEmpty());
  interruption.runs();
  const { signal } = interruption;
  if (process.env[WORKER_VARIABLE] === '1') {
    using runner = openRunner(task.model, () => openAdapter(adapterChoice(args)), signal);
    await serveParent(task.jobs, async (job) => (await finishJob(runner, store, job, { signal })).end);
    return EXIT.done;
  }
  const detector = detectorFile === undefined ? null : await openCocoDetector(detectorFile);
  await rememberTask(place, task);
  const done = await store.done();
  const mine = inShard(task.jobs, shard);
  const jobs = mine.filter(({ key }) => !done.has(key));
  const already = mine.length - jobs.length;
  console.error(
    `${mine.length} jobs${shard ? `, share ${shard.index + 1} of ${shard.count} (${shard.from})` : ''}: ${already === 0 ? 'none is there' : `${already} are there`} already`,
  );
  if (jobs.length > 0 && !isSet(args, 'report-only')) {
    await runJobs({ task, args, workers, store, jobs, signal, progress: progressOf(jobs.length) });
  }
  return report({ args, task, place, interruption, detector, conclude }, mine);
}

async function runJobs(run: BenchRun): Promise<void> {
  const url = textFlag(run.args, 'queue');
  if (url !== undefined) {
    return throughQueue(run, url);
  }
  const adapters = textFlag(run.args, 'adapter') ? [] : await gpuNames();
  const count = Math.min(run.workers ?? Math.max(1, adapters.length), run.jobs.length);
  return count > 1 ? inProcesses(run, adapters, count) : here(run);
}

type Progress = (job: Job, end: JobEnd) => void;

/** Says what each job came to, and the time left from the jobs of this process. */
function progressOf(count: number): Progress {
  const start = performance.now();
  let ended = 0;
  return (job, end) => {
    ended += 1;
    const seconds = ((performance.now() - start) / 1000 / ended) * (count - ended);
    const left = ended < count ? `  (${duration(seconds)} left)` : '';
    console.error(`${ended}/${count}  ${end.padEnd(6)}  ${job.arm}, seed ${job.listSeed}: ${job.prompt}${left}`);
  };
}

async function here({ task, args, store, jobs, signal, progress }: BenchRun): Promise<void> {
  using runner = openRunner(task.model, () => openAdapter(adapterChoice(args)), signal);
  const left = [...jobs];
  const finishJobs = async (): Promise<void> => {
    for (let job = left.shift(); job; job = left.shift()) {
      const { end } = await finishJob(runner, store, job, { signal });
      if (end === 'interrupted') {
        return;
      }
      progress(job, end);
    }
  };
  const ends = await Promise.allSettled(
    Array.from({ length: jobsAtOnce(task.settings) }, () =>
      finishJobs().catch((error: unknown) => {
        left.length = 0; // Where one cannot go on, none begins another job; those that run are waited for.
        throw error;
      }),
    ),
  );
  for (const end of ends) {
    if (end.status === 'rejected') {
      throw end.reason;
    }
  }
}

async function inProcesses(
  { task, store, jobs, signal, progress }: BenchRun,
  adapters: readonly string[],
  count: number,
): Promise<void> {
  await runInProcesses({
    jobs,
    count,
    atOnce: jobsAtOnce(task.settings),
    start: startedAgain(process.argv.slice(2), batchOf(task.settings), adapters),
    onEnd: progress,
    onPoison: (job, reason) => store.fail(failureOf(job, reason)),
    say: (sentence) => console.error(`reno: ${sentence}`),
    signal,
  });
}

/** Puts the jobs into a queue and waits for workers (`reno worker`) to do them. */
async function throughQueue({ task, store, jobs, signal, progress }: BenchRun, url: string): Promise<void> {
  const engine = await openQueueEngine(url);
  const queue = engine.queue(queueName(task.model.name));
  queue.on('error', (error) => console.error(`reno: the queue: ${error.message}`));
  try {
    await enqueue(queue, jobs);
    console.error(`${jobs.length} jobs wait in the queue; workers take them by: reno worker --queue URL --out FOLDER`);
    await awaitJobs(queue, store, jobs, { onEnd: progress, signal });
  } finally {
    await queue.close();
    await engine.close();
  }
}

interface ReportParts {
  readonly args: Args;
  readonly task: BenchTask;
  readonly place: ResultsPlace;
  readonly interruption: Interruption;
  readonly detector: CocoDetector | null;
  readonly conclude: Conclusion | undefined;
}

async function report(
  { args, task, place, interruption, detector, conclude }: ReportParts,
  mine: readonly Job[],
): Promise<number> {
  const whole = await ledgerOf(task.jobs, place.store);
  const own = mine.length === task.jobs.length ? whole : await ledgerOf(mine, place.store);
  let rows: readonly unknown[] = [];
  let concluded: Concluded | undefined;
  if (whole.left === 0 || mine.length === task.jobs.length) {
    const made = await assemble(task, place, whole, detector);
    if (made) {
      console.log(made.markdown);
      console.log(`report: ${made.report}`);
      rows = made.results.categories.at(-1)?.methods ?? [];
      concluded = await conclude?.(made, task, place);
    }
  }
  for (const { prompt, arm, listSeed, reason } of own.failed) {
    console.error(`failed: ${prompt} (${arm}, seed ${listSeed}): ${reason}`);
  }
  if (interruption.signal.aborted) {
    console.error(`reno: interrupted (${interruption.what}); the same command goes on from there`);
  }
  const summary = `${concluded ? `${concluded.summary}; ` : ''}${ledgerLine(own)}: ${place.name}/results.json`;
  console.log(summary);
  const ok = own.left === 0 && own.failed.length === 0 && concluded?.ok !== false;
  if (isSet(args, 'json')) {
    printJson({ ok, summary, rows: concluded?.rows ?? rows });
  }
  return ok ? EXIT.done : (interruption.code ?? EXIT.failed);
}
