import { describe, expect, it } from 'vitest';
import { type Counter, type Key, normals, philox4x32 } from '../../../src/reno/noise/philox.ts';

// Known answers of Random123's tests/kat_vectors, philox4x32 with 10 rounds.
const known: [Counter, Key, number[]][] = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

describe('philox4x32', () => {
  it.each(known)('gives the published words of counter %j', (counter, key, words) => {
    expect(philox4x32(counter, key)).toEqual(words);
  });
});

describe('normals', () => {
  it('has the moments of a standard normal', () => {
    const n = 1 << 18;
    const x = Float64Array.from(normals(n, 7));
    const moment = (k: number): number => x.reduce((s, v) => s + v ** k, 0) / n;
    // Standard errors: 1/√n = 0.002, √(2/n) = 0.0028, √(15/n) = 0.0076, √(96/n) = 0.019. Five of each.
    expect(Math.abs(moment(1))).toBeLessThan(0.01);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.014);
    expect(Math.abs(moment(3))).toBeLessThan(0.038);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.1);
    const neighbours = x.reduce((s, v, i) => s + v * (x[(i + 1) % n] ?? 0), 0) / n;
    expect(Math.abs(neighbours)).toBeLessThan(0.01);
  });

  it('depends on seed and stream only, and a shorter draw is a prefix', () => {
    const long = normals(1000, 3, 1);
    expect(normals(1000, 3, 1)).toEqual(long);
    expect(normals(13, 3, 1)).toEqual(long.slice(0, 13));
    for (const other of [normals(1000, 3, 2), normals(1000, 4, 1), normals(1000, 3 + 2 ** 32, 1)]) {
      const correlation = other.reduce((s, v, i) => s + v * (long[i] ?? 0), 0) / 1000;
      expect(Math.abs(correlation)).toBeLessThan(0.16);
    }
  });

  it('refuses what is no seed', () => {
    expect(() => normals(1, -1)).toThrow('the seed must be a whole number');
    expect(() => normals(1, 1.5)).toThrow('the seed must be a whole number');
    expect(() => normals(1, 0, Number.NaN)).toThrow('the stream must be a whole number');
  });
});
