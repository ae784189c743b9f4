/** Runs jobs one after another, each to files of a result. The networks stay open while the settings stay. */

import { sentenceOf } from '../../src/cli/usage_error.ts';
import { encodePng, toPicture } from '../../src/platform/node/png.ts';
import type { AdapterRecord, IterationRecord } from '../../src/reno/history.ts';
import type { Judge } from '../../src/reno/judge.ts';
import type { Generated } from '../../src/reno/session.ts';
import type { RenoSettings } from '../../src/reno/settings.ts';
import type { SteadyReno } from '../../src/reno/steady_reno.ts';
import type { Verdict } from '../../src/reno/verdict.ts';
import { GpuError } from '../../src/tensor/gpu_error.ts';
import { at } from '../../src/tensor/types.ts';
import type { Job } from './job.ts';
import type { JobStore, ResultFiles } from './job_store.ts';

/** A picture of a result. */
export interface PictureResult {
  readonly iteration: number;
  /** Weighted sum of the rewards' losses. */
  readonly total: number;
  /** Loss of each reward before its weight. */
  readonly losses: Readonly<Record<string, number>>;
  /** The independent evaluator's verdict; null: no evaluator looked. */
  readonly right: boolean | null;
  readonly reason: string | null;
}

/** The contents of result.json: equal bytes wherever the job ran on such an adapter. */
export interface JobResult {
  readonly key: string;
  readonly prompt: string;
  readonly index: number;
  readonly listSeed: number;
  readonly noise: Job['noise'];
  readonly iterations: number;
  readonly init: PictureResult;
  readonly best: PictureResult;
  /** Total loss at each iteration. */
  readonly totals: readonly number[];
  /** score = offset − loss is a reward as its authors report it. */
  readonly offsets: Readonly<Record<string, number>>;
}

/** The contents of record.json: what differs from one run to the next. */
export interface JobRecord {
  readonly seconds: number;
  readonly host: string;
  readonly finished: string;
  readonly adapter: AdapterRecord;
}

/** Networks that are open for one setting. */
export interface OpenedArm extends Disposable {
  readonly steady: SteadyReno;
  readonly judge: Pick<Judge, 'judge'> | null;
  readonly adapter: AdapterRecord;
}

export interface JobHooks {
  readonly open: (settings: RenoSettings) => Promise<OpenedArm>;
  readonly host: string;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

export class JobRunner implements Disposable {
  readonly #hooks: JobHooks;
  #opened: { readonly settings: string; readonly arm: OpenedArm } | null = null;

  constructor(hooks: JobHooks) {
    this.#hooks = hooks;
  }

  /** @throws Error, one sentence, when the job gives no picture; GpuError when the GPU failed again and again */
  async run(job: Job): Promise<ResultFiles> {
    if (job.problem !== undefined) {
      throw new Error(job.problem);
    }
    const arm = await this.#arm(job.settings);
    const made = await arm.steady.generate({ prompt: job.prompt, ...job.noise, signal: this.#hooks.signal });
    const { trajectory } = made;
    if (trajectory.stopped) {
      throw new Error(trajectory.stopped);
    }
    const { height, width } = arm.steady.reno.imageSize;
    const picture = (pixels: Float32Array): Uint8Array => encodePng(toPicture(pixels, height, width));
    const json = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
    const record: JobRecord = {
      seconds: trajectory.seconds,
      host: this.#hooks.host,
      finished: this.#hooks.now().toISOString(),
      adapter: arm.adapter,
    };
    return new Map([
      ['result.json', json(await this.#result(job, made, arm.judge))],
      ['record.json', json(record)],
      ['init.png', picture(trajectory.initImage)],
      ['best.png', picture(trajectory.bestImage)],
    ]);
  }

  async #result(job: Job, { trajectory, history }: Generated, judge: OpenedArm['judge']): Promise<JobResult> {
    const { scene } = job;
    const verdict = async (pixels: Float32Array): Promise<Verdict | null> =>
      judge && scene ? judge.judge(pixels, scene) : null;
    const result = (record: IterationRecord, found: Verdict | null): PictureResult => ({
      iteration: record.iteration,
      total: record.total,
      losses: record.losses,
      right: found?.right ?? null,
      reason: found?.reason ?? null,
    });
    const { key, prompt, index, listSeed, noise } = job;
    const { records } = trajectory;
    return {
      key,
      prompt,
      index,
      listSeed,
      noise,
      iterations: records.length,
      init: result(at(records, 0), await verdict(trajectory.initImage)),
      best: result(at(records, trajectory.best), await verdict(trajectory.bestImage)),
      totals: records.map(({ total }) => total),
      offsets: Object.fromEntries(history.config.rewards.map(({ name, offset }) => [name, offset])),
    };
  }

  async #arm(settings: RenoSettings): Promise<OpenedArm> {
    const name = JSON.stringify(settings);
    if (this.#opened?.settings !== name) {
      this[Symbol.dispose]();
      this.#opened = { settings: name, arm: await this.#hooks.open(settings) };
    }
    return this.#opened.arm;
  }

  [Symbol.dispose](): void {
    this.#opened?.arm[Symbol.dispose]();
    this.#opened = null;
  }
}

/** The end of a job: done, done before, failed, or interrupted by a signal before its end. */
export type JobEnd = 'done' | 'there' | 'failed' | 'interrupted';

/**
 * Runs a job into the store, unless its key is there. A failure is recorded with its reason.
 * @throws Error when no further job can run: the GPU failed again and again, or the store cannot be written
 */
export async function finishJob(
  runner: Pick<JobRunner, 'run'>,
  store: JobStore,
  job: Job,
  signal: AbortSignal,
): Promise<JobEnd> {
  if (await store.has(job.key)) {
    return 'there';
  }
  let files: ResultFiles;
  try {
    files = await runner.run(job);
  } catch (error) {
    if (signal.aborted) {
      return 'interrupted';
    }
    if (error instanceof GpuError) {
      throw error;
    }
    const { key, prompt, arm, index, listSeed } = job;
    await store.fail({ key, prompt, arm, index, listSeed, reason: sentenceOf(error) });
    return 'failed';
  }
  await store.put(job.key, files);
  await store.succeed(job.key);
  return 'done';
}
