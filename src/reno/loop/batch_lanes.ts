/**
 * Several runs on one plan with a batch. Each run has a lane: a row of every input, state and output, which it sees as a plan of its own.
 * A step is run when every lane that is in use asks for one. A lane whose run has ended goes on being computed, which nobody reads, until
 * the next run takes it.
 */
import type { Plan } from '../../tensor/plan/plan.ts';
import type { StageResults } from '../../tensor/plan/stage_part.ts';
import type { Stage } from '../../tensor/types.ts';
import { at } from '../../tensor/types.ts';
import type { StepRunner } from './loop.ts';

/** The calls to a plan that lanes make. */
export type BatchedPlan = Pick<Plan, 'writePart' | 'read'> & {
  run(stage: Stage, results?: StageResults): Promise<void>;
};

/** A lane that waits for the next step. */
interface Waiting {
  readonly lane: Lane;
  readonly results: StageResults | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** One run's row of a plan. */
export class Lane implements StepRunner {
  readonly #lanes: Lanes;
  readonly row: number;

  constructor(lanes: Lanes, row: number) {
    this.#lanes = lanes;
    this.row = row;
  }

  write(name: string, data: ArrayLike<number>): void {
    this.#lanes.write(name, data, this);
  }

  run(_: Stage, results?: StageResults): Promise<void> {
    return this.#lanes.step(this, results);
  }

  read(name: string): Promise<Float32Array<ArrayBuffer>> {
    return this.#lanes.read(name, this);
  }
}

/** All rows of a plan as one run, which computes the same in each. */
export class AllRows implements StepRunner {
  readonly schedule: Plan['schedule'];
  readonly #plan: Plan;
  readonly #batch: number;

  constructor(plan: Plan, batch: number) {
    this.#plan = plan;
    this.#batch = batch;
    this.schedule = plan.schedule;
  }

  write(name: string, data: ArrayLike<number>): void {
    const bytes = bytesOf(data);
    for (let row = 0; row < this.#batch; row++) {
      this.#plan.writePart(name, bytes, row * bytes.length);
    }
  }

  run(stage: Stage, results?: StageResults): Promise<void> {
    return this.#plan.run(stage, results);
  }

  async read(name: string): Promise<Float32Array<ArrayBuffer>> {
    const all = await this.#plan.read(name);
    return all.slice(0, all.length / this.#batch);
  }

  firstNotFinite(stage: Stage): ReturnType<Plan['firstNotFinite']> {
    return this.#plan.firstNotFinite(stage);
  }
}

export class Lanes {
  readonly #plan: BatchedPlan;
  readonly #batch: number;
  readonly #free: Lane[];
  readonly #used = new Set<Lane>();
  /** Runs that wait for a lane, in the order of their coming. */
  readonly #coming: ((lane: Lane) => void)[] = [];
  #waiting: Waiting[] = [];
  /** Writes that came while a step was being queued. */
  #writes: (() => void)[] = [];
  #isQueueing = false;
  /** Whether a prompt was written since the prompt stage ran. */
  #hasNewPrompt = false;
  /** Inputs that every row has values for. */
  readonly #filled = new Set<string>();
  /** Reads since the last step; lanes share them. */
  readonly #reads = new Map<string, Promise<Float32Array<ArrayBuffer>>>();

  constructor(plan: BatchedPlan, batch: number) {
    this.#plan = plan;
    this.#batch = batch;
    this.#free = Array.from({ length: batch }, (_, row) => new Lane(this, row));
  }

  /** Takes a lane as soon as there is a free one. The other lanes wait for it from then on. */
  take(): Promise<Lane> {
    const lane = this.#free.shift();
    if (lane) {
      this.#used.add(lane);
      return Promise.resolve(lane);
    }
    return new Promise((resolve) => {
      this.#coming.push(resolve);
    });
  }

  /** Gives a lane back, to the run that has waited longest. */
  release(lane: Lane): void {
    const next = this.#coming.shift();
    if (next) {
      next(lane);
      return;
    }
    this.#used.delete(lane);
    this.#free.push(lane);
    this.#free.sort((a, b) => a.row - b.row);
    this.#stepIfAllWait();
  }

  /** Writes the values of a prompt; the prompt stage runs before the next step. */
  writePrompt(values: Iterable<readonly [name: string, data: ArrayLike<number>]>, lane: Lane): void {
    for (const [name, data] of values) {
      this.write(name, data, lane);
    }
    this.#hasNewPrompt = true;
  }

  /** Writes a row; the first values of an input are written to every row, so that unused lanes compute finite numbers too. */
  write(name: string, data: ArrayLike<number>, { row }: Lane): void {
    const bytes = bytesOf(data);
    const isFirst = !this.#filled.has(name);
    this.#filled.add(name);
    const work = (): void => {
      this.#reads.delete(name);
      const rows = isFirst ? Array.from({ length: this.#batch }, (_, i) => i) : [row];
      for (const one of rows) {
        this.#plan.writePart(name, bytes, one * bytes.length);
      }
    };
    if (this.#isQueueing) {
      this.#writes.push(work);
    } else {
      work();
    }
  }

  /** Waits for the next step of all lanes in use. @throws Error as `Plan.run`: every lane gets it */
  step(lane: Lane, results?: StageResults): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ lane, results, resolve, reject });
      this.#stepIfAllWait();
    });
  }

  async read(name: string, { row }: Lane): Promise<Float32Array<ArrayBuffer>> {
    const shared = this.#reads.get(name) ?? this.#plan.read(name);
    this.#reads.set(name, shared);
    const all = await shared;
    const length = all.length / this.#batch;
    return all.slice(row * length, (row + 1) * length);
  }

  #stepIfAllWait(): void {
    if (!this.#isQueueing && this.#used.size > 0 && this.#waiting.length === this.#used.size) {
      void this.#step();
    }
  }

  async #step(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#isQueueing = true;
    let failure: unknown = null;
    try {
      this.#reads.clear();
      if (this.#hasNewPrompt) {
        this.#hasNewPrompt = false;
        await this.#plan.run('prompt');
      }
      // A lane that only judges its noise can also be stepped: its next noise is given, and the optimiser then begins anew.
      const parts = waiting.map(({ results }) => results);
      const isPart = parts.every((part) => part !== undefined);
      await this.#plan.run('step', isPart ? at(parts, 0) : undefined);
    } catch (error) {
      failure = error;
    }
    this.#isQueueing = false;
    const writes = this.#writes;
    this.#writes = [];
    try {
      for (const write of writes) {
        write();
      }
    } catch (error) {
      failure ??= error;
    }
    for (const { resolve, reject } of waiting) {
      if (failure === null) {
        resolve();
      } else {
        reject(failure);
      }
    }
    this.#stepIfAllWait();
  }
}

/** The bytes of values as inputs of noise, states and prompts store them: 32 bits each. */
function bytesOf(data: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const values = data instanceof Int32Array ? Int32Array.from(data) : Float32Array.from(data);
  return new Uint8Array(values.buffer);
}
