/** The progress of a job as the queue's dashboards show it: percent, a few lines of log, and the result in short. */
import type { IterationRecord } from '../../../src/reno/report/history.ts';
import { iterationsOf } from '../../../src/reno/search/method.ts';
import { at } from '../../../src/tensor/types.ts';
import type { Job } from '../jobs/job.ts';
import type { TakenJob } from './queue_engine.ts';

/** The time from one message about progress to the next, in milliseconds: a queue serves many workers. */
const EVERY_MS = 1000;

/** The value that a finished job has in the queue. */
interface ResultInShort {
  readonly pictures: number;
  readonly seconds: number;
  /** The weighted loss of the first picture and of the best, and the iteration of that. */
  readonly firstLoss: number;
  readonly bestLoss: number;
  readonly bestIteration: number;
}

export class QueueProgress {
  readonly #taken: Pick<TakenJob, 'updateProgress' | 'log'>;
  readonly #count: number;
  readonly #now: () => number;
  readonly #start: number;
  readonly #totals: number[] = [];
  #told: number;

  /** @param now a clock in milliseconds */
  constructor(taken: Pick<TakenJob, 'updateProgress' | 'log'>, { settings }: Job, now = () => performance.now()) {
    this.#taken = taken;
    this.#count = iterationsOf(settings);
    this.#now = now;
    this.#start = now();
    this.#told = this.#start;
  }

  /** Adds a line to the job's log. A queue that does not answer stops no run. */
  say(line: string): void {
    this.#taken.log(line).catch(() => {});
  }

  /** Counts a picture, and tells the queue at most once a second. */
  onIteration({ total }: Pick<IterationRecord, 'total'>): void {
    this.#totals.push(total);
    if (this.#now() - this.#told >= EVERY_MS) {
      this.#told = this.#now();
      this.#taken.updateProgress(Math.floor((100 * this.#totals.length) / this.#count)).catch(() => {});
    }
  }

  /** Says what the job came to. @returns null where no picture was made, because the result was there */
  ended(): ResultInShort | null {
    if (this.#totals.length === 0) {
      this.say('the result was there already');
      return null;
    }
    const bestLoss = Math.min(...this.#totals);
    const result = {
      pictures: this.#totals.length,
      seconds: Math.round(this.#now() - this.#start) / 1000,
      firstLoss: at(this.#totals, 0),
      bestLoss,
      bestIteration: this.#totals.indexOf(bestLoss),
    };
    this.#taken.updateProgress(100).catch(() => {});
    this.say(
      `${result.pictures} pictures in ${result.seconds.toFixed(1)} s; the weighted loss fell from ${result.firstLoss.toFixed(3)} to ${bestLoss.toFixed(3)}, at iteration ${result.bestIteration}`,
    );
    return result;
  }
}
