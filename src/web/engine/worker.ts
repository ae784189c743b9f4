/**
 * The worker in which the engine runs: tracing, planning and the loop take seconds, in which the page must answer. The first message
 * brings the port over which the others come.
 */
import { sentenceOf } from '../../platform/sentence_of.ts';
import type { Levers } from '../../reno/loop/levers.ts';
import { decodeRunState, encodeRunState, type RunState } from '../../reno/loop/run_state.ts';
import { at } from '../../tensor/types.ts';
import { workBefore } from '../run/run_length.ts';
import { RunKeeper, readKeptRun } from '../session/kept_run.ts';
import type { RunSettings } from '../state/studio_state.ts';
import { BestOfN } from './best_of_n.ts';
import { EngineModel } from './engine_model.ts';
import { Pace, RENO } from './pace.ts';
import { Pause } from './pause.ts';
import type { FromEngine, LookedAt, Push, ToEngine } from './protocol.ts';
import { toRgba } from './rgba.ts';

class Engine {
  readonly #tell: (message: FromEngine) => void;
  readonly #pause = new Pause();
  #abort = new AbortController();
  readonly #model: EngineModel;
  /** The search beside a run. */
  readonly #bestOfN = new BestOfN(() => this.#model.openApart('best-of-n'));
  #watches = false;
  /** Waiting for the next iteration. */
  #pushes: Push[] = [];
  /** Null: as the settings have them. */
  #levers: Levers | null = null;
  /** Writes the run into the browser's storage. */
  #keeper: RunKeeper | null = null;

  constructor(tell: (message: FromEngine) => void) {
    this.#tell = tell;
    this.#model = new EngineModel(tell);
  }

  async receive(message: ToEngine): Promise<void> {
    switch (message.kind) {
      case 'open':
        this.#abort = new AbortController();
        return this.#during('open', () => this.#model.open(message, this.#abort.signal));
      case 'plan':
        return this.#plan(message);
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

  async #plan({ source, choices, method }: Extract<ToEngine, { kind: 'plan' }>): Promise<void> {
    try {
      this.#tell({ kind: 'planned', plan: await this.#model.plan(source, choices, method) });
    } catch (error) {
      this.#tell({ kind: 'unplanned', sentence: sentenceOf(error) });
    }
  }

  async #start({ settings, keep, latents, lanes }: Extract<ToEngine, { kind: 'run' }>): Promise<void> {
    await this.#model.use(settings.method);
    const facts = await this.#model.facts();
    this.#pause.open();
    this.#keeper = keep ? await RunKeeper.begin(facts, settings, lanes).catch(unkept) : null;
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
    await this.#model.use(kept.settings.method);
    const resume = kept.state ? await decodeRunState('the run that was kept', kept.state) : undefined;
    this.#levers = resume?.moves?.at(-1)?.levers ?? null;
    if (this.#levers) {
      this.#model.withLevers();
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
    const steady = await this.#model.steadily();
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
          await pace.pass(RENO, workBefore(settings, iteration));
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
      this.#tell({ kind: 'looked', id, sight: await this.#model.look(picture) });
    } catch (error) {
      this.#tell({ kind: 'unseen', id, sentence: sentenceOf(error) });
    }
  }

  #close(): void {
    this.#model.close();
    this.#bestOfN[Symbol.dispose]();
  }
}

/** A browser that has no room keeps no run; the run itself goes on. */
function unkept(error: unknown): null {
  console.info(`This run is not kept: ${sentenceOf(error)}`);
  return null;
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
