/** The model of the engine: its files, its networks on a device that works, and the evaluator of its pictures. */
import { subfolder } from '../../models/checkpoint/files.ts';
import { adoptTuning } from '../../platform/browser/tuning_db.ts';
import { adapterRecord, Reno } from '../../reno/session.ts';
import { type RenoSettings, withSettings } from '../../reno/settings.ts';
import { openSteadyReno, type SteadyReno } from '../../reno/steady_reno.ts';
import type { Device } from '../../tensor/device.ts';
import type { ModelChoices, ModelPlan, ModelSource } from '../models/model_source.ts';
import { type OpenedSource, openSource } from '../models/open_source.ts';
import { planModel, settingsFor } from '../models/plan_model.ts';
import type { EngineFacts } from '../state/studio_state.ts';
import { awaitDevice } from './await_device.ts';
import { PictureJudge } from './picture_judge.ts';
import type { FromEngine, LookedAt, Sight, ToEngine } from './protocol.ts';
import { tuneHere } from './tune.ts';

export class EngineModel {
  readonly #tell: (message: FromEngine) => void;
  readonly #judge = new PictureJudge();
  #model: { readonly source: OpenedSource; readonly choices: ModelChoices } | null = null;
  #steady: SteadyReno | null = null;
  #tunes = false;
  #levered = false;

  constructor(tell: (message: FromEngine) => void) {
    this.#tell = tell;
  }

  /** Opens a model, after bringing what is missing of it. @param signal ends the downloads @throws Error, one sentence */
  async open(
    { source: from, choices, tune, levers }: Extract<ToEngine, { kind: 'open' }>,
    signal: AbortSignal,
  ): Promise<void> {
    const source = await this.#sourceOf(from);
    if (source.hubs.length > 0) {
      // Only a trace knows which files are needed.
      await this.#onDevice((device) => planModel(source, device, choices));
      for (const hub of source.hubs) {
        await hub.download(
          (file) => this.#tell({ kind: 'downloading', file: { ...file, path: `${hub.name}/${file.path}` } }),
          signal,
        );
      }
    }
    this.close();
    this.#model = { source, choices };
    this.#tunes = tune;
    this.#levered = levers;
    await this.steadily();
    this.#tell({ kind: 'opened', facts: await this.facts() });
  }

  /** Says what a model would need. @throws Error, one sentence */
  async plan(from: ModelSource, choices: ModelChoices): Promise<ModelPlan> {
    const source = await this.#sourceOf(from);
    return this.#onDevice((device) => planModel(source, device, choices));
  }

  /** Opens the networks again with levers, where they have none. */
  withLevers(): void {
    if (!this.#levered) {
      this.#levered = true;
      this.close();
    }
  }

  /** Returns the networks on a device that works, opened again where they were given up. @throws Error, one sentence */
  async steadily(): Promise<SteadyReno> {
    this.#steady ??= await this.openApart();
    return this.#steady;
  }

  /** Opens networks on a device of their own. @param own settings in place of the model's @throws Error, one sentence */
  openApart(own: Partial<Pick<RenoSettings, 'mode'>> = {}): Promise<SteadyReno> {
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

  /** Returns what the page is told of the model and its device. */
  async facts(): Promise<EngineFacts> {
    const { device, reno } = await this.steadily();
    return {
      model: this.#opened.source.name,
      adapter: adapterRecord(device),
      software: device.caps.software,
      size: reno.imageSize,
      charted: { rewards: reno.rewards, gradClip: reno.settings.gradClip, noise: { shape: reno.latentShape } },
      iterations: reno.settings.nIters,
      loadSeconds: reno.loadSeconds,
      levers: reno.step.levers ? reno.levers : null,
    };
  }

  /** Asks the evaluator. @throws Error, one sentence, where it cannot answer */
  async look(picture: LookedAt): Promise<Sight> {
    const { device } = await this.steadily();
    return this.#judge.look(device, subfolder(this.#opened.source.files, 'evaluator'), picture);
  }

  /** Gives the networks back; the model itself stays open. */
  close(): void {
    this.#steady?.[Symbol.dispose]();
    this.#steady = null;
    this.#judge.forget();
  }

  get #opened(): { readonly source: OpenedSource; readonly choices: ModelChoices } {
    if (!this.#model) {
      throw new Error('the models are not loaded yet');
    }
    return this.#model;
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
}
