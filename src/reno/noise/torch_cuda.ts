/**
 * `torch.randn` as PyTorch's CUDA generator makes it: Philox4x32-10, one counter for each thread of the launch, and
 * cuRAND's Box–Muller. Sources of the algorithm: ATen/native/cuda/DistributionTemplates.h, curand_kernel.h and
 * curand_normal.h (CUDA 12).
 *
 * The random words and their layout are exact. Box–Muller runs on the GPU through `logf` (one ulp) and `__sincosf` (a
 * hardware approximation of about 2^-21), which cannot be repeated elsewhere: here it is computed in f64 and rounded, so
 * f32 values may differ in the last bits (by about 1e-6), and f16 values, as the reference implementation draws them,
 * only where such a difference crosses a tie (0.16% of them when the sine errs by 2^-21.4, simulated).
 */

import { f16BitsToF32, f32ToF16Bits } from '../../tensor/half.ts';
import { fma } from './f32_math.ts';
import { type Key, philox4x32 } from './philox.ts';

const f = Math.fround;
const TWO_POW_MINUS_32 = 2 ** -32;
/** cuRAND's constant: f32(2^-32)·f32(2π). */
const ANGLE_STEP = f(TWO_POW_MINUS_32 * f(2 * Math.PI));
const BLOCK = 256;

/**
 * The number of threads that an A100 runs at once: 108 multiprocessors of 2048 threads. PyTorch starts at most that many, and a
 * thread makes several values where there are more; up to that size, the values are the same on every GPU.
 */
export const A100_THREADS = 108 * 2048;

interface CudaDraw {
  /** f16: the f32 values rounded, as `torch.randn(…, dtype=torch.float16)`. */
  readonly dtype: 'f32' | 'f16';
  /** The number of earlier draws of the same count from the same generator. Default 0. */
  readonly draw?: number;
  /** Resident threads of the GPU, a multiple of 256. Default: an A100's. */
  readonly threads?: number;
}

/**
 * `torch.randn(count, device='cuda')` after `torch.manual_seed(seed)`.
 * @param seed a whole number from 0 to 2^53 − 1
 * @throws RangeError for a seed that is no such number
 */
export function torchCudaNormals(count: number, seed: number, options: CudaDraw): Float32Array<ArrayBuffer> {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`the seed must be a whole number from 0 to 2^53 - 1, not ${seed}`);
  }
  const { dtype, draw = 0 } = options;
  const key: Key = [seed % 0x100000000, Math.floor(seed / 0x100000000)];
  const threads = Math.min(options.threads ?? A100_THREADS, Math.ceil(count / BLOCK) * BLOCK);
  // Each turn of a thread takes one counter and makes four values, which lie `threads` apart.
  const turns = Math.ceil(count / (threads * 4));
  const out = new Float32Array(count);
  for (let turn = 0; turn < turns; turn++) {
    for (let thread = 0; thread < threads; thread++) {
      const first = turn * threads * 4 + thread;
      if (first >= count) {
        break;
      }
      const [a, b, c, d] = philox4x32([draw * turns + turn, 0, thread, 0], key);
      const four = first + 2 * threads < count ? [...boxMuller(a, b), ...boxMuller(c, d)] : boxMuller(a, b);
      four.forEach((value, i) => {
        const at = first + i * threads;
        if (at < count) {
          out[at] = value;
        }
      });
    }
  }
  return dtype === 'f16' ? out.map((value) => f16BitsToF32(f32ToF16Bits(value))) : out;
}

/** cuRAND gives the sine first. */
function boxMuller(x: number, y: number): [number, number] {
  const u = fma(f(x), TWO_POW_MINUS_32, TWO_POW_MINUS_32 / 2);
  const v = fma(f(y), ANGLE_STEP, ANGLE_STEP / 2);
  const radius = Math.sqrt(-2 * Math.log(u));
  return [f(radius * Math.sin(v)), f(radius * Math.cos(v))];
}
