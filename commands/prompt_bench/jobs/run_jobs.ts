/** Runs jobs one after another, each to files of a result. The networks stay open while the settings stay. */

import { sentenceOf } from '../../../src/cli/usage_error.ts';
import { encodePng, toPicture } from '../../../src/platform/node/png.ts';
import { NotFiniteError } from '../../../src/reno/loop/loop.ts';
import type { AdapterRecord, IterationRecord } from '../../../src/reno/report/history.ts';
import type { Judge } from '../../../src/reno/scene/judge.ts';
import type { Verdict } from '../../../src/reno/scene/verdict.ts';
import { batchOf } from '../../../src/reno/search/method.ts';
import type { Generated, GenerateOptions } from '../../../src/reno/session.ts';
import type { RenoSettings } from '../../../src/reno/settings/settings.ts';
import { type SteadyReno, storageOf } from '../../../src/reno/steady_reno.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { GpuError } from '../../../src/tensor/device/gpu_error.ts';
import { at } from '../../../src/tensor/types.ts';
import { failureOf, type JobStore, type ResultFiles } from '../stores/job_store.ts';
import type { Job } from './job.ts';
import { type JobRecord, type JobResult, type PictureResult, shorterFile } from './job_result.ts';
import { curveOf, framesOf, type ShorterRun, shorterRuns } from './pictures_on_the_way.ts';
import { Turns } from './turns.ts';

/** Networks that are open for one setting. */
export interface OpenedArm extends Disposable {
  readonly steady: SteadyReno;
  readonly judge: Pick<Judge, 'judge'> | null;
  readonly adapter: AdapterRecord;
}

type OnIteration = (record: IterationRecord) => void;

export interface JobHooks {
  readonly open: (settings: RenoSettings) => Promise<OpenedArm>;
  readonly host: string;
  readonly now: () => Date;
  /** Commit of the sources, for the record; empty outside a checkout. */
  readonly commit: string;
  readonly signal: AbortSignal;
}

/**
 * Returns how many jobs a runner is to have at once. Where several pictures are made together, it is half as many more: they take the
 * rows of the jobs whose pictures are being judged, which would be computed for nobody.
 */
export function jobsAtOnce(settings: Pick<RenoSettings, 'batch'>): number {
  const batch = batchOf(settings);
  return batch > 1 ? Math.ceil(1.5 * batch) : 1;
}

export class JobRunner implements Disposable {
  readonly #hooks: JobHooks;
  /** Networks that are open, with their settings as JSON. */
  #opened: { readonly name: string; readonly arm: OpenedArm } | null = null;
  /** Resolves when the networks that were to be opened are. */
  #opening: Promise<unknown> = Promise.resolve();
  /** Jobs whose networks make several pictures at once run together. */
  readonly #turns = new Turns();
  /** Resolves when the pictures that were to be judged have been: the evaluator looks at one at a time. */
  #judged: Promise<unknown> = Promise.resolve();

  constructor(hooks: JobHooks) {
    this.#hooks = hooks;
  }

  /**
   * Several jobs may be asked for at once: those of one setting with a batch run together, others one after another.
   * @param onIteration is told of each picture's losses
   * @throws Error, one sentence, when the job gives no picture; GpuError when the GPU failed again and again
   */
  async run(job: Job, onIteration?: OnIteration): Promise<ResultFiles> {
    if (job.problem !== undefined) {
      throw new Error(job.problem);
    }
    const options: GenerateOptions = {
      prompt: job.prompt,
      ...job.noise,
      signal: this.#hooks.signal,
      ...(onIteration ? { onIteration } : {}),
      ...framesOf(job),
    };
    for (;;) {
      const tried = batchOf(job.settings) > 1 ? await this.#together(job, options) : null;
      const files = tried?.files ?? (await this.#alone(job, options, tried?.failedOn));
      if (files) {
        return files;
      }
    }
  }

  /**
   * Runs beside others of these settings. What fails here is tried again alone, where failures of a GPU are mended.
   * @returns the files, or the device that failed; null where f16 may have overflowed
   */
  async #together(job: Job, options: GenerateOptions): Promise<{ files?: ResultFiles; failedOn?: Device } | null> {
    const { settings } = job;
    const end = await this.#turns.take(JSON.stringify(settings));
    let device: Device | null = null;
    try {
      const arm = await this.#arm(settings);
      device = arm.steady.device;
      const generated = await arm.steady.reno.generate(options);
      const mayBeWidened = settings.dtype === 'f16' && generated.trajectory.stoppedBy === 'not-finite';
      return mayBeWidened ? null : { files: await this.#files(job, arm, generated) };
    } catch (error) {
      if (device && error instanceof GpuError) {
        return { failedOn: device };
      }
      if (settings.dtype === 'f16' && error instanceof NotFiniteError) {
        return null;
      }
      throw error;
    } finally {
      end();
    }
  }

  /** @returns null where another job has opened another device since this one failed beside others */
  async #alone(job: Job, options: GenerateOptions, failedOn?: Device): Promise<ResultFiles | null> {
    const { settings } = job;
    const end = await this.#turns.take(null);
    try {
      const arm = await this.#arm(settings);
      if (failedOn && failedOn !== arm.steady.device) {
        return null;
      }
      const files = await this.#files(job, arm, await arm.steady.generate(options));
      if (batchOf(settings) > 1 && storageOf(arm.steady.reno.settings) !== storageOf(settings)) {
        this[Symbol.dispose](); // The next job begins with the storage that it asks for.
      }
      return files;
    } finally {
      end();
    }
  }

  /** Judges a run's pictures and writes its files. The networks must stay open until it has: its job's turn lasts so long. */
  async #files(job: Job, arm: OpenedArm, generated: Generated): Promise<ResultFiles> {
    const { stopped, seconds, initImage, bestImage } = generated.trajectory;
    if (stopped) {
      throw new Error(stopped);
    }
    const shorter = shorterRuns(job, generated.trajectory);
    const { height, width } = arm.steady.reno.imageSize;
    const picture = (pixels: Float32Array): Uint8Array => encodePng(toPicture(pixels, height, width));
    const json = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
    const record: JobRecord = {
      seconds,
      host: this.#hooks.host,
      finished: this.#hooks.now().toISOString(),
      commit: this.#hooks.commit,
      adapter: arm.adapter,
    };
    return new Map([
      ['result.json', json(await this.#result(job, generated, shorter, arm.judge))],
      ['record.json', json(record)],
      ['init.png', picture(initImage)],
      ['best.png', picture(bestImage)],
      ...shorter.map(({ length, pixels }) => [shorterFile(length), picture(pixels)] as const),
    ]);
  }

  async #result(
    job: Job,
    { trajectory, history }: Generated,
    shorter: readonly ShorterRun[],
    judge: OpenedArm['judge'],
  ): Promise<JobResult> {
    const { key, prompt, index, listSeed, noise, scene, judged: iterations } = job;
    const { records, best, initImage, bestImage } = trajectory;
    const verdict = (pixels: Float32Array): Promise<Verdict | null> => {
      const judged = this.#judged.then(() => (judge && scene ? judge.judge(pixels, scene) : null));
      this.#judged = judged.catch(() => {});
      return judged;
    };
    const result = (record: IterationRecord, found: Verdict | null): PictureResult => ({
      iteration: record.iteration,
      total: record.total,
      losses: record.losses,
      right: found?.right ?? null,
      reason: found?.reason ?? null,
    });
    return {
      key,
      prompt,
      index,
      listSeed,
      noise,
      iterations: records.length,
      init: result(at(records, 0), await verdict(initImage)),
      best: result(at(records, best), await verdict(bestImage)),
      ...(shorter.length > 0
        ? {
            shorter: await Promise.all(
              shorter.map(async ({ length, record, pixels }) => ({
                length,
                best: result(record, await verdict(pixels)),
              })),
            ),
          }
        : {}),
      totals: records.map(({ total }) => total),
      offsets: Object.fromEntries(history.config.rewards.map(({ name, offset }) => [name, offset])),
      ...(job.settings.mode === 'multi-start' ? { chains: ascendedDraws(records) } : {}),
      ...(iterations
        ? { curve: await curveOf(iterations, trajectory, async (p) => (await verdict(p))?.right ?? null) }
        : {}),
    };
  }

  /** Opens networks for these settings, and closes others. */
  async #arm(settings: RenoSettings): Promise<OpenedArm> {
    const name = JSON.stringify(settings);
    const opening = this.#opening.then(async () => {
      if (this.#opened?.name !== name) {
        this[Symbol.dispose]();
        this.#opened = { name, arm: await this.#hooks.open(settings) };
      }
      return this.#opened.arm;
    });
    this.#opening = opening.catch(() => {});
    return opening;
  }

  [Symbol.dispose](): void {
    this.#opened?.arm[Symbol.dispose]();
    this.#opened = null;
  }
}

/** The draws that a search from many noises ascended, from the best candidate on. */
function ascendedDraws(records: readonly IterationRecord[]): number[] {
  const draws = new Map(records.map(({ chain, draw }) => [chain, draw]));
  return [...draws].flatMap(([chain, draw]) => (chain === undefined || draw === undefined ? [] : [draw]));
}

/** The end of a job: done, done before, failed, or interrupted by a signal before its end. */
export type JobEnd = 'done' | 'there' | 'failed' | 'interrupted';

/** A job that has ended; `reason` says why it failed. */
interface FinishedJob {
  readonly end: JobEnd;
  readonly reason?: string;
}

/** How a job is watched while it runs. */
interface JobWatch {
  readonly signal?: AbortSignal;
  readonly onIteration?: OnIteration;
}

/**
 * Runs a job into the store, unless its key is there. A failure is recorded with its reason.
 * @throws Error when no further job can run: the GPU failed again and again, or the store cannot be written
 */
export async function finishJob(
  runner: Pick<JobRunner, 'run'>,
  store: JobStore,
  job: Job,
  { signal, onIteration }: JobWatch = {},
): Promise<FinishedJob> {
  if (await store.has(job.key)) {
    return { end: 'there' };
  }
  let files: ResultFiles;
  try {
    files = await runner.run(job, onIteration);
  } catch (error) {
    if (signal?.aborted) {
      return { end: 'interrupted' };
    }
    if (error instanceof GpuError) {
      throw error;
    }
    const reason = sentenceOf(error);
    await store.fail(failureOf(job, reason));
    return { end: 'failed', reason };
  }
  await store.put(job.key, files);
  await store.succeed(job.key);
  return { end: 'done' };
}
