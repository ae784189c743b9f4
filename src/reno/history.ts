/** What a run leaves in history.json: enough to draw its report, to repeat it, and to compare it with another. */
import type { KernelRecord } from '../tensor/choose.ts';
import type { NoiseSource } from './noise/draw_noise.ts';
import type { Mode, RecordedSetting, RenoSettings } from './settings.ts';

export interface IterationRecord {
  readonly iteration: number;
  /** Loss of each reward before its weight, by name: lower is better. */
  readonly losses: Readonly<Record<string, number>>;
  /** Weighted sum of the losses, without the regulariser: the best image is the one where this is lowest. */
  readonly total: number;
  readonly regulariser: number;
  /** ‖z‖ of the noise that made this iteration's image. */
  readonly norm: number;
  /** 2-norm of the gradient before clipping; absent where nothing is optimised. */
  readonly gradNorm?: number;
  /** From the start of the run until this iteration's numbers were read. */
  readonly seconds: number;
}

export interface RewardInfo {
  readonly name: string;
  readonly weight: number;
  /** score = offset − loss is the reward as its authors report it (ImageReward score, CLIP logit, cosine). */
  readonly offset: number;
}

export interface NoiseRecord {
  readonly source: NoiseSource;
  /** The source in words. */
  readonly generator: string;
  /** Number of the seed's draw that the run started from. */
  readonly draw: number;
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
}

/** The run's noise handed to a model of several steps. */
export interface TransferRecord {
  readonly model: string;
  readonly steps: number;
  /** Classifier-free guidance; at most 1: none. */
  readonly guidance: number;
  /** Reading and compiling, and the pictures from the first and the best noise. */
  readonly seconds: { readonly load: number; readonly pictures: number };
}

export interface AdapterRecord {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  readonly f16: boolean;
  readonly subgroups: boolean;
}

export interface History {
  readonly format: 1;
  readonly tool: string;
  readonly config: RunConfig;
  readonly adapter: AdapterRecord;
  /** Which kernel variants ran: they differ in rounding, so the same bytes need the same adapter and the same hash. */
  readonly kernels?: KernelRecord;
  readonly image: { readonly height: number; readonly width: number };
  readonly iterations: readonly IterationRecord[];
  /** Index into `iterations` of the best image. */
  readonly best: number;
  /** One sentence when the run ended before its last iteration, else null. */
  readonly stopped: string | null;
  readonly transfer?: TransferRecord;
  /** Seconds: reading and compiling (once per process), the prompt's networks, and the iterations. */
  readonly seconds: { readonly load: number; readonly prompt: number; readonly iterations: number };
}
