/** Seeded values for the inputs of test cases. */
import { f16BitsToF32, f32ToF16Bits } from '../../tensor/half.ts';
import type { CaseInput } from '../../tensor/op_case.ts';
import { sizeOf } from '../../tensor/types.ts';

/** Returns numbers uniform in [0, 1), the same everywhere. Source: mulberry32, a generator of 32 bits of state in the public domain. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal numbers, by Box and Muller's method. */
export function normal(seed: number): () => number {
  const next = uniform(seed);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** Values for a case's input, rounded to what its dtype can hold so that CPU and GPU start equal. */
export function fill(input: CaseInput, seed: number): Float64Array {
  const next = uniform(seed);
  const gauss = normal(seed);
  const scale = input.scale ?? 1;
  const size = sizeOf(input.shape);
  const draw = (i: number): number => {
    switch (input.fill ?? (input.dtype === 'i32' ? 'ids' : 'normal')) {
      case 'positive':
        return scale * (0.1 + next());
      case 'unit':
        return scale * next();
      case 'ids':
        return Math.floor(next() * (input.below ?? 2));
      case 'mask':
        return next() < 0.7 ? 1 : 0;
      case 'rising':
        return scale * gauss() * 10 ** ((12 * i) / size - 6);
      default:
        return scale * gauss();
    }
  };
  const round = input.dtype === 'f16' ? (v: number) => f16BitsToF32(f32ToF16Bits(v)) : Math.fround;
  return Float64Array.from({ length: size }, (_, i) => round(draw(i)));
}
