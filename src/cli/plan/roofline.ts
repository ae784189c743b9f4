/** The least time that a GPU could take: each op as long as its arithmetic or its memory traffic, whichever is longer. */
import type { Work } from '../../tensor/schedule/summary.ts';
import type { Gpu } from './gpus.ts';

export interface Roofline {
  readonly gpu: string;
  readonly memoryBytes: number;
  /** Whether the plan's peak is no more than its memory. */
  readonly fits: boolean;
  /** Of an iteration. */
  readonly seconds: {
    /** Arithmetic in f32, as the kernels do today. */
    readonly f32: number;
    /** The same with products in f16. */
    readonly f16: number;
    /** Products on matrix units, which WebGPU has behind its subgroup-matrix feature only; null where there are none. */
    readonly tensor: number | null;
  };
  /** Bringing in streamed weights; beside the above where it can be hidden behind it. */
  readonly uploadSeconds: number;
}

/** Published measurements of what a dispatch costs through Dawn on desktop GPUs, seconds. */
export const DISPATCH_SECONDS = [24e-6, 36e-6] as const;

interface Needs {
  /** Of one iteration. */
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
