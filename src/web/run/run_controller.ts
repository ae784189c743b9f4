/** Starts, pauses, stops and resumes runs, and puts what the engine tells into the page's state. */
import type { NeededFile } from '../../platform/browser/hub_files.ts';
import type { Levers } from '../../reno/levers.ts';
import { duration } from '../../reno/report.ts';
import { EngineClient, type EngineEvent } from '../engine/client.ts';
import type { LookedAt, Push, Sight } from '../engine/protocol.ts';
import type { ModelChoices, ModelPlan, ModelSource } from '../models/model_source.ts';
import { type KeptRun, keepsRuns, readKeptRun, shownFromKept } from '../session/kept_run.ts';
import { sameSettings } from '../share/address.ts';
import type { Outcome, RunSettings, ShownFrame, ShownRun, Studio } from '../state/studio_state.ts';
import { counted, sentence } from '../words.ts';

/** Addresses that the build knows. */
export interface EngineAddresses {
  /** The worker's script. */
  readonly script: string;
  /** The list of packed weights. */
  readonly models: string;
}

/** The status of a run that is about to end. */
export const STOPPING = 'Stopping…';

export class RunController {
  readonly #studio: Studio;
  readonly #addresses: EngineAddresses;
  readonly #tune: boolean;
  #source: ModelSource;
  #choices: ModelChoices = { budget: null, eightBits: false };
  #engine: EngineClient | null = null;
  /** Messages that the engine sent while the run was paused: they are shown when it goes on. */
  #held: EngineEvent[] = [];
  #watchesNoise = false;
  #levered = false;
  /** Whether this tab keeps its runs in the browser. */
  #keeps = false;
  /** The run that goes on when the models are loaded. */
  #unfinished: KeptRun | null = null;

  constructor(studio: Studio, addresses: EngineAddresses, { tune = false } = {}) {
    this.#studio = studio;
    this.#addresses = addresses;
    this.#source = { kind: 'pocket', list: addresses.models };
    this.#tune = tune;
  }

  /** Loads the models of the page, or another one; again after a failure. */
  load(source = this.#source, choices = this.#choices): void {
    this.#source = source;
    this.#choices = choices;
    this.#engine?.close();
    this.#engine = new EngineClient(this.#addresses.script, (event) => this.#receive(event));
    this.#studio.change({ phase: 'loading', status: 'Loading the models…', loading: null, notice: null });
    this.#engine.send({ kind: 'open', source, choices, tune: this.#tune, levers: this.#levered });
    this.#engine.send({ kind: 'watch noise', on: this.#watchesNoise });
  }

  /** Says what a model would need; nothing is downloaded but headers. @throws Error, one sentence, where it cannot be planned */
  plan(source: ModelSource, choices: ModelChoices): Promise<ModelPlan> {
    return new Promise((resolve, reject) => {
      // A worker of its own: the models that are loaded stay as they are.
      const engine = new EngineClient(this.#addresses.script, (event) => {
        if (event.kind === 'planned') {
          resolve(event.plan);
        } else if (event.kind === 'unplanned' || event.kind === 'failed') {
          reject(new Error(event.sentence));
        } else {
          return;
        }
        engine.close();
      });
      engine.send({ kind: 'plan', source, choices });
    });
  }

  /**
   * Shows the run that the browser keeps, unless the address asks for another one; an unfinished one goes on when the models are
   * loaded and no other tab has it. @param asked settings that the address names
   */
  async restore(asked: RunSettings | null): Promise<void> {
    const alone = keepsRuns();
    const shown = await this.#showKept(asked, null);
    void alone.then(async (keeps) => {
      this.#keeps = keeps;
      if (!keeps) {
        this.#leaveToOtherTab();
      } else if (shown) {
        // A tab that was closing may have written more meanwhile.
        await this.#showKept(asked, shown);
        this.#resume();
      }
    });
  }

  /** @param instead the run that may be replaced: none, or what was shown before @returns what is shown now, if it is kept */
  async #showKept(asked: RunSettings | null, instead: ShownRun | null): Promise<ShownRun | null> {
    const kept = await readKeptRun();
    if (!kept || (asked && !sameSettings(asked, kept.settings))) {
      return null;
    }
    const run = await shownFromKept(kept);
    const { typed, phase, run: now } = this.#studio.state;
    // A run that was started meanwhile stays, and so do words that were typed.
    if (now !== instead || (phase !== 'loading' && phase !== 'ready')) {
      return null;
    }
    this.#unfinished = kept.outcome ? null : kept;
    this.#studio.change({ run, ...(typed ? {} : { settings: run.settings }) });
    return run;
  }

  /** Another tab keeps its runs, so this one shows what it read and computes anew. */
  #leaveToOtherTab(): void {
    if (this.#unfinished) {
      this.#unfinished = null;
      this.#studio.change({ notice: { text: 'This run goes on in another tab. A run that starts here is not kept.' } });
    }
  }

  /** Goes on with the run that is kept, where there is one and both the models and the run are this tab's. */
  #resume(): void {
    const kept = this.#unfinished;
    const { phase, run } = this.#studio.state;
    if (!kept || !this.#keeps || phase !== 'ready') {
      return;
    }
    this.#unfinished = null;
    if (run?.source !== 'live') {
      return;
    }
    // The loop knows the iterations up to the state; a picture that was kept after it is made again.
    const frames = run.frames.slice(0, kept.records.length);
    const count = counted(frames.length, 'iteration');
    this.#studio.change({
      run: { ...run, frames, outcome: null },
      phase: kept.paused ? 'paused' : 'running',
      status: kept.paused ? `Paused after ${count}` : `The run goes on after ${count}…`,
      notice: null,
    });
    this.#engine?.send({ kind: 'resume', paused: kept.paused });
  }

  /** Whether pictures come with their noise and its gradient. */
  watchNoise(on: boolean): void {
    this.#watchesNoise = on;
    this.#engine?.send({ kind: 'watch noise', on });
  }

  /** Adds to one value of the noise before the next iteration. */
  push(push: Push): void {
    this.#engine?.send({ kind: 'push', push });
  }

  /** Loads the models again, with levers. */
  openLevers(): void {
    this.#levered = true;
    this.load();
  }

  /** Moves the levers of the run that is on, and of those after it; null: as the settings have them. */
  move(levers: Levers | null): void {
    this.#studio.change({ levers });
    this.#engine?.send({ kind: 'levers', levers });
  }

  /**
   * Starts a run with the settings of the form. Does nothing unless the page is ready.
   * @param latents the noise to start from, instead of the seed's
   */
  start(latents: Float32Array<ArrayBuffer> | null = null): void {
    const { phase, engine, settings } = this.#studio.state;
    if (phase !== 'ready' || !engine) {
      return;
    }
    this.#held = [];
    const run: ShownRun = {
      source: 'live',
      settings,
      size: engine.size,
      charted: engine.charted,
      frames: [],
      best: 0,
      outcome: null,
    };
    this.#studio.change({ phase: 'running', status: 'Reading the prompt…', notice: null, shown: null, run });
    this.#unfinished = null;
    this.#engine?.send({ kind: 'run', settings, keep: this.#keeps && this.#source.kind === 'pocket', latents });
  }

  /** Holds the run: at once on the page, and before the next iteration on the GPU. */
  pause(): void {
    const { phase, run } = this.#studio.state;
    if (phase === 'running' && run) {
      this.#engine?.send({ kind: 'pause' });
      this.#studio.change({
        phase: 'paused',
        status: `Paused after ${counted(run.frames.length, 'iteration')}`,
      });
    }
  }

  goOn(): void {
    if (this.#studio.state.phase !== 'paused') {
      return;
    }
    this.#studio.change({ phase: 'running', status: 'Going on…' });
    this.#engine?.send({ kind: 'go on' });
    this.#release();
  }

  /** Ends the run after the iterations that are on the way. */
  stop(): void {
    const { phase } = this.#studio.state;
    if (phase === 'running' || phase === 'paused') {
      this.#studio.change({ phase: 'running', status: STOPPING });
      this.#engine?.send({ kind: 'stop' });
      this.#release();
    }
  }

  /** Asks the evaluator. @throws Error, one sentence, where it cannot answer */
  look(picture: LookedAt): Promise<Sight> {
    return this.#engine?.look(picture) ?? Promise.reject(new Error('the models are not loaded'));
  }

  #release(): void {
    for (const event of this.#held.splice(0)) {
      this.#receive(event);
    }
  }

  #receive(event: EngineEvent): void {
    if (this.#studio.state.phase === 'paused' && (event.kind === 'frame' || event.kind === 'done')) {
      this.#held.push(event);
      return;
    }
    switch (event.kind) {
      case 'loading':
        this.#loading(event.what, event.done, event.total);
        break;
      case 'downloading':
        this.#downloading(event.file);
        break;
      case 'opened':
        this.#studio.change({ engine: event.facts, levers: null, phase: 'ready', status: 'Ready', loading: null });
        this.#resume();
        break;
      case 'levers':
        this.#studio.change({ levers: event.levers });
        break;
      case 'recovering':
        this.#studio.change({ notice: { text: sentence(event.sentence) } });
        break;
      case 'frame':
        this.#show(event.frame, event.isBest);
        break;
      case 'done':
        this.#finish(event.outcome);
        break;
      case 'failed':
        this.#fail(event.during, event.sentence);
        break;
    }
  }

  #loading(what: string, done: number, total: number): void {
    const status =
      what === 'kernels'
        ? `Timing kernels on this adapter: ${done} of ${total}`
        : done < total
          ? `Loading the models: ${(done / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`
          : 'Preparing the models…';
    if (this.#studio.state.phase === 'loading') {
      this.#studio.change({ status, loading: { done, total } });
    }
  }

  #downloading({ path, bytes, here }: NeededFile): void {
    this.#studio.change({
      status: `Downloading ${path}: ${(here / 1e6).toFixed(1)} of ${(bytes / 1e6).toFixed(1)} MB`,
      loading: { done: here, total: bytes },
    });
  }

  #show(frame: ShownFrame, isBest: boolean): void {
    const { run } = this.#studio.state;
    if (!run) {
      return;
    }
    // After a failure the run goes on from its last state, and makes the iterations after it again.
    const before = run.frames.filter(({ iteration }) => iteration < frame.iteration);
    const frames = [...before, frame];
    const again = before.length < run.frames.length;
    const best = isBest ? frames.length - 1 : again ? lowest(frames) : run.best;
    const each = duration(frame.record.seconds / frames.length);
    this.#studio.change({
      run: { ...run, frames, best },
      status: `Iteration ${frames.length} of ${run.settings.iterations}, ${each} each`,
    });
  }

  #finish(outcome: Outcome): void {
    const { run } = this.#studio.state;
    const { history } = outcome;
    const took = `${counted(history.iterations.length, 'iteration')} in ${duration(history.seconds.iterations)}`;
    this.#studio.change({
      phase: 'ready',
      status: history.stopped ? `${took}: ${history.stopped}` : `Done: ${took}`,
      ...(run ? { run: { ...run, best: history.best, outcome } } : {}),
    });
  }

  #fail(during: 'open' | 'run', what: string): void {
    if (during === 'open') {
      this.#studio.change({
        phase: 'unusable',
        status: '',
        loading: null,
        notice: {
          text:
            this.#source.kind === 'pocket'
              ? `The models could not be loaded: ${sentence(what)} Check the connection, then try again.`
              : `The model could not be loaded: ${sentence(what)}`,
          action: { label: 'Try again', run: () => this.load() },
        },
      });
      return;
    }
    const done = this.#studio.state.run?.frames.length ?? 0;
    const action =
      this.#keeps && this.#source.kind === 'pocket' && done > 0
        ? { label: 'Go on', run: () => void this.#again() }
        : { label: 'Run again', run: () => this.start() };
    this.#studio.change({ phase: 'ready', status: 'Stopped', notice: { text: sentence(what), action } });
  }

  /** Goes on after a failure, from the last state that was kept. */
  async #again(): Promise<void> {
    const kept = await readKeptRun();
    this.#unfinished = kept && { ...kept, paused: false };
    this.#resume();
  }
}

/** Position of the lowest loss. */
function lowest(frames: readonly ShownFrame[]): number {
  const losses = frames.map(({ record }) => record.total);
  return losses.indexOf(Math.min(...losses));
}
