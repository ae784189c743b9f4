/** The least time that a GPU can need: for each op the time of its arithmetic or of its memory traffic, whichever is longer. */
import type { Work } from '../../tensor/schedule/summary.ts';
import type { Gpu } from './gpus.ts';

export interface Roofline {
  readonly gpu: string;
  readonly memoryBytes: number;
  /** Whether the GPU's memory holds the plan's peak. */
  readonly fits: boolean;
  /** The time of one iteration. */
  readonly seconds: {
    /** All arithmetic in f32, as the kernels compute today. */
    readonly f32: number;
    /** Products in f16. */
    readonly f16: number;
    /** Products on matrix units, which WebGPU offers through its subgroup-matrix feature only; null where there are none. */
    readonly tensor: number | null;
  };
  /** The time to upload streamed weights, which can overlap with the arithmetic. */
  readonly uploadSeconds: number;
}

/** Published costs of a dispatch through Dawn on desktop GPUs, lowest and highest, in seconds. */
export const DISPATCH_SECONDS = [24e-6, 36e-6] as const;

interface Needs {
  /** The work of one iteration. */
  readonly work: readonly Work[];
  readonly uploadedBytes: number;
  readonly peakBytes: number;
}

export function roofline(gpu: Gpu, { work, uploadedBytes, peakBytes }: Needs): Roofline {
  const seconds = (products: number): number =>
    work.reduce((sum, { products: isProducts, flops, bytes }) => {
      return sum + Math.max(flops / (isProducts ? products : gpu.f32), bytes / gpu.bandwidth);
    }, 0);
  return {
    gpu: gpu.name,
    memoryBytes: gpu.memory,
    fits: peakBytes <= gpu.memory,
    seconds: {
      f32: seconds(gpu.f32),
      f16: seconds(gpu.f16),
      tensor: gpu.tensor === null ? null : seconds(gpu.tensor),
    },
    uploadSeconds: uploadedBytes / gpu.host,
  };
}
