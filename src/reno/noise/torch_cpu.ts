/**
 * `torch.randn` in f32 as PyTorch's CPU generator makes it, bit for bit on x86 with AVX2 or AVX-512 (checked against
 * torch 2.13 on four million values, some of them in parity/noise.safetensors). Sources of the algorithm: ATen/core/MT19937RNGEngine.h,
 * ATen/core/DistributionsHelper.h, ATen/native/cpu/DistributionTemplates.h.
 *
 * Sixteen values or more: all uniforms first, then Box–Muller in blocks of sixteen in f32 with the logarithm, sine and
 * cosine of avx_mathfun.h, which `f32_math.ts` repeats with each rounding and each FMA that the compiler makes of it.
 * On a machine without AVX2 (Arm, or ATEN_CPU_CAPABILITY=default) PyTorch calls the C library instead: of a million values
 * 39% differed from these there, by 2.1e-6 at most.
 * Fewer than sixteen: Box–Muller in f64, value by value, with the JavaScript engine's log1p, sin and cos instead of the C library's;
 * both err by less than an ulp of f64, so that the f32 values differ only where f64 falls within 2^-29 of a tie.
 */
import { fma, logF32, sinCosF32 } from './f32_math.ts';
import { Mt19937 } from './mt19937.ts';

const f = Math.fround;
const TWO_PI_F32 = f(2 * Math.PI);
const BLOCK = 16;

/** The generator `torch.Generator('cpu').manual_seed(seed)`: successive draws continue one sequence. */
export class TorchCpuGenerator {
  readonly #engine: Mt19937;
  /** The second normal of a pair in f64, kept for the next short draw, even of another tensor. */
  #second: number | null = null;

  /** @param seed a whole number from 0 to 2^53 − 1; as in PyTorch, its lower 32 bits count */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RangeError(`the seed must be a whole number from 0 to 2^53 - 1, not ${seed}`);
    }
    this.#engine = new Mt19937(seed % 0x100000000);
  }

  /** `torch.randn(count)`, f32. */
  randn(count: number): Float32Array<ArrayBuffer> {
    const out = new Float32Array(count);
    if (count < BLOCK) {
      return out.map(() => this.#normal());
    }
    for (let i = 0; i < count; i++) {
      out[i] = this.#uniform();
    }
    for (let i = 0; i + BLOCK <= count; i += BLOCK) {
      boxMuller(out.subarray(i, i + BLOCK));
    }
    if (count % BLOCK !== 0) {
      // The last sixteen are drawn anew, over what was there.
      const last = out.subarray(count - BLOCK);
      for (let i = 0; i < BLOCK; i++) {
        last[i] = this.#uniform();
      }
      boxMuller(last);
    }
    return out;
  }

  /** Leaves the generator as `randn(count)` does, without making the values. */
  skip(count: number): void {
    if (count < BLOCK) {
      this.randn(count);
      return;
    }
    for (let i = count + (count % BLOCK === 0 ? 0 : BLOCK); i > 0; i--) {
      this.#engine.word();
    }
  }

  /** [0, 1) in steps of 2^-24. */
  #uniform(): number {
    return (this.#engine.word() & 0xffffff) * 2 ** -24;
  }

  /** [0, 1) in steps of 2^-53. */
  #uniform64(): number {
    const high = this.#engine.word() & 0x1fffff;
    return (high * 2 ** 32 + this.#engine.word()) * 2 ** -53;
  }

  #normal(): number {
    if (this.#second !== null) {
      const value = this.#second;
      this.#second = null;
      return value;
    }
    const angle = 2 * Math.PI * this.#uniform64();
    const radius = Math.sqrt(-2 * Math.log1p(-this.#uniform64()));
    this.#second = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

/** Sixteen uniforms to normals, in place: the first eight give radii, the last eight angles. */
function boxMuller(block: Float32Array): void {
  for (let i = 0; i < BLOCK / 2; i++) {
    const radius = f(Math.sqrt(f(-2 * logF32(f(1 - (block[i] ?? 0))))));
    const [sine, cosine] = sinCosF32(f(TWO_PI_F32 * (block[i + BLOCK / 2] ?? 0)));
    // times the standard deviation, plus the mean: makes +0 of −0
    block[i] = fma(f(radius * cosine), 1, 0);
    block[i + BLOCK / 2] = fma(f(radius * sine), 1, 0);
  }
}
