/** The engine's worker and the model in it: the page's own one, or another. */
import type { Levers } from '../../reno/loop/levers.ts';
import { EngineClient, type EngineEvent } from '../engine/client.ts';
import type { LookedAt, Push, Sight, ToEngine } from '../engine/protocol.ts';
import type { ModelChoices, ModelPlan, ModelSource } from '../models/model_source.ts';
import type { Studio } from '../state/studio_state.ts';
import { sentence } from '../words.ts';
import { planApart } from './plan_apart.ts';

/** Addresses that the build knows. */
export interface EngineAddresses {
  /** The worker's script. */
  readonly script: string;
  /** The list of packed weights. */
  readonly models: string;
}

export class EngineHost {
  readonly #studio: Studio;
  readonly #addresses: EngineAddresses;
  readonly #tune: boolean;
  readonly #receive: (event: EngineEvent) => void;
  #source: ModelSource;
  #choices: ModelChoices = { budget: null, eightBits: false };
  #engine: EngineClient | null = null;
  #watchesNoise = false;
  #levered = false;

  /** @param receive is told what the engine does */
  constructor(studio: Studio, addresses: EngineAddresses, tune: boolean, receive: (event: EngineEvent) => void) {
    this.#studio = studio;
    this.#addresses = addresses;
    this.#source = { kind: 'pocket', list: addresses.models };
    this.#tune = tune;
    this.#receive = receive;
  }

  /** Whether the model is the page's own. */
  get isPocket(): boolean {
    return this.#source.kind === 'pocket';
  }

  /** Loads the models of the page, or another one; again after a failure. */
  load(source = this.#source, choices = this.#choices): void {
    this.#source = source;
    this.#choices = choices;
    this.#engine?.close();
    this.#engine = new EngineClient(this.#addresses.script, this.#receive);
    this.#studio.change({ phase: 'loading', status: 'Loading the models…', loading: null, notice: null });
    this.send({
      kind: 'open',
      source,
      choices,
      method: this.#studio.state.settings.method,
      tune: this.#tune,
      levers: this.#levered,
    });
    this.watchNoise(this.#watchesNoise);
  }

  /** Says what a model would need; nothing is downloaded but headers. @throws Error, one sentence, where it cannot be planned */
  plan(source: ModelSource, choices: ModelChoices): Promise<ModelPlan> {
    return planApart(this.#addresses.script, { source, choices, method: this.#studio.state.settings.method });
  }

  /** Shows that the model could not be opened, and offers to try again. */
  showUnopened(what: string): void {
    this.#studio.change({
      phase: 'unusable',
      status: '',
      loading: null,
      notice: {
        text: this.isPocket
          ? `The models could not be loaded: ${sentence(what)} Check the connection, then try again.`
          : `The model could not be loaded: ${sentence(what)}`,
        action: { label: 'Try again', run: () => this.load() },
      },
    });
  }

  send(message: ToEngine): void {
    this.#engine?.send(message);
  }

  /** Whether pictures come with their noise and its gradient. */
  watchNoise(on: boolean): void {
    this.#watchesNoise = on;
    this.send({ kind: 'watch noise', on });
  }

  /** Adds to one value of the noise before the next iteration. */
  push(push: Push): void {
    this.send({ kind: 'push', push });
  }

  /** Loads the models again, with levers. */
  openLevers(): void {
    this.#levered = true;
    this.load();
  }

  /** Moves the levers of the run that is on, and of those after it; null: as the settings have them. */
  move(levers: Levers | null): void {
    this.#studio.change({ levers });
    this.send({ kind: 'levers', levers });
  }

  /** Asks the evaluator. @throws Error, one sentence, where it cannot answer */
  look(picture: LookedAt): Promise<Sight> {
    return this.#engine?.look(picture) ?? Promise.reject(new Error('the models are not loaded'));
  }
}
