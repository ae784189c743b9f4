/** The model of the engine: its files, its networks on a device that works, and the evaluator of its pictures. */
import { subfolder } from '../../models/checkpoint/files.ts';
import { adoptTuning } from '../../platform/browser/tuning_db.ts';
import type { MethodName } from '../../reno/search/method_names.ts';
import { adapterRecord, Reno } from '../../reno/session.ts';
import { withSettings } from '../../reno/settings/settings.ts';
import { openSteadyReno, type SteadyReno } from '../../reno/steady_reno.ts';
import type { Device } from '../../tensor/device/device.ts';
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
  #method: MethodName = 'reno';
  #networks: Promise<SteadyReno> | null = null;
  #tunes = false;
  #levered = false;

  constructor(tell: (message: FromEngine) => void) {
    this.#tell = tell;
  }

  /** Opens a model, after bringing what is missing of it. @param signal ends the downloads @throws Error, one sentence */
  async open(
    { source: from, choices, method, tune, levers }: Extract<ToEngine, { kind: 'open' }>,
    signal: AbortSignal,
  ): Promise<void> {
    const source = await this.#sourceOf(from);
    if (source.hubs.length > 0) {
      // Only a trace knows which files are needed.
      await this.#onDevice((device) => planModel(source, device, choices, method));
      for (const hub of source.hubs) {
        await hub.download(
          (file) => this.#tell({ kind: 'downloading', file: { ...file, path: `${hub.name}/${file.path}` } }),
          signal,
        );
      }
    }
    this.close();
    this.#model = { source, choices };
    this.#method = method;
    this.#tunes = tune;
    this.#levered = levers;
    await this.steadily();
    this.#tell({ kind: 'opened', facts: await this.facts() });
  }

  /** Says what a model would need. @throws Error, one sentence */
  async plan(from: ModelSource, choices: ModelChoices, method: MethodName): Promise<ModelPlan> {
    const source = await this.#sourceOf(from);
    return this.#onDevice((device) => planModel(source, device, choices, method));
  }

  /** Opens networks for a method where those that are open are made for another one. @throws Error, one sentence */
  async use(method: MethodName): Promise<void> {
    if (method !== this.#method) {
      this.close();
      this.#method = method;
      this.#tell({ kind: 'reopened', facts: await this.facts() });
    }
  }

  /** Opens the networks again with levers, where they have none. */
  withLevers(): void {
    if (!this.#levered) {
      this.#levered = true;
      this.close();
    }
  }

  /** Returns the networks on a device that works, opened again where they were given up. @throws Error, one sentence */
  steadily(): Promise<SteadyReno> {
    if (!this.#networks) {
      const opened = this.openApart(this.#method);
      this.#networks = opened;
      opened.catch(() => {
        if (this.#networks === opened) {
          this.#networks = null; // The next one who asks opens them anew.
        }
      });
    }
    return this.#networks;
  }

  /** Opens networks on a device of their own. @throws Error, one sentence */
  openApart(method: MethodName): Promise<SteadyReno> {
    const { source, choices } = this.#opened;
    const { name, files } = source;
    return openSteadyReno({
      openDevice: awaitDevice,
      openReno: async (device, changes) => {
        const settings = await settingsFor(source, device, choices, method);
        if (this.#tunes) {
          this.#tunes = false;
          await tuneHere(device, files, settings, (done, total) =>
            this.#tell({ kind: 'loading', what: 'kernels', done, total }),
          );
          await adoptTuning(device);
        }
        const levers = this.#levered && method === 'reno' && settings.optim !== 'lbfgs';
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
      method: this.#method,
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
    this.#networks?.then(
      (steady) => steady[Symbol.dispose](),
      () => {}, // It has been told to whom it was opened for.
    );
    this.#networks = null;
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
    if (this.#networks) {
      return use((await this.#networks).device);
    }
    using device = await awaitDevice();
    return await use(device);
  }
}
