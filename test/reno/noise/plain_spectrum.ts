/** The compact spectrum of src/reno/noise/spectrum.ts by the definition of the Fourier transform, in f64. */
import { at } from '../../../src/tensor/types.ts';

/** Returns N/2 complex values of N real ones. */
export function plainSpectrum(x: ArrayLike<number>): [re: number, im: number][] {
  const n = x.length;
  const transform = (k: number): [number, number] => {
    let [re, im] = [0, 0];
    for (let i = 0; i < n; i++) {
      const angle = (2 * Math.PI * ((k * i) % n)) / n;
      re += at(x, i) * Math.cos(angle);
      im -= at(x, i) * Math.sin(angle);
    }
    return [re / Math.sqrt(n), im / Math.sqrt(n)];
  };
  const first: [number, number] = [transform(0)[0] / Math.SQRT2, transform(n / 2)[0] / Math.SQRT2];
  return [first, ...Array.from({ length: n / 2 - 1 }, (_, k) => transform(k + 1))];
}
