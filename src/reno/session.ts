/** A loaded ReNO: networks, rewards and loop are compiled once, and then run for one prompt and seed after another. */
import type { ModelFiles } from '../models/checkpoint/files.ts';
import type { ComputeDType } from '../models/layers/half_precision.ts';
import type { OnCut, PromptCut, PromptValues } from '../models/tokenizers/tokenizers.ts';
import { compileWithWeights } from '../models/weights/compile_with_weights.ts';
import type { Device } from '../tensor/device/device.ts';
import type { DeviceCaps } from '../tensor/device/device_caps.ts';
import type { Plan } from '../tensor/plan/plan.ts';
import type { PlanSpec } from '../tensor/schedule/plan_spec.ts';
import { differentSizes } from '../tensor/size_words.ts';
import { kernelRecord } from '../tensor/tuning/choose.ts';
import type { Shape } from '../tensor/types.ts';
import type { BadValue } from './loop/bad_value.ts';
import type { AllRows, Lane, Lanes } from './loop/batch_lanes.ts';
import { shapeOfOne } from './loop/each_picture.ts';
import { haveMoved, type Levers } from './loop/levers.ts';
import { type LoopOptions, runLoop, type Search, type StepRunner, type Trajectory } from './loop/loop.ts';
import type { Overflow } from './loop/overflow.ts';
import { assertSameRun, type RunState } from './loop/run_state.ts';
import type { StepGraph } from './loop/step_graph.ts';
import { NOISE_GENERATORS } from './noise/draw_noise.ts';
import type { AdapterRecord, History, RewardInfo, RunConfig } from './report/history.ts';
import type { ImageSize } from './report/picture.ts';
import type { Reward } from './rewards/index.ts';
import { batchOf, multiStartOf } from './search/method.ts';
import { searchOf } from './search/search.ts';
import { type RenoSettings, recordedSettings } from './settings/settings.ts';
import { type TracedRun, traceRun } from './trace.ts';

/** One run: its prompt and seed, and what to do while it runs. */
export interface GenerateOptions
  extends Pick<
    LoopOptions,
    | 'wantsFrame'
    | 'wantsNoise'
    | 'levers'
    | 'onIteration'
    | 'onFrame'
    | 'beforeIteration'
    | 'signal'
    | 'saveEvery'
    | 'now'
  > {
  /** The text that the picture should show. */
  readonly prompt: string;
  /** The seed of the noise. */
  readonly seed: number;
  /** The draw of the seed to start from. Default 0. */
  readonly draw?: number;
  /** The noise to start from, in the shape of `latentShape`, instead of the seed's. */
  readonly latents?: Float32Array;
  /**
   * Noise to go on with from here, asked before each iteration but the first; null: the optimiser's. `now` reads the optimiser's.
   */
  readonly push?: (iteration: number, now: () => Promise<Float32Array>) => Promise<Float32Array | null>;
  /** Default: the number in the settings. */
  readonly nIters?: number;
  /** Goes on from the state of the same run, to the same bytes. */
  readonly resume?: RunState;
  /**
   * Awaited with the state of the run from time to time (see `saveEvery`), and when the signal ends it. `encodeRunState` makes one
   * file of it.
   */
  readonly onState?: (state: RunState) => Promise<void> | void;
  /** Is told of each text encoder that reads the beginning of a new prompt only. */
  readonly onCut?: OnCut;
}

/** The result of a run. */
export interface Generated {
  /** The pictures, the noise and the losses. */
  readonly trajectory: Trajectory;
  /** A record of the run as plain data, for a file or a report. */
  readonly history: History;
}

/** A function that repeats a run. */
type Repeat<T> = (plan: Plan | AllRows, step: StepGraph, search: Search) => Promise<T>;

/** Planning options other than the defaults: forced kernel variants, no fusion, weights kept for inspection. */
export type Planning = Omit<PlanSpec, 'outputs' | 'updates'> & {
  /** Whether weights of rewards, learning rate, clip, regulariser and optimiser may change while a run is on. */
  readonly levers?: boolean;
};

/** The row of a plan that makes one picture at a time. */
const FIRST_ROW = { row: 0 };

/** A generator and its rewards, compiled and loaded, which can run for any number of prompts and seeds. `openReno` makes one. */
export class Reno implements Disposable {
  /** The settings of every run. */
  readonly settings: RenoSettings;
  /** The rewards that are used, with their weights. */
  readonly rewards: readonly RewardInfo[];
  /** The shape of the noise. */
  readonly latentShape: Shape;
  /** The size of the pictures. */
  readonly imageSize: ImageSize;
  /** The time that reading, compiling and uploading took. */
  readonly loadSeconds: number;
  /** The compiled computation and its graph, for tests and profiling. */
  readonly plan: Plan;
  /** The graph of one iteration, for tests and profiling. @internal */
  readonly step: StepGraph;
  readonly #model: string;
  readonly #device: Device;
  /** The parts that have inputs from the prompt. */
  readonly #prompted: readonly Pick<Reward, 'promptValues'>[];
  /** The prompt of each row, and its cuts. */
  readonly #prompts = new Map<number, { readonly prompt: string; readonly cuts: readonly PromptCut[] }>();
  /** Null where one picture is made at a time. */
  readonly #lanes: Lanes | null;
  /** Resolves when the runs that were asked for have ended. */
  #runs: Promise<void> = Promise.resolve();

  private constructor(parts: {
    model: string;
    settings: RenoSettings;
    device: Device;
    plan: Plan;
    lanes: Lanes | null;
    run: TracedRun;
    loadSeconds: number;
  }) {
    const { step, rewards, pipeline, networks } = parts.run;
    this.settings = parts.settings;
    this.rewards = rewards;
    this.latentShape = shapeOfOne(step.latents);
    this.imageSize = { height: step.image.dim(1), width: step.image.dim(2) };
    this.loadSeconds = parts.loadSeconds;
    this.#model = parts.model;
    this.#device = parts.device;
    this.plan = parts.plan;
    this.step = step;
    this.#lanes = parts.lanes;
    this.#prompted = [pipeline, ...networks];
  }

  /**
   * Reads a model folder (generator/, a folder for each reward), traces, compiles and uploads.
   * @param model the model's name in the history
   * @throws Error, one sentence: a file that is missing, broken or does not fit, or a GPU that is too small
   */
  static async open(
    device: Device,
    model: string,
    files: ModelFiles,
    settings: RenoSettings,
    { levers = false, ...planning }: Planning = {},
  ): Promise<Reno> {
    const start = performance.now();
    assertStores(settings.dtype, device.caps);
    assertHolds(settings.size, device.limits.maxBufferSize);
    const run = await traceRun(files, settings, levers);
    const plan = await compileWithWeights(device, { ...run.spec, ...planning }, run.weights);
    const batch = batchOf(settings);
    const lanes = batch > 1 ? new (await import('./loop/batch_lanes.ts')).Lanes(plan, batch) : null; // As few need it, bundles load it then.
    const loadSeconds = (performance.now() - start) / 1000;
    return new Reno({ model, settings, device, plan, lanes, run, loadSeconds });
  }

  /**
   * Runs the settings' mode for one prompt and seed. Nothing is compiled; the same arguments give the same bytes. With a batch of B,
   * as many runs go on together, and what one gives does not depend on the others. A run that is asked for beyond that waits until
   * one has ended.
   * @throws Error when no iteration gave a finite loss, the GPU failed, or `resume` belongs to another run
   */
  generate(options: GenerateOptions): Promise<Generated> {
    return this.#lanes
      ? this.#inLane(this.#lanes, options)
      : this.#alone(() => this.#generate(options, this.plan, (onCut) => this.setPrompt(options.prompt, onCut)));
  }

  async #inLane(lanes: Lanes, options: GenerateOptions): Promise<Generated> {
    const lane = await lanes.take();
    try {
      return await this.#generate(options, lane, async (onCut) => {
        this.#writePrompt(options.prompt, (values) => lanes.writePrompt(values, lane), onCut, lane);
        return 0; // The prompt stage runs before the next step, for all new prompts at once.
      });
    } finally {
      lanes.release(lane);
    }
  }

  /**
   * Repeats a run whose losses became not finite. @returns where f16 overflowed, or null where it did not @throws Error as `generate`
   * @internal
   */
  async findOverflow(options: GenerateOptions): Promise<Overflow | null> {
    const { findOverflow } = await import('./loop/overflow.ts'); // Few runs need it, so bundles load it then.
    return this.#repeated(options, findOverflow);
  }

  /**
   * Repeats a run whose losses became not finite. @returns the first value that is no finite number, or null where there is none
   * @throws Error as `generate`
   * @internal
   */
  async findBadValue(options: GenerateOptions): Promise<BadValue | null> {
    const { findBadValue } = await import('./loop/bad_value.ts'); // As above.
    return this.#repeated(options, findBadValue);
  }

  /** Repeats a run from its first noise by `repeat`. */
  #repeated<T>({ resume: _, ...options }: GenerateOptions, repeat: Repeat<T>): Promise<T> {
    return this.#alone(async () => {
      const batch = batchOf(this.settings);
      const plan = batch > 1 ? new (await import('./loop/batch_lanes.ts')).AllRows(this.plan, batch) : this.plan;
      this.#prompts.clear();
      this.#writePrompt(options.prompt, (values) => writeAll(plan, values));
      await plan.run('prompt');
      this.#prompts.clear();
      return repeat(plan, this.step, await this.#search(options, plan));
    });
  }

  /** Runs `work` when the runs before it have ended. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#runs.then(work);
    this.#runs = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  /** @param setPrompt gives the prompt to `runner`, and says for how many seconds its stage ran */
  async #generate(
    options: GenerateOptions,
    runner: Plan | Lane,
    setPrompt: (onCut?: OnCut) => Promise<number>,
  ): Promise<Generated> {
    const { resume, onState, ...rest } = options;
    const config = this.#config(options);
    if (resume) {
      assertSameRun(resume.config, config);
    }
    const promptSeconds = await setPrompt(options.onCut);
    const search = await this.#search(options, runner);
    const unmoved = this.levers;
    const trajectory = await runLoop(runner, this.step, {
      ...rest,
      ...search,
      levers: options.levers ?? (() => unmoved),
      ...(resume ? { resume } : {}),
      ...(onState ? { onState: (state) => onState({ config, ...state }) } : {}),
    });
    const cuts = this.#prompts.get('row' in runner ? runner.row : 0)?.cuts ?? [];
    return { trajectory, history: this.#history(config, trajectory, promptSeconds, cuts) };
  }

  #search(options: GenerateOptions, runner: StepRunner): ReturnType<typeof searchOf> {
    return searchOf({ runner, step: this.step, settings: this.#settingsOf(options) }, options);
  }

  /** The settings with the number of iterations of one run. */
  #settingsOf({ nIters }: GenerateOptions): RenoSettings {
    return nIters === undefined ? this.settings : { ...this.settings, nIters };
  }

  /** The levers as the settings have them. */
  get levers(): Levers {
    const { lr, gradClip, regWeight, optim } = this.settings;
    const rewards = Object.fromEntries(
      this.rewards.flatMap(({ name, weight, watched }) => (watched ? [] : [[name, weight] as const])),
    );
    return { rewards, lr, gradClip, regWeight, optim: optim === 'adam' ? 'adam' : 'sgd' };
  }

  /** Gives all GPU memory back. */
  [Symbol.dispose](): void {
    this.plan.destroy();
  }

  /**
   * Runs the prompt stage, unless the prompt is the same as last time.
   * @param onCut is told of each text encoder that reads the beginning of the prompt only @returns the seconds that it took
   */
  async setPrompt(prompt: string, onCut?: OnCut): Promise<number> {
    const start = performance.now();
    const isNew = this.#writePrompt(prompt, (values) => writeAll(this.plan, values), onCut);
    if (!isNew) {
      return 0;
    }
    try {
      await this.plan.run('prompt');
      await this.plan.finished();
    } catch (error) {
      this.#prompts.clear();
      throw error;
    }
    return (performance.now() - start) / 1000;
  }

  /** Writes a prompt, unless the row has it already. @returns whether it was written */
  #writePrompt(
    prompt: string,
    write: (values: PromptValues) => void,
    onCut?: OnCut,
    { row }: Pick<Lane, 'row'> = FIRST_ROW,
  ): boolean {
    if (this.#prompts.get(row)?.prompt === prompt) {
      return false;
    }
    const cuts: PromptCut[] = [];
    const values = this.#prompted.flatMap((part) => [...part.promptValues(prompt, (cut) => cuts.push(cut))]);
    write(new Map(values));
    this.#prompts.set(row, { prompt, cuts });
    for (const cut of cuts) {
      onCut?.(cut);
    }
    return true;
  }

  #config(options: GenerateOptions): RunConfig {
    const settings = this.#settingsOf(options);
    const { mode, noise, samples, radius } = settings;
    const nIters = mode === 'no-optim' ? 1 : settings.nIters;
    return {
      model: this.#model,
      prompt: options.prompt,
      seed: options.seed,
      mode,
      ...recordedSettings({ ...settings, nIters }),
      ...(mode === 'multi-start' ? { search: multiStartOf(settings) } : {}),
      ...(mode === 'zeroth-order' ? { samples, radius } : {}),
      rewards: this.rewards,
      noise: {
        source: noise,
        generator: NOISE_GENERATORS[noise],
        draw: options.draw ?? 0,
        ...(options.latents || options.resume?.config.noise.given ? { given: true as const } : {}),
        shape: this.latentShape,
      },
    };
  }

  #history(config: RunConfig, trajectory: Trajectory, promptSeconds: number, cuts: readonly PromptCut[]): History {
    return {
      format: 1,
      tool: 'reno-webgpu',
      config,
      ...(cuts.length > 0 ? { cuts } : {}),
      ...(haveMoved(trajectory.moves, this.levers) ? { levers: trajectory.moves } : {}),
      ...(trajectory.pushes.length > 0 ? { pushes: trajectory.pushes } : {}),
      adapter: adapterRecord(this.#device),
      kernels: kernelRecord(this.plan.schedule.choices.values()),
      image: this.imageSize,
      iterations: trajectory.records,
      best: trajectory.best,
      stopped: trajectory.stopped,
      seconds: { load: this.loadSeconds, prompt: promptSeconds, iterations: trajectory.seconds },
    };
  }
}

function writeAll(runner: StepRunner, values: PromptValues): void {
  for (const [name, data] of values) {
    runner.write(name, data);
  }
}

/** Checks that the adapter can store activations as `dtype`. @throws Error when it cannot */
export function assertStores(dtype: ComputeDType, { f16 }: DeviceCaps): void {
  if (dtype === 'f16' && !f16) {
    throw new Error('this adapter has no shader-f16, so activations cannot be stored as f16: use --dtype f32');
  }
}

/** Checks that the adapter can hold a picture of this size, before anything is traced. @throws Error, one sentence with both sizes */
function assertHolds(size: RenoSettings['size'], maxBufferSize: number): void {
  const [height = 0, width = 0] = size ?? [];
  const bytes = height * width * 3 * 4;
  if (bytes > maxBufferSize) {
    const [need, most] = differentSizes(bytes, maxBufferSize);
    throw new Error(
      `a picture of ${width}×${height} needs one buffer of ${need}, but this adapter holds at most ${most}: choose a smaller --size`,
    );
  }
}

export function adapterRecord({ info, caps }: Device): AdapterRecord {
  return { ...info, f16: caps.f16, subgroups: caps.subgroups };
}
