/**
 * The loop over iterations: runs a step graph again and again. It waits only for the scalars of two iterations ago,
 * which keeps the GPU's queue busy and short.
 */
import type { StageResults } from '../../tensor/plan/stage_part.ts';
import type { Stage } from '../../tensor/types.ts';
import { at } from '../../tensor/types.ts';
import type { IterationRecord, Origin } from '../report/history.ts';
import type { LeverWriter } from './lever_writer.ts';
import type { LeverMove, Levers } from './levers.ts';
import { queueStep, quiet, readStates, setStates, withEnd, writeNoise } from './loop_states.ts';
import type { LoopState, StateTensor } from './run_state.ts';
import { SavingTimes } from './saving_times.ts';
import { GRAD_NORM, NOISE_NORM, REGULARISER, type StepGraph, TOTAL } from './step_graph.ts';

/** The part of a plan that the loop uses; in tests the interpreter takes its place. */
export interface StepRunner {
  write(name: string, data: ArrayLike<number>): void;
  /** Queues a stage, or what some of its results need; resolves once it is queued. */
  run(stage: Stage, results?: StageResults): Promise<void> | void;
  /** The value at this point of the queue; the caller may await it later. */
  read(name: string): Promise<Float32Array<ArrayBuffer>>;
}

/** The picture of one iteration, or the best one until there. */
export interface Frame {
  /** The iteration after which it was read, counted from 0. */
  readonly iteration: number;
  /** [H,W,3] in [0,1]. */
  readonly pixels: Float32Array<ArrayBuffer>;
  /** The noise that made it and the gradient there, before clipping; only where they were asked for. */
  readonly noise?: { readonly latents: Float32Array<ArrayBuffer>; readonly gradient: Float32Array<ArrayBuffer> };
}

/** The way of a run from one noise to the next. */
export interface Search {
  readonly iterations: number;
  /**
   * The noise of an iteration; null: the optimiser's result; `done`: there is nothing more to try.
   * Iteration 0 needs a noise. Called when the previous iteration is queued; `past` waits for the losses until there.
   */
  readonly noise: (
    iteration: number,
    past: () => Promise<readonly Pick<IterationRecord, 'total'>[]>,
  ) => Float32Array | null | Promise<Float32Array | 'done' | null>;
  /** Whether an iteration only judges its noise, in a graph that can. */
  readonly isJudged?: (iteration: number) => boolean;
  /** Whether the optimiser begins anew with the noise of this iteration. */
  readonly beginsAnew?: (iteration: number) => boolean;
  /** The origin of an iteration's noise, for its record. */
  readonly originOf?: (iteration: number) => Origin;
}

export interface LoopOptions extends Search {
  /** Whether to keep this iteration's image, or the best one until there. The first and the best of all are always kept. */
  readonly wantsFrame?: (iteration: number) => boolean | 'best';
  /** Whether this iteration's frame holds its noise and gradient; asked only of frames that are wanted. */
  readonly wantsNoise?: (iteration: number) => boolean;
  /**
   * The levers, asked before each iteration of a graph that has them; a moved lever is another object. When a reward's weight moves,
   * the best picture is chosen anew from there on.
   */
  readonly levers?: () => Levers;
  /** Called for each iteration in order, while a later one runs. */
  readonly onIteration?: (record: IterationRecord, isBest: boolean) => void;
  /** Called after onIteration with the image of an iteration that `wantsFrame` chose, to show a run in progress. */
  readonly onFrame?: (frame: Frame, record: IterationRecord, isBest: boolean) => void;
  /** Awaited before each iteration is queued, to pause a run. */
  readonly beforeIteration?: (iteration: number) => Promise<void>;
  /** Ends the run after the iterations that are queued. */
  readonly signal?: AbortSignal;
  /** Goes on from this state; `noise` is then asked from its iteration on. */
  readonly resume?: LoopState;
  /** Awaited with the state of the run, from time to time and when the signal ends it. The loop waits; the GPU has work meanwhile. */
  readonly onState?: (state: LoopState) => Promise<void> | void;
  /** The number of iterations from one state to the next. Default: by time, so that states take less than 2 % of it. */
  readonly saveEvery?: number;
  /** The search of L-BFGS: the states hold its gradients. */
  readonly keepsGradients?: boolean;
  /** A clock in milliseconds. Default: `performance.now`. */
  readonly now?: () => number;
}

/** A run of the loop: its losses, and the pictures that were kept. Pictures are [H,W,3] in [0,1]. */
export interface Trajectory {
  /** The losses of each iteration that ran. */
  readonly records: readonly IterationRecord[];
  /** Position in `records` of the lowest total, or of the lowest loss of the reward that chooses. */
  readonly best: number;
  /** The picture from the first noise. */
  readonly initImage: Float32Array<ArrayBuffer>;
  /** The picture with the lowest total. */
  readonly bestImage: Float32Array<ArrayBuffer>;
  /** The noise that made it. */
  readonly bestLatents: Float32Array<ArrayBuffer>;
  /** The pictures that `wantsFrame` chose, in order. */
  readonly frames: readonly Frame[];
  /** The levers at the start and whenever they moved; empty where the graph has none. */
  readonly moves: readonly LeverMove[];
  /** Iterations after the first whose noise was given by hand, in a graph with levers. */
  readonly pushes: readonly number[];
  /** The reason, one sentence, why the run ended early; null when it did not. */
  readonly stopped: string | null;
  /** The kind of that reason: the signal, or a loss or gradient that is no finite number. */
  readonly stoppedBy: 'signal' | 'not-finite' | null;
  /** The time that the iterations took. */
  readonly seconds: number;
}

/** No iteration gave a finite loss. */
export class NotFiniteError extends Error {}

/** Number of iterations whose scalars may be unread while the next one is queued. */
const IN_FLIGHT = 2;

interface Queued {
  readonly iteration: number;
  readonly names: readonly string[];
  readonly scalars: Promise<Float32Array<ArrayBuffer>>;
  readonly frame: Promise<Frame> | undefined;
  readonly states: Promise<Record<string, StateTensor>> | undefined;
}

/**
 * Runs the `step` stage `iterations` times from a reset state or from `resume` (the `load` and `prompt` stages have run).
 * A NaN or infinity in a scalar stops the run; the best image up to that iteration is kept.
 * @throws Error when there is no usable iteration at all, naming the reward that failed
 */
export async function runLoop(runner: StepRunner, step: StepGraph, options: LoopOptions): Promise<Trajectory> {
  const [ending, ended] = withEnd(runner);
  try {
    return await iterate(ending, step, options);
  } finally {
    await ended(); // After a failure the others are under way, and hold memory of the device.
  }
}

async function iterate(runner: StepRunner, step: StepGraph, options: LoopOptions): Promise<Trajectory> {
  const now = options.now ?? (() => performance.now());
  const { resume, onState } = options;
  const start = now() - (resume?.seconds ?? 0) * 1000;
  setStates(runner, step, resume);
  const records: IterationRecord[] = [...(resume?.records ?? [])];
  const frames: Promise<Frame>[] = (resume?.frames ?? []).map((frame) => Promise.resolve(frame));
  const gradients: Promise<Float32Array<ArrayBuffer>>[] = (resume?.gradients ?? []).map((g) => Promise.resolve(g));
  const levers = options.levers ? await leverWriter(runner, step, options.levers, resume) : null;
  const pushes = [...(resume?.pushes ?? [])];
  const times = new SavingTimes(now, options.saveEvery);
  let best = resume?.best ?? 0;
  let failure: string | null = null;
  let interruption: string | null = null;
  let initImage = resume && Promise.resolve(resume.initImage);
  const pending: Queued[] = [];
  const latents = step.latents.node.name ?? '';

  const save = async (iteration: number, states: Promise<Record<string, StateTensor>>): Promise<void> => {
    if (!initImage || !onState) {
      return;
    }
    const [tensors, image, kept, past] = await Promise.all([
      states,
      initImage,
      Promise.all(frames),
      Promise.all(gradients),
    ]);
    await times.measured(async () =>
      onState({
        iteration,
        records: records.slice(0, iteration),
        best,
        seconds: (now() - start) / 1000,
        tensors,
        gradients: past.slice(0, iteration),
        ...(levers
          ? {
              moves: levers.moves.filter((move) => move.iteration < iteration),
              pushes: pushes.filter((i) => i < iteration),
            }
          : {}),
        initImage: image,
        frames: kept.filter((f) => f.iteration < iteration),
      }),
    );
  };

  const chosenBy = ({ total, losses }: IterationRecord): number =>
    step.selectBy === TOTAL ? total : (losses[step.selectBy] ?? total);

  const settle = async (): Promise<void> => {
    const oldest = pending.shift();
    if (!oldest) {
      return;
    }
    const values = await oldest.scalars;
    if (failure !== null) {
      return;
    }
    const { iteration, names } = oldest;
    const origin = options.originOf?.(iteration);
    const record = { ...toRecord(names, values, iteration, (now() - start) / 1000), ...origin };
    const bad = names.findIndex((_, i) => !Number.isFinite(at(values, i)));
    if (bad >= 0) {
      const { describeBadScalar } = await import('./bad_scalar.ts'); // Few runs need it, so bundles load it then.
      failure = describeBadScalar(at(names, bad), at(values, bad), iteration);
    }
    if (!Number.isFinite(record.total)) {
      return;
    }
    records.push(record);
    const isFirst = records.length === 1 || levers?.restarts.has(record.iteration) === true;
    const isBest = isFirst || chosenBy(record) < chosenBy(at(records, best));
    best = isBest ? records.length - 1 : best;
    options.onIteration?.(record, isBest);
    if (options.onFrame && oldest.frame) {
      options.onFrame(await oldest.frame, record, isBest);
    }
    if (oldest.states && failure === null) {
      await save(iteration + 1, oldest.states);
    }
  };
  const past = async (): Promise<readonly IterationRecord[]> => {
    while (pending.length > 0) {
      await settle();
    }
    return records;
  };

  for (let i = resume?.iteration ?? 0; i < options.iterations && failure === null; i++) {
    await options.beforeIteration?.(i);
    if (options.signal?.aborted) {
      interruption = `the run was interrupted before iteration ${i}`;
      break;
    }
    const noise = await options.noise(i, past);
    if (noise === 'done') {
      break;
    }
    if (noise) {
      writeNoise(runner, step, noise, options.beginsAnew?.(i));
      if (levers && i > 0) {
        pushes.push(i);
      }
    }
    levers?.before(i);
    const wanted = options.wantsFrame?.(i) ?? false;
    const watched = wanted && options.wantsNoise?.(i) ? quiet(runner.read(latents)) : undefined;
    const { names, scalars } = await queueStep(runner, step, options.isJudged?.(i));
    let frame: Promise<Frame> | undefined;
    if (i === 0 || wanted) {
      // The first picture is the best one until there.
      const image = quiet(runner.read(i > 0 && wanted === 'best' ? 'best_image' : 'image'));
      initImage ??= image;
      if (wanted) {
        const gradient = watched && quiet(runner.read('noise_gradient'));
        frame = quiet(frameOf(i, image, watched, gradient));
        frames.push(frame);
      }
    }
    if (onState && options.keepsGradients) {
      gradients.push(quiet(runner.read('noise_gradient')));
    }
    const due = onState && i + 1 < options.iterations && times.isDue(i + 1);
    pending.push({ iteration: i, names, scalars, frame, states: due ? readStates(runner, step) : undefined });
    if (pending.length > IN_FLIGHT) {
      await settle();
    }
  }
  await past();
  const stopped = failure ?? interruption;
  if (!initImage || records.length === 0) {
    const reason = stopped ?? 'ReNO was asked for no iterations; give at least 1';
    throw failure === null ? new Error(reason) : new NotFiniteError(reason);
  }
  if (interruption !== null && failure === null && onState) {
    await save(records.length, readStates(runner, step));
  }
  const last = at(records, records.length - 1).iteration;
  return {
    records,
    best,
    initImage: await initImage,
    bestImage: await runner.read('best_image'),
    bestLatents: await runner.read('best_latents'),
    frames: (await Promise.all(frames)).filter((f) => f.iteration <= last),
    moves: levers?.moves ?? [],
    pushes,
    stopped,
    stoppedBy: failure !== null ? 'not-finite' : interruption !== null ? 'signal' : null,
    seconds: (now() - start) / 1000,
  };
}

/** The writer of a run's levers; null where the graph has none. */
async function leverWriter(
  runner: StepRunner,
  step: StepGraph,
  levers: () => Levers,
  resume: LoopState | undefined,
): Promise<LeverWriter | null> {
  if (!step.levers) {
    return null;
  }
  const { LeverWriter } = await import('./lever_writer.ts'); // Few runs need it, so bundles load it then.
  return new LeverWriter(runner, step, levers, resume?.moves);
}

async function frameOf(
  iteration: number,
  image: Promise<Float32Array<ArrayBuffer>>,
  latents?: Promise<Float32Array<ArrayBuffer>>,
  gradient?: Promise<Float32Array<ArrayBuffer>>,
): Promise<Frame> {
  const [pixels, z, g] = await Promise.all([image, latents, gradient]);
  return { iteration, pixels, ...(z && g ? { noise: { latents: z, gradient: g } } : {}) };
}

function toRecord(names: readonly string[], values: Float32Array, iteration: number, seconds: number): IterationRecord {
  const byName = new Map(names.map((name, i) => [name, at(values, i)]));
  const take = (name: string): number | undefined => {
    const value = byName.get(name);
    byName.delete(name);
    return value;
  };
  const total = take(TOTAL) ?? 0;
  const regulariser = take(REGULARISER) ?? 0;
  const norm = take(NOISE_NORM) ?? 0;
  const gradNorm = take(GRAD_NORM);
  const losses = Object.fromEntries(byName);
  return { iteration, losses, total, regulariser, norm, ...(gradNorm === undefined ? {} : { gradNorm }), seconds };
}
