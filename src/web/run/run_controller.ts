/** Starts, pauses, stops and resumes runs, and puts what the engine tells into the page's state. */
import { METHOD_TEXTS } from '../../reno/settings/explanations.ts';
import type { EngineEvent } from '../engine/client.ts';
import { LIMITS } from '../share/address.ts';
import type { Outcome, RunSettings, ShownRun, Studio } from '../state/studio_state.ts';
import { sentence } from '../words.ts';
import { type EngineAddresses, EngineHost } from './engine_host.ts';
import { HeldEvents } from './held_events.ts';
import { KeptRuns } from './kept_runs.ts';
import { emptyLane } from './second_lane.ts';
import {
  pausedAfter,
  showDownload,
  showFrame,
  showLanePicture,
  showLoading,
  showOtherNetworks,
  showOutcome,
} from './told.ts';

/** Where and how runs start. */
export interface StartOptions {
  /** The noise to start from, instead of the seed's. */
  readonly latents?: Float32Array<ArrayBuffer> | null;
  /** Whether best-of-N runs beside ReNO, at equal work. */
  readonly lanes?: boolean;
  /** The number of runs, one after another: of the form's seed and of those after it. Default 1. */
  readonly seeds?: number;
}

/** The status of a run that is about to end. */
export const STOPPING = 'Stopping…';

export class RunController {
  readonly #studio: Studio;
  /** The model, its levers and its noise. */
  readonly engine: EngineHost;
  readonly #held: HeldEvents;
  readonly #kept: KeptRuns;
  /** Settings of the runs that follow this one. */
  #waiting: RunSettings[] = [];

  constructor(studio: Studio, addresses: EngineAddresses, { tune = false } = {}) {
    this.#studio = studio;
    this.engine = new EngineHost(studio, addresses, tune, (event) => this.#receive(event));
    this.#held = new HeldEvents(
      () => studio.state.phase === 'paused',
      (event) => {
        if (event.kind === 'frame') {
          showFrame(studio, event.frame, event.isBest);
        } else if (event.kind === 'lane') {
          showLanePicture(studio, event.frame, event.isBest);
        } else {
          this.#end(event.outcome);
        }
      },
    );
    this.#kept = new KeptRuns(studio, (paused) => this.engine.send({ kind: 'resume', paused }));
  }

  /** Shows the run that the browser keeps: see `KeptRuns.restore`. @param asked settings that the address names */
  restore(asked: RunSettings | null): Promise<void> {
    return this.#kept.restore(asked);
  }

  /** Starts runs with the settings of the form. Does nothing unless the page is ready. */
  start({ latents = null, lanes = false, seeds = 1 }: StartOptions = {}): void {
    const { phase, settings } = this.#studio.state;
    if (phase !== 'ready') {
      return;
    }
    const row = Array.from({ length: seeds }, (_, i) => ({
      ...settings,
      seed: (settings.seed + i) % (LIMITS.seed + 1),
    }));
    const [first = settings, ...others] = row;
    this.#kept.forget();
    this.#studio.change({ lane: lanes ? emptyLane(first) : null, seeds: others.length > 0 ? row : [] });
    this.#waiting = others;
    this.#begin(first, { latents, lanes });
  }

  #begin(settings: RunSettings, { latents = null, lanes = false }: StartOptions = {}): void {
    const { engine } = this.#studio.state;
    if (!engine) {
      return;
    }
    this.#held.clear();
    const run: ShownRun = {
      source: 'live',
      settings,
      size: engine.size,
      charted: engine.charted,
      frames: [],
      best: 0,
      outcome: null,
    };
    const status =
      settings.method !== engine.method
        ? `Preparing the networks for another method: ${METHOD_TEXTS[settings.method].label}…`
        : lanes
          ? 'Preparing both lanes…'
          : 'Reading the prompt…';
    this.#studio.change({ phase: 'running', status, notice: null, shown: null, run });
    this.engine.send({ kind: 'run', settings, keep: this.#keeps, latents, lanes });
  }

  /** Whether a run is kept in the browser: one of the page's own models, in one tab. */
  get #keeps(): boolean {
    return this.#kept.keeps && this.engine.isPocket;
  }

  /** Holds the run: at once on the page, and before the next iteration on the GPU. */
  pause(): void {
    const { phase, run } = this.#studio.state;
    if (phase === 'running' && run) {
      this.engine.send({ kind: 'pause' });
      this.#studio.change({
        phase: 'paused',
        status: pausedAfter(run.frames.length),
      });
    }
  }

  /** Shows one more iteration of a run that is paused. */
  step(): void {
    if (this.#studio.state.phase !== 'paused') {
      return;
    }
    // Two iterations are always on the way, so the next one to be shown may be here already.
    this.engine.send({ kind: 'step' });
    this.#held.step();
  }

  goOn(): void {
    if (this.#studio.state.phase !== 'paused') {
      return;
    }
    this.#studio.change({ phase: 'running', status: 'Going on…' });
    this.engine.send({ kind: 'go on' });
    this.#held.release();
  }

  /** Ends the run after the iterations that are on the way. */
  stop(): void {
    const { phase } = this.#studio.state;
    if (phase === 'running' || phase === 'paused') {
      this.#studio.change({ phase: 'running', status: STOPPING });
      this.engine.send({ kind: 'stop' });
      this.#held.release();
    }
  }

  #receive(event: EngineEvent): void {
    switch (event.kind) {
      case 'frame':
      case 'lane':
      case 'done':
        this.#held.add(event);
        break;
      case 'loading':
        showLoading(this.#studio, event.what, event.done, event.total);
        break;
      case 'downloading':
        showDownload(this.#studio, event.file);
        break;
      case 'opened':
        this.#studio.change({ engine: event.facts, levers: null, phase: 'ready', status: 'Ready', loading: null });
        this.#kept.goOn();
        break;
      case 'reopened':
        showOtherNetworks(this.#studio, event.facts);
        break;
      case 'levers':
        this.#studio.change({ levers: event.levers });
        break;
      case 'recovering':
        this.#studio.change({ notice: { text: sentence(event.sentence) } });
        break;
      case 'lane failed':
        this.#studio.change({
          notice: { text: `Best-of-N has failed, and the run goes on: ${sentence(event.sentence)}` },
        });
        break;
      case 'failed':
        this.#fail(event.during, event.sentence);
        break;
    }
  }

  #end(outcome: Outcome): void {
    const next = outcome.history.stopped ? undefined : this.#waiting.shift();
    showOutcome(this.#studio, outcome, next !== undefined);
    if (next) {
      this.#begin(next);
    }
  }

  #fail(during: 'open' | 'run', what: string): void {
    if (during === 'open') {
      this.engine.showUnopened(what);
      return;
    }
    const done = this.#studio.state.run?.frames.length ?? 0;
    const action =
      this.#keeps && done > 0
        ? { label: 'Go on', run: () => void this.#kept.again() }
        : { label: 'Run again', run: () => this.start() };
    this.#studio.change({ phase: 'ready', status: 'Stopped', notice: { text: sentence(what), action } });
  }
}
