/** The messages between the page and the worker in which the engine runs. */
import type { NeededFile } from '../../platform/browser/hub_files.ts';
import type { Levers } from '../../reno/loop/levers.ts';
import type { Detection, VerdictConfig } from '../../reno/scene/verdict.ts';
import type { MethodName } from '../../reno/search/method_names.ts';
import type { ModelChoices, ModelPlan, ModelSource } from '../models/model_source.ts';
import type { EngineFacts, Outcome, RunSettings, ShownFrame } from '../state/studio_state.ts';

/** A picture for the evaluator: RGBA, 8 bits. */
export interface LookedAt {
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  readonly height: number;
  readonly width: number;
}

/** The evaluator's answer. */
export interface Sight {
  readonly detections: readonly Detection[];
  /** The rule by which `judge` reads the detections. */
  readonly config: VerdictConfig;
}

/** A change of the noise by hand: `by` is added to the value at `index`. */
export interface Push {
  readonly index: number;
  readonly by: number;
}

export type ToEngine =
  /** Opens a model, after bringing what is missing of it. */
  | {
      readonly kind: 'open';
      readonly source: ModelSource;
      readonly choices: ModelChoices;
      /** The method that its networks are made for; a run with another one opens others. */
      readonly method: MethodName;
      readonly tune: boolean;
      /** Whether its runs have levers. */
      readonly levers: boolean;
    }
  /** Says what a model would need. */
  | {
      readonly kind: 'plan';
      readonly source: ModelSource;
      readonly choices: ModelChoices;
      readonly method: MethodName;
    }
  /** Starts a run. `keep`: the browser keeps it as it goes on. `latents`: the noise to start from, instead of the seed's. */
  | {
      readonly kind: 'run';
      readonly settings: RunSettings;
      readonly keep: boolean;
      readonly latents: Float32Array<ArrayBuffer> | null;
      /** Whether best-of-N runs beside it, at equal work. */
      readonly lanes: boolean;
    }
  /** Whether frames come with their noise and its gradient. */
  | { readonly kind: 'watch noise'; readonly on: boolean }
  /** Adds to one value of the noise before the next iteration. */
  | { readonly kind: 'push'; readonly push: Push }
  /** Moves levers, for the run that is on and those after it; null: as the settings have them. */
  | { readonly kind: 'levers'; readonly levers: Levers | null }
  /** Goes on with the run that is kept; `paused`: when `go on` says so. */
  | { readonly kind: 'resume'; readonly paused: boolean }
  /** `step`: one more iteration of a run that is paused. */
  | { readonly kind: 'pause' | 'step' | 'go on' | 'stop' }
  | { readonly kind: 'look'; readonly id: number; readonly picture: LookedAt };

export type FromEngine =
  | { readonly kind: 'loading'; readonly what: string; readonly done: number; readonly total: number }
  /** A file that is being downloaded. */
  | { readonly kind: 'downloading'; readonly file: NeededFile }
  | { readonly kind: 'opened'; readonly facts: EngineFacts }
  /** Networks for another method were opened for a run. */
  | { readonly kind: 'reopened'; readonly facts: EngineFacts }
  /** The levers of a run that was kept and goes on. */
  | { readonly kind: 'levers'; readonly levers: Levers }
  | { readonly kind: 'planned'; readonly plan: ModelPlan }
  | { readonly kind: 'unplanned'; readonly sentence: string }
  /** Something failed, and the run goes on. */
  | { readonly kind: 'recovering'; readonly sentence: string }
  | { readonly kind: 'frame'; readonly frame: ShownFrame; readonly isBest: boolean }
  /** A picture of best-of-N beside the run. */
  | { readonly kind: 'lane'; readonly frame: ShownFrame; readonly isBest: boolean }
  | { readonly kind: 'lane failed'; readonly sentence: string }
  | { readonly kind: 'done'; readonly outcome: Outcome }
  | { readonly kind: 'failed'; readonly during: 'open' | 'run'; readonly sentence: string }
  | { readonly kind: 'looked'; readonly id: number; readonly sight: Sight }
  | { readonly kind: 'unseen'; readonly id: number; readonly sentence: string };
