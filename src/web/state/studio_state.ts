/** The state of the page. */
import type { Levers } from '../../reno/loop/levers.ts';
import type { AdapterRecord, History, IterationRecord } from '../../reno/report/history.ts';
import type { ImageSize } from '../../reno/report/picture.ts';
import type { ChartedRun } from '../../reno/report/report.ts';
import type { MethodName } from '../../reno/search/method_names.ts';
import { Store } from './store.ts';

/** The choices of a visitor for a run. */
export interface RunSettings {
  readonly prompt: string;
  readonly seed: number;
  /** The work of a run, as so many iterations of ReNO: another method may make more pictures for it (see run_length.ts). */
  readonly iterations: number;
  readonly method: MethodName;
}

/** Settings that were kept before there were methods: those runs were ReNO's. */
export function withMethodOf(
  kept: Omit<RunSettings, 'method'> & { readonly method?: MethodName | undefined },
): RunSettings {
  return { ...kept, method: kept.method ?? 'reno' };
}

/** The picture of an iteration, as it is shown and saved. */
export interface ShownFrame {
  readonly iteration: number;
  /** RGBA, [H,W,4], 8 bits. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  readonly record: IterationRecord;
  /** The noise that made it and the gradient there, while somebody looks at them. */
  readonly noise?: { readonly latents: Float32Array<ArrayBuffer>; readonly gradient: Float32Array<ArrayBuffer> };
}

/** The result of a run. */
export interface Outcome {
  readonly history: History;
  /** The noise of the best picture; null for a recorded run, which holds none. */
  readonly bestLatents: Float32Array<ArrayBuffer> | null;
}

/** A run as the page shows it: computed here, or recorded before. */
export interface ShownRun {
  readonly source: 'live' | 'recorded';
  readonly settings: RunSettings;
  readonly size: ImageSize;
  /** The part of the settings that the charts need. */
  readonly charted: ChartedRun['config'];
  /** In the order of the iterations. */
  readonly frames: readonly ShownFrame[];
  /** Position in `frames` of the lowest loss. */
  readonly best: number;
  /** The result, when the run has ended. */
  readonly outcome: Outcome | null;
}

/** Best-of-N beside a run: fresh noises, of which the rewards choose one. */
export interface SecondLane {
  /** The number of pictures that cost as much as the run's iterations. */
  readonly total: number;
  /** The newest picture, and the best so far; null before the first. */
  readonly now: ShownFrame | null;
  readonly best: ShownFrame | null;
  /** The weighted loss of each picture. */
  readonly losses: readonly number[];
}

/** Facts that are known once the models are on the GPU. */
export interface EngineFacts {
  /** The model's name. */
  readonly model: string;
  /** The method that the networks on the GPU are made for. */
  readonly method: MethodName;
  readonly adapter: AdapterRecord;
  /** Whether the adapter is the processor and no GPU. */
  readonly software: boolean;
  readonly size: ImageSize;
  readonly charted: ChartedRun['config'];
  /** Iterations of the model's own settings. */
  readonly iterations: number;
  readonly loadSeconds: number;
  /** The levers as the settings have them; null where the model's optimiser has none. */
  readonly levers: Levers | null;
}

/**
 * `loading`: the models come, and the form can be filled. `ready`: a run can start. `running`, `paused`: a run is on.
 * `unusable`: this browser cannot compute, so only recorded runs are shown.
 */
export type Phase = 'loading' | 'ready' | 'running' | 'paused' | 'unusable';

/** A sentence that needs attention, and what can be done about it. */
export interface Notice {
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

export interface StudioState {
  readonly phase: Phase;
  /** One line about what happens now. */
  readonly status: string;
  /** How far the loading is. */
  readonly loading: { readonly done: number; readonly total: number } | null;
  readonly notice: Notice | null;
  /** The contents of the form. */
  readonly settings: RunSettings;
  /** Whether somebody has written into the form. */
  readonly typed: boolean;
  readonly engine: EngineFacts | null;
  /** The levers that were moved; null: as the settings have them. */
  readonly levers: Levers | null;
  readonly run: ShownRun | null;
  /** Best-of-N beside the run; null where it runs alone. */
  readonly lane: SecondLane | null;
  /** The settings of several runs that differ in their seeds; empty where one run was started alone. */
  readonly seeds: readonly RunSettings[];
  /** The iteration that is looked at; null: the newest. */
  readonly shown: number | null;
}

export type Studio = Store<StudioState>;

export function openStudio(settings: RunSettings): Studio {
  return new Store<StudioState>({
    phase: 'loading',
    status: '',
    loading: null,
    notice: null,
    settings,
    typed: false,
    engine: null,
    levers: null,
    run: null,
    lane: null,
    seeds: [],
    shown: null,
  });
}
