/**
 * The worker in which the engine runs: tracing, planning and the loop take seconds, in which the page must answer. The first message
 * brings the port over which the others come.
 */
import { subfolder } from '../../models/checkpoint/files.ts';
import { adoptTuning } from '../../platform/browser/tuning_db.ts';
import { sentenceOf } from '../../platform/sentence_of.ts';
import type { Levers } from '../../reno/levers.ts';
import { decodeRunState, encodeRunState, type RunState } from '../../reno/run_state.ts';
import { adapterRecord, Reno } from '../../reno/session.ts';
import { type RenoSettings, withSettings } from '../../reno/settings.ts';
import { openSteadyReno, type SteadyReno } from '../../reno/steady_reno.ts';
import type { Device } from '../../tensor/device.ts';
import { at } from '../../tensor/types.ts';
import type { ModelChoices, ModelSource } from '../models/model_source.ts';
import { type OpenedSource, openSource } from '../models/open_source.ts';
import { planModel, settingsFor } from '../models/plan_model.ts';
import { RunKeeper, readKeptRun } from '../session/kept_run.ts';
import type { EngineFacts, RunSettings } from '../state/studio_state.ts';
import { awaitDevice } from './await_device.ts';
import { BestOfN } from './best_of_n.ts';
import { Pace, RENO } from './pace.ts';
import { Pause } from './pause.ts';
import { PictureJudge } from './picture_judge.ts';
import type { FromEngine, LookedAt, Push, ToEngine } from './protocol.ts';
import { toRgba } from './rgba.ts';
import { tuneHere } from './tune.ts';

interface OpenedModel {
  readonly source: OpenedSource;
  readonly choices: ModelChoices;
}

class Engine {
  readonly #tell: (message: FromEngine) => void;
  readonly #pause = new Pause();
  #abort = new AbortController();
  #model: OpenedModel | null = null;
  #steady: SteadyReno | null = null;
  readonly #judge = new PictureJudge();
  /** The search beside a run. */
  readonly #bestOfN = new BestOfN(() => this.#openSteadily({ mode: 'imageselect' }));
  #tunes = false;
  #watches = false;
  /** Waiting for the next iteration. */
  #pushes: Push[] = [];
  /** Whether runs have levers. */
  #levered = false;
  /** Null: as the settings have them. */
  #levers: Levers | null = null;
  /** Writes the run into the browser's storage. */
  #keeper: RunKeeper | null = null;

  constructor(tell: (message: FromEngine) => void) {
    this.#tell = tell;
  }

  async receive(message: ToEngine): Promise<void> {
    switch (message.kind) {
      case 'open':
        this.#levered = message.levers;
        return this.#during('open', () => this.#open(message.source, message.choices, message.tune));
      case 'plan':
        return this.#plan(message.source, message.choices);
      case 'run':
        return this.#during('run', () => this.#start(message));
      case 'watch noise':
        this.#watches = message.on;
        return;
      case 'push':
        this.#pushes.push(message.push);
        return;
      case 'levers':
        this.#levers = message.levers;
        return;
      case 'resume':
        return this.#during('run', () => this.#resume(message.paused));
      case 'pause':
        this.#pause.close();
        return this.#keep({ paused: true });
      case 'step':
        return this.#pause.step();
      case 'go on':
        this.#pause.open();
        return this.#keep({ paused: false });
      case 'stop':
        this.#abort.abort();
        return this.#pause.open();
      case 'look':
        return this.#answer(message.id, message.picture);
    }
  }

  async #during(what: 'open' | 'run', work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      // A failure may leave a dead device behind: the next run opens another one.
      this.#close();
      this.#tell({ kind: 'failed', during: what, sentence: sentenceOf(error) });
    }
  }

  async #open(from: ModelSource, choices: ModelChoices, tune: boolean): Promise<void> {
    const source = await this.#sourceOf(from);
    if (source.hubs.length > 0) {
      // Only a trace knows which files are needed.
      await this.#onDevice((device) => planModel(source, device, choices));
      this.#abort = new AbortController();
      for (const hub of source.hubs) {
        await hub.download(
          (file) => this.#tell({ kind: 'downloading', file: { ...file, path: `${hub.name}/${file.path}` } }),
          this.#abort.signal,
        );
      }
    }
    this.#close();
    this.#model = { source, choices };
    this.#tunes = tune;
    const { device, reno } = await this.#steadily();
    this.#tell({ kind: 'opened', facts: factsOf(source.name, device, reno) });
  }

  async #plan(from: ModelSource, choices: ModelChoices): Promise<void> {
    try {
      const source = await this.#sourceOf(from);
      this.#tell({ kind: 'planned', plan: await this.#onDevice((device) => planModel(source, device, choices)) });
    } catch (error) {
      this.#tell({ kind: 'unplanned', sentence: sentenceOf(error) });
    }
  }

  #sourceOf(from: ModelSource): Promise<OpenedSource> {
    return openSource(from, (pack, done, total) => this.#tell({ kind: 'loading', what: pack, done, total }));
  }

  /** Uses the device that is open, or another one for as long as it is needed. */
  async #onDevice<T>(use: (device: Device) => Promise<T>): Promise<T> {
    if (this.#steady) {
      return use(this.#steady.device);
    }
    using device = await awaitDevice();
    return await use(device);
  }

  get #opened(): OpenedModel {
    if (!this.#model) {
      throw new Error('the models are not loaded yet');
    }
    return this.#model;
  }

  /** The networks on a device that works, opened again where they were given up. */
  async #steadily(): Promise<SteadyReno> {
    this.#steady ??= await this.#openSteadily();
    return this.#steady;
  }

  /** @param own settings in place of the model's */
  #openSteadily(own: Partial<Pick<RenoSettings, 'mode'>> = {}): Promise<SteadyReno> {
    const { source, choices } = this.#opened;
    const { name, files } = source;
    return openSteadyReno({
      openDevice: awaitDevice,
      openReno: async (device, changes) => {
        const settings = withSettings(await settingsFor(source, device, choices), own);
        if (this.#tunes) {
          this.#tunes = false;
          await tuneHere(device, files, settings, (done, total) =>
            this.#tell({ kind: 'loading', what: 'kernels', done, total }),
          );
          await adoptTuning(device);
        }
        const levers = this.#levered && settings.mode === 'reno' && settings.optim !== 'lbfgs';
        const reno = await Reno.open(device, name, files, withSettings(settings, changes), { levers });
        source.release();
        return reno;
      },
      say: (sentence) => this.#tell({ kind: 'recovering', sentence }),
    });
  }

  async #start({ settings, keep, latents, lanes }: Extract<ToEngine, { kind: 'run' }>): Promise<void> {
    const { device, reno } = await this.#steadily();
    this.#pause.open();
    this.#keeper = keep
      ? await RunKeeper.begin(factsOf(this.#model?.source.name ?? '', device, reno), settings, lanes).catch(unkept)
      : null;
    await this.#run(settings, lanes, latents ? { latents } : {});
  }

  async #resume(paused: boolean): Promise<void> {
    const kept = await readKeptRun();
    if (!kept) {
      throw new Error('the run that was kept is gone: start it again');
    }
    if (paused) {
      this.#pause.close();
    } else {
      this.#pause.open();
    }
    this.#keeper = RunKeeper.goOn(kept);
    const resume = kept.state ? await decodeRunState('the run that was kept', kept.state) : undefined;
    this.#levers = resume?.moves?.at(-1)?.levers ?? null;
    if (this.#levers && !this.#levered) {
      this.#levered = true;
      this.#close();
    }
    if (this.#levers) {
      this.#tell({ kind: 'levers', levers: this.#levers });
    }
    await this.#run(kept.settings, kept.lanes, resume ? { resume } : {});
  }

  /** @param lanes whether best-of-N runs beside it @param from the state or the noise to start from, instead of the seed's noise */
  async #run(
    settings: RunSettings,
    lanes: boolean,
    from: { readonly resume?: RunState; readonly latents?: Float32Array },
  ): Promise<void> {
    this.#abort = new AbortController();
    this.#pushes = [];
    const steady = await this.#steadily();
    const usual = steady.reno.levers;
    const pace = new Pace();
    const other = lanes
      ? await this.#bestOfN.begin(settings, {
          signal: this.#abort.signal,
          pause: this.#pause,
          pace,
          onPicture: (pixels, record, isBest) =>
            this.#tell({
              kind: 'lane',
              frame: { iteration: record.iteration, pixels: toRgba(pixels), record },
              isBest,
            }),
          onFailure: (error) => this.#tell({ kind: 'lane failed', sentence: sentenceOf(error) }),
        })
      : null;
    const { prompt, seed, iterations } = settings;
    const made = steady.generate({
      prompt,
      seed,
      nIters: iterations,
      signal: this.#abort.signal,
      now: () => this.#pause.now(),
      beforeIteration: async (iteration) => {
        await this.#pause.pass();
        if (other) {
          await pace.pass(RENO, 2 * iteration);
        }
      },
      wantsFrame: () => true,
      wantsNoise: () => this.#watches,
      onFrame: ({ iteration, pixels, noise }, record, isBest) => {
        const rgba = toRgba(pixels);
        this.#keeper?.add(iteration, rgba);
        this.#tell({ kind: 'frame', frame: { iteration, pixels: rgba, record, ...(noise ? { noise } : {}) }, isBest });
      },
      // After each iteration: what is kept lags two behind what is shown.
      saveEvery: 1,
      onState: (state) =>
        this.#keep({
          records: state.records,
          best: state.best,
          // The pictures are kept one by one.
          state: encodeRunState({ ...state, frames: [] }),
        }),
      levers: () => this.#levers ?? usual,
      ...(steady.reno.step.levers ? { push: (_, now) => this.#pushed(now) } : {}),
      ...from,
    });
    const { trajectory, history } = await made
      .catch((error: unknown) => {
        this.#abort.abort();
        this.#pause.open();
        throw error;
      })
      .finally(async () => {
        pace.end(RENO);
        await other?.ended;
      });
    // Iterations that were on the way end during a pause; a reload must find the run paused, not ended.
    await this.#pause.pass();
    const outcome = { history, bestLatents: trajectory.bestLatents };
    await this.#keep({ records: trajectory.records, best: trajectory.best, state: null, outcome });
    this.#tell({ kind: 'done', outcome });
  }

  /** The noise with what was pushed since the last iteration; null where nothing was. */
  async #pushed(now: () => Promise<Float32Array>): Promise<Float32Array | null> {
    if (this.#pushes.length === 0) {
      return null;
    }
    const latents = await now();
    for (const { index, by } of this.#pushes.splice(0)) {
      latents[index] = (latents[index] ?? 0) + by;
    }
    return latents;
  }

  async #keep(changes: Parameters<RunKeeper['save']>[0]): Promise<void> {
    try {
      await this.#keeper?.save(changes);
    } catch (error) {
      this.#keeper = unkept(error);
    }
  }

  async #answer(id: number, picture: LookedAt): Promise<void> {
    try {
      const { device } = await this.#steadily();
      const sight = await this.#judge.look(device, subfolder(this.#opened.source.files, 'evaluator'), picture);
      this.#tell({ kind: 'looked', id, sight });
    } catch (error) {
      this.#tell({ kind: 'unseen', id, sentence: sentenceOf(error) });
    }
  }

  #close(): void {
    this.#steady?.[Symbol.dispose]();
    this.#steady = null;
    this.#bestOfN[Symbol.dispose]();
    this.#judge.forget();
  }
}

/** A browser that has no room keeps no run; the run itself goes on. */
function unkept(error: unknown): null {
  console.info(`This run is not kept: ${sentenceOf(error)}`);
  return null;
}

function factsOf(model: string, device: Device, reno: Reno): EngineFacts {
  return {
    model,
    adapter: adapterRecord(device),
    software: device.caps.software,
    size: reno.imageSize,
    charted: { rewards: reno.rewards, gradClip: reno.settings.gradClip, noise: { shape: reno.latentShape } },
    iterations: reno.settings.nIters,
    loadSeconds: reno.loadSeconds,
    levers: reno.step.levers ? reno.levers : null,
  };
}

addEventListener(
  'message',
  (event) => {
    const port = at(event.ports, 0);
    const engine = new Engine((message) => port.postMessage(message));
    port.onmessage = ({ data }: MessageEvent<ToEngine>) => void engine.receive(data);
  },
  { once: true },
);
