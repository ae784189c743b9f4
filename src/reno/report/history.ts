/** The contents of history.json: enough to draw a run's report, to repeat the run, and to compare it with another. */
import type { PromptCut } from '../../models/tokenizers/tokenizers.ts';
import type { KernelRecord } from '../../tensor/tuning/choose.ts';
import type { LeverMove } from '../loop/levers.ts';
import type { NoiseSource } from '../noise/draw_noise.ts';
import type { MultiStart } from '../search/multi_start_size.ts';
import type { Mode, RecordedSetting, RenoSettings } from '../settings/settings.ts';

/** The numbers of one iteration. */
export interface IterationRecord extends Partial<Origin> {
  /** Counted from 0. */
  readonly iteration: number;
  /** Loss of each reward before its weight, by name: lower is better. */
  readonly losses: Readonly<Record<string, number>>;
  /** Weighted sum of the losses, without the regulariser: the best image is the one where this is lowest. */
  readonly total: number;
  /** The loss that keeps the norm of the noise likely, with its weight. */
  readonly regulariser: number;
  /** ‖z‖ of the noise that made this iteration's image. */
  readonly norm: number;
  /** 2-norm of the gradient before clipping; absent where nothing is optimised. */
  readonly gradNorm?: number;
  /** Time from the start of the run until this iteration's numbers were read. */
  readonly seconds: number;
}

/** The origin of an iteration's noise, in a search that begins more than once. */
export interface Origin {
  /** The draw of the seed that it began with. */
  readonly draw: number;
  /** The ascent that it belongs to, counted from 0; absent where the draw itself was judged. */
  readonly chain?: number;
}

/** A reward of a run. */
export interface RewardInfo {
  /** Such as `clip`. */
  readonly name: string;
  /** Its weight in the total. */
  readonly weight: number;
  /** score = offset − loss is the reward as its authors report it (ImageReward score, CLIP logit, cosine). */
  readonly offset: number;
  /** True for a reward that only watches: it has no part in the total. */
  readonly watched?: true;
}

/** The noise that a run started from. */
export interface NoiseRecord {
  readonly source: NoiseSource;
  /** The source in words, to make the noise again elsewhere. */
  readonly generator: string;
  /** The number of the draw that the run started from. */
  readonly draw: number;
  /** True where the run started from a given noise, and not from the seed's. */
  readonly given?: true;
  readonly shape: readonly number[];
}

/** The prompt, the seed and every setting that is marked as recorded. */
export interface RunConfig extends Pick<RenoSettings, RecordedSetting> {
  readonly model: string;
  readonly prompt: string;
  readonly seed: number;
  readonly mode: Mode;
  readonly rewards: readonly RewardInfo[];
  readonly noise: NoiseRecord;
  /** The size of a search from many noises; absent in other modes. */
  readonly search?: MultiStart;
  /** The rounds of a search without a gradient; absent in other modes. */
  readonly samples?: number;
  readonly radius?: number;
}

/** A transfer: a model of several steps started from the run's noise. */
export interface TransferRecord {
  readonly model: string;
  readonly steps: number;
  /** The scale of classifier-free guidance; at most 1: no guidance. */
  readonly guidance: number;
  /** The time for reading and compiling, and for the pictures from the first and the best noise. */
  readonly seconds: { readonly load: number; readonly pictures: number };
}

/** The GPU that a run used. */
export interface AdapterRecord {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  readonly f16: boolean;
  readonly subgroups: boolean;
}

/** The contents of history.json. */
export interface History {
  /** The version of this format. */
  readonly format: 1;
  /** The program that made it, with its version. */
  readonly tool: string;
  /** The prompt, the seed and the settings. */
  readonly config: RunConfig;
  /** The text encoders and rewards that read only the beginning of the prompt; absent where all read it whole. */
  readonly cuts?: readonly PromptCut[];
  /** The levers that were moved while the run was on; absent where none was. A run with moved levers is not made again by its settings. */
  readonly levers?: readonly LeverMove[];
  /** The iterations whose noise was pushed by hand; absent where none was. */
  readonly pushes?: readonly number[];
  /** The GPU that was used. */
  readonly adapter: AdapterRecord;
  /** The kernel variants that ran. Variants round differently: equal bytes need the same adapter and the same hash. */
  readonly kernels?: KernelRecord;
  readonly image: { readonly height: number; readonly width: number };
  readonly iterations: readonly IterationRecord[];
  /** Index into `iterations` of the best image. */
  readonly best: number;
  /** The reason, one sentence, when the run ended before its last iteration; else null. */
  readonly stopped: string | null;
  readonly transfer?: TransferRecord;
  /** Seconds: reading and compiling (once per process), the prompt's networks, and the iterations. */
  readonly seconds: { readonly load: number; readonly prompt: number; readonly iterations: number };
}
