/** Which stages of a plan are up to date: a stage is stale until it has run, and again when something it depends on changes. */
import type { Schedule } from '../schedule/schedule.ts';
import type { Stage } from '../types.ts';
import { STAGES } from '../types.ts';

export class Freshness {
  readonly #schedule: Schedule;
  /** The graph inputs that the steps of a stage read. */
  readonly #reads: Readonly<Record<Stage, ReadonlySet<string>>>;
  /** The stage that computes each buffer last. */
  readonly #madeIn: ReadonlyMap<number, Stage>;
  readonly #written = new Set<string>();
  readonly #hasRun = new Set<Stage>();
  /** Why a stage that has run must run again: the input that was written, or the stage that ran anew. */
  readonly #changed = new Map<Stage, string>();
  /** Stages whose inputs were all found written: none of them becomes unwritten. */
  readonly #complete = new Set<Stage>();

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
    this.#reads = {
      load: inputsOf('load', schedule),
      prompt: inputsOf('prompt', schedule),
      step: inputsOf('step', schedule),
    };
    this.#madeIn = madeIn(schedule);
  }

  /** An input was written. */
  wrote(name: string): void {
    this.#written.add(name);
    for (const stage of STAGES) {
      if (this.#reads[stage].has(name)) {
        this.#changed.set(stage, `${name} was written after it ran`);
      }
    }
  }

  /** A stage was queued. */
  ran(stage: Stage): void {
    this.#hasRun.add(stage);
    this.#changed.delete(stage);
    for (const later of STAGES.slice(STAGES.indexOf(stage) + 1)) {
      this.#changed.set(later, `the ${stage} stage ran after it`);
    }
  }

  /** Whether the stage has something to run and its results are not those of the inputs as they are now. */
  isStale(stage: Stage): boolean {
    return !this.#isEmpty(stage) && (!this.#hasRun.has(stage) || this.#changed.has(stage));
  }

  /** @throws Error, one sentence: an earlier stage is stale, or an input of this one was never written */
  assertReady(stage: Stage): void {
    const stale = STAGES.slice(0, STAGES.indexOf(stage)).find((earlier) => this.isStale(earlier));
    if (stale) {
      const why = this.#hasRun.has(stale) ? (this.#changed.get(stale) ?? '') : 'it has not run';
      throw new Error(
        `the ${stage} stage needs the ${stale} stage first (${why}): call plan.step(), which runs every stale stage, or plan.run('${stale}')`,
      );
    }
    if (!this.#complete.has(stage)) {
      this.#assertWritten(stage);
      this.#complete.add(stage);
    }
  }

  /** @throws Error, one sentence, when the stage that computes this buffer has not run */
  assertComputed(name: string, buffer: number): void {
    const stage = this.#madeIn.get(buffer);
    if (stage && !this.#hasRun.has(stage)) {
      throw new Error(`${name} is not computed yet, because the ${stage} stage has not run: call plan.step() first`);
    }
  }

  /** @throws Error, one sentence, when nothing has been written into this input, and no update can have changed it */
  assertWritten(name: string): void {
    const updated = this.#hasRun.has('step') && this.#isState(name);
    if (!this.#written.has(name) && !updated) {
      throw new Error(`${name} holds nothing yet: fill it with plan.write('${name}', …) before it is read`);
    }
  }

  #assertWritten(stage: Stage): void {
    // A streamed input has no buffer: its source is looked for when its bytes are needed.
    const { streams } = this.#schedule;
    const missing = [...this.#reads[stage]].filter((name) => !this.#written.has(name) && !streams.has(name));
    const [first, ...more] = missing;
    if (first === undefined) {
      return;
    }
    const names = more.length > 3 ? `${first} and ${more.length} more` : missing.join(', ');
    const what = this.#isState(first) ? 'state has no first value' : 'input was never written';
    throw new Error(`${names}: this ${what}; fill it with plan.write('${first}', …) before the ${stage} stage runs`);
  }

  #isState(name: string): boolean {
    const input = this.#schedule.inputs.get(name);
    return this.#schedule.copies.some(({ to }) => to === input?.buffer);
  }

  #isEmpty(stage: Stage): boolean {
    return this.#schedule.steps[stage].length === 0 && this.#schedule.uploads[stage].length === 0;
  }
}

function inputsOf(stage: Stage, { steps, uploads, copies, inputs }: Schedule): Set<string> {
  const read = new Set(steps[stage].flatMap(({ buffers }) => buffers));
  for (const { from } of stage === 'step' ? copies : []) {
    read.add(from);
  }
  const whole = [...inputs].filter(([, { buffer }]) => read.has(buffer)).map(([name]) => name);
  return new Set([...whole, ...uploads[stage].map(({ input }) => input)]);
}

function madeIn({ steps }: Schedule): Map<number, Stage> {
  const stages = new Map<number, Stage>();
  for (const stage of STAGES) {
    for (const { dispatch, buffers } of steps[stage]) {
      dispatch.bindings.forEach(({ access }, i) => {
        const buffer = buffers[i];
        if (access !== 'read' && buffer !== undefined) {
          stages.set(buffer, stage);
        }
      });
    }
  }
  return stages;
}
