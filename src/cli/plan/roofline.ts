/** The least time that a GPU can need: for each op the time of its arithmetic or of its memory traffic, whichever is longer. */
import type { Work } from '../../tensor/schedule/summary.ts';
import type { Gpu } from './gpus.ts';

/** The cost of an iteration on a GPU. Times are in seconds. */
export interface Roofline {
  readonly gpu: string;
  readonly memoryBytes: number;
  /** Whether the GPU's memory holds the plan's peak. */
  readonly fits: boolean;
  /** The least time of one iteration. */
  readonly seconds: {
    /** All arithmetic in f32. */
    readonly f32: number;
    /** The arithmetic of f16 operands at the rate of f16 ALUs, other arithmetic in f32. */
    readonly f16: number;
    /**
     * The arithmetic of the kernels for matrix units at their rate, three products for one where operands are f32; null where the GPU
     * shows none to WebGPU.
     */
    readonly tensor: number | null;
  };
  /** The time of all dispatches at the lowest and highest published cost, which in part runs beside the above. */
  readonly dispatchSeconds: readonly [low: number, high: number];
  /** The time to upload streamed weights, which can overlap with the arithmetic. */
  readonly uploadSeconds: number;
}

/** The cost of one kernel in an iteration on a GPU, on its matrix units where it uses them. Times are in seconds. */
export interface KernelTime {
  /** Op and variant. */
  readonly kernel: string;
  readonly matrix: boolean;
  readonly flops: number;
  /** Arithmetic on matrix units: three times `flops` where operands are f32. */
  readonly matrixFlops: number;
  readonly bytes: number;
  readonly dispatches: number;
  readonly arithmeticSeconds: number;
  readonly memorySeconds: number;
  /** The longer of both for each use, and their sum. */
  readonly leastSeconds: number;
  /** At the lowest published cost of a dispatch. */
  readonly dispatchSeconds: number;
  /** The longest of arithmetic, memory traffic and dispatches. */
  readonly bound: 'arithmetic' | 'memory' | 'dispatch';
}

/** Published costs of a dispatch through Dawn on desktop GPUs, lowest and highest, in seconds. */
export const DISPATCH_SECONDS = [24e-6, 36e-6] as const;

interface Needs {
  /** The work of one iteration. */
  readonly work: readonly Work[];
  readonly uploadedBytes: number;
  readonly peakBytes: number;
}

type Amounts = Pick<Work, 'flops' | 'bytes' | 'matrix' | 'matrixFlops'>;

/** FLOP/s of the kernels for matrix units: with f16 operands, and with f32 operands, which are several f16 products; null: f32 ALUs. */
interface Rates {
  readonly half: number;
  readonly split: number | null;
}

const onMatrixUnits = (gpu: Gpu): Rates => ({ half: gpu.tensor ?? gpu.f32, split: gpu.tensor });

function arithmetic(gpu: Gpu, { flops, matrix, matrixFlops }: Amounts, { half, split }: Rates): number {
  if (matrix && matrixFlops === flops) {
    return flops / half;
  }
  return matrix && split !== null ? matrixFlops / split : flops / gpu.f32;
}

const least = (gpu: Gpu, work: Amounts, rates: Rates): number =>
  Math.max(arithmetic(gpu, work, rates), work.bytes / gpu.bandwidth);

export function roofline(gpu: Gpu, { work, uploadedBytes, peakBytes }: Needs): Roofline {
  const seconds = (rates: Rates): number => work.reduce((sum, w) => sum + least(gpu, w, rates), 0);
  const dispatches = work.reduce((sum, w) => sum + w.dispatches, 0);
  const [low, high] = DISPATCH_SECONDS;
  return {
    gpu: gpu.name,
    memoryBytes: gpu.memory,
    fits: peakBytes <= gpu.memory,
    seconds: {
      f32: seconds({ half: gpu.f32, split: null }),
      f16: seconds({ half: gpu.f16, split: null }),
      tensor: gpu.tensor === null ? null : seconds(onMatrixUnits(gpu)),
    },
    dispatchSeconds: [low * dispatches, high * dispatches],
    uploadSeconds: uploadedBytes / gpu.host,
  };
}

/** The costs of each kernel in an iteration, the longest first. @param work the work of one iteration */
export function kernelTimes(gpu: Gpu, work: readonly Work[]): KernelTime[] {
  const rates = onMatrixUnits(gpu);
  const times = [...new Set(work.map(({ kernel }) => kernel))].map((kernel): KernelTime => {
    const uses = work.filter((w) => w.kernel === kernel);
    const sum = (of: (w: Work) => number): number => uses.reduce((n, w) => n + of(w), 0);
    const arithmeticSeconds = sum((w) => arithmetic(gpu, w, rates));
    const memorySeconds = sum((w) => w.bytes) / gpu.bandwidth;
    const dispatches = sum((w) => w.dispatches);
    const dispatchSeconds = dispatches * DISPATCH_SECONDS[0];
    const longest = Math.max(arithmeticSeconds, memorySeconds, dispatchSeconds);
    return {
      kernel,
      matrix: uses.some(({ matrix }) => matrix),
      flops: sum((w) => w.flops),
      matrixFlops: sum((w) => w.matrixFlops),
      bytes: sum((w) => w.bytes),
      dispatches,
      arithmeticSeconds,
      memorySeconds,
      leastSeconds: sum((w) => least(gpu, w, rates)),
      dispatchSeconds,
      bound: longest === dispatchSeconds ? 'dispatch' : longest === memorySeconds ? 'memory' : 'arithmetic',
    };
  });
  return times.sort((a, b) => longestOf(b) - longestOf(a));
}

const longestOf = ({ leastSeconds, dispatchSeconds }: KernelTime): number => Math.max(leastSeconds, dispatchSeconds);
