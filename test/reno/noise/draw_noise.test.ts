/** Noise as PyTorch makes it: its CPU generator against values torch made, its CUDA generator against published ones. */
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { bytesSource } from '../../../src/models/checkpoint/byte_source.ts';
import { openSafetensors, type SafetensorsFile } from '../../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { drawNoise, NOISE_SOURCES, noiseDraws } from '../../../src/reno/noise/draw_noise.ts';
import { fma, logF32, sinCosF32 } from '../../../src/reno/noise/f32_math.ts';
import { Mt19937 } from '../../../src/reno/noise/mt19937.ts';
import { normals, philox4x32 } from '../../../src/reno/noise/philox.ts';
import { TorchCpuGenerator } from '../../../src/reno/noise/torch_cpu.ts';
import { A100_THREADS, torchCudaNormals } from '../../../src/reno/noise/torch_cuda.ts';
import { promptNoise } from '../../../src/reno/tasks/tasks.ts';
import { f32ToF16Bits } from '../../../src/tensor/half.ts';
import { at } from '../../../src/tensor/types.ts';

const bits = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);

describe('Mt19937', () => {
  it("gives the authors' words", () => {
    // mt19937ar.c seeds with 5489 unless told otherwise; the 10,000th word of that is fixed by the C++ standard.
    const engine = new Mt19937(5489);
    expect([engine.word(), engine.word(), engine.word()]).toEqual([3499211612, 581869302, 3890346734]);
    for (let i = 3; i < 9999; i++) {
      engine.word();
    }
    expect(engine.word()).toBe(4123659995);
  });
});

describe('f32 arithmetic', () => {
  /** The exact a·b + c as a fraction over a power of two, rounded to f32 by integer arithmetic alone. */
  function exactFma(a: number, b: number, c: number): number {
    const parts = (x: number): [bigint, number] => {
      let e = 0;
      while (!Number.isInteger(x)) {
        x *= 2;
        e -= 1;
      }
      return [BigInt(x), e];
    };
    const [[ma, ea], [mb, eb], [mc, ec]] = [parts(a), parts(b), parts(c)];
    const e = Math.min(ea + eb, ec);
    const sum = ((ma * mb) << BigInt(ea + eb - e)) + (mc << BigInt(ec - e));
    const size = sum < 0n ? -sum : sum;
    const drop = Math.max(0, size.toString(2).length - 24);
    const half = drop > 0 ? 1n << BigInt(drop - 1) : 0n;
    const kept = size >> BigInt(drop);
    const rest = size - (kept << BigInt(drop));
    const up = drop > 0 && (rest > half || (rest === half && (kept & 1n) === 1n)) ? 1n : 0n;
    return (sum < 0n ? -1 : 1) * Number(kept + up) * 2 ** (e + drop);
  }

  it('fma rounds once, on ties of f64 too', () => {
    // 4097² = 2^24 + 2^13 + 1 is a tie of f32, which 2^-40 decides and f64 loses.
    expect(fma(1 + 2 ** -12, 2 ** -12, 1)).toBe(exactFma(1 + 2 ** -12, 2 ** -12, 1));
    expect(fma(4097, 4097, 2 ** -20)).toBe(exactFma(4097, 4097, 2 ** -20));
    expect(fma(4097, 4097, 2 ** -40)).toBe(exactFma(4097, 4097, 2 ** -40));
    expect(fma(4097, 4097, -(2 ** -40))).toBe(exactFma(4097, 4097, -(2 ** -40)));
    expect(fma(4097, -4097, 2 ** -40)).toBe(exactFma(4097, -4097, 2 ** -40));
    expect(Math.fround(4097 * 4097 + 2 ** -40)).not.toBe(fma(4097, 4097, 2 ** -40));
    const values = normals(3000, 1);
    for (let i = 0; i < 1000; i++) {
      const [a, b, c] = [at(values, 3 * i), at(values, 3 * i + 1), at(values, 3 * i + 2)];
      expect(fma(a, b, c)).toBe(exactFma(a, b, c));
    }
  });

  it('log, sin and cos are right to two units in the last place', () => {
    for (let i = 1; i < 2000; i++) {
      const [u, angle] = [Math.fround(i / 2000), Math.fround((i * 2 * Math.PI) / 2000)];
      const [sine, cosine] = sinCosF32(angle);
      expect(Math.abs(logF32(u) - Math.log(u))).toBeLessThan(2 ** -23 * Math.max(2 ** -3, -Math.log(u)));
      expect(Math.abs(sine - Math.sin(angle))).toBeLessThan(2 ** -23);
      expect(Math.abs(cosine - Math.cos(angle))).toBeLessThan(2 ** -23);
    }
    expect(logF32(1)).toBe(0);
    expect(sinCosF32(0)).toEqual([0, 1]);
  });
});

describe('torch.randn on the CPU', () => {
  let file: SafetensorsFile;
  beforeAll(async () => {
    const path = new URL('../../../parity/noise.safetensors', import.meta.url);
    file = await openSafetensors(bytesSource('noise.safetensors', await readFile(path)));
  });

  it.each([0, 1, 42, 2 ** 32 - 1, 2 ** 32 + 7, 2 ** 53 - 1])(
    'is repeated bit for bit, draw after draw, for seed %d',
    async (seed) => {
      const expected = await readFloats(file, `draws.${seed}`);
      const sizes = (file.metadata.sizes ?? '').split(',').map(Number);
      expect(sizes).toEqual([5, 16, 17, 3, 512, 1]);
      const generator = new TorchCpuGenerator(seed);
      const drawn = Float32Array.from(sizes.flatMap((n) => [...generator.randn(n)]));
      expect(bits(drawn)).toEqual(bits(expected));
    },
  );

  it('is repeated bit for bit at the size of a latent', async () => {
    const noise = drawNoise([1, 4, 64, 64], 42, 0, 'torch-cpu');
    expect(bits(noise)).toEqual(bits(await readFloats(file, 'latents.42')));
  });

  it('is left by a skipped draw as by a real one', () => {
    for (const count of [5, 16, 17]) {
      const [drawing, skipping] = [new TorchCpuGenerator(3), new TorchCpuGenerator(3)];
      drawing.randn(count);
      skipping.skip(count);
      expect(skipping.randn(40)).toEqual(drawing.randn(40));
    }
  });

  it('refuses what is no seed', () => {
    expect(() => new TorchCpuGenerator(-1)).toThrow('the seed must be a whole number from 0 to 2^53 - 1, not -1');
    expect(() => torchCudaNormals(1, 0.5, { dtype: 'f32' })).toThrow('the seed must be a whole number');
  });
});

describe('torch.randn on CUDA', () => {
  // torch.manual_seed(0); torch.randn(8, 8, device='cuda') as users' notebooks print it, to four decimals.
  const published = [
    [-0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797, -0.6229, -0.3284],
    [-1.0745, -0.3631, -1.6711, 2.2655, 0.3117, -0.1842, 1.2866, 1.182],
    [-0.1271, 1.2169, 1.4353, 1.0605, -0.4941, -1.4244, -0.7244, -1.2973],
    [0.0697, -0.0074, 1.8969, 0.6878, -0.0779, -0.8373, 1.3506, -0.2879],
    [-0.5965, -0.3283, -0.9086, -0.8059, -0.7407, -0.0504, 0.5435, 1.515],
    [0.0141, 0.4532, 1.6349, 0.7124, -0.1806, 1.0252, -1.4622, -0.7554],
    [-0.1836, 0.3824, 0.3918, -0.083, 0.8971, -1.1123, 0.1116, 0.4863],
    [-0.5499, -0.3231, -0.5469, 0.9049, 0.2837, 0.121, 0.473, -1.0823],
  ].flat();

  it('gives the published values of seed 0', () => {
    const drawn = torchCudaNormals(64, 0, { dtype: 'f32' });
    drawn.forEach((value, i) => {
      expect(Math.abs(value - at(published, i))).toBeLessThan(0.5001e-4);
    });
  });

  it('takes one counter for each thread: seed, thread and turn are key, subsequence and offset', () => {
    // 600 values: 768 threads, one turn; a second draw is the next turn. Sine first, of the first two words.
    const seed = 5 * 2 ** 32 + 9;
    for (const draw of [0, 3]) {
      const values = torchCudaNormals(600, seed, { dtype: 'f32', draw });
      for (const thread of [0, 1, 599]) {
        const [a, b] = philox4x32([draw, 0, thread, 0], [9, 5]);
        const radius = Math.sqrt(-2 * Math.log((a + 0.5) * 2 ** -32));
        expect(at(values, thread)).toBeCloseTo(radius * Math.sin((b + 0.5) * 2 ** -32 * 2 * Math.PI), 5);
      }
    }
  });

  it('lays the four values of a thread as far apart as there are threads', () => {
    // On a GPU of 512 threads, 5000 values are three turns of 2048.
    const values = torchCudaNormals(5000, 7, { dtype: 'f32', draw: 2, threads: 512 });
    for (const [turn, thread] of [
      [0, 0],
      [1, 511],
      [2, 100],
    ] as const) {
      const words = philox4x32([2 * 3 + turn, 0, thread, 0], [7, 0]);
      for (const i of [0, 1, 2, 3]) {
        const index = turn * 2048 + i * 512 + thread;
        const pair = i < 2 ? 0 : 2;
        const radius = Math.sqrt(-2 * Math.log((at(words, pair) + 0.5) * 2 ** -32));
        const angle = (at(words, pair + 1) + 0.5) * 2 ** -32 * 2 * Math.PI;
        if (index < 5000) {
          expect(at(values, index)).toBeCloseTo(radius * (i % 2 === 0 ? Math.sin(angle) : Math.cos(angle)), 5);
        }
      }
    }
    expect(A100_THREADS).toBe(221184);
  });

  it('rounds to f16, as the reference draws it', () => {
    const half = torchCudaNormals(300, 1, { dtype: 'f16' });
    const full = torchCudaNormals(300, 1, { dtype: 'f32' });
    expect(drawNoise([300], 1, 0, 'torch-cuda')).toEqual(half);
    expect(Array.from(half, f32ToF16Bits)).toEqual(Array.from(full, f32ToF16Bits));
    expect(half).not.toEqual(full);
  });

  it('has the moments of a standard normal over a latent that needs several values of a thread', () => {
    const n = 1 << 16;
    const x = Float64Array.from(torchCudaNormals(n, 3, { dtype: 'f32', threads: 4096 }));
    const moment = (k: number): number => x.reduce((s, v) => s + v ** k, 0) / n;
    // Five standard errors: 1/√n, √(2/n), √(96/n).
    expect(Math.abs(moment(1))).toBeLessThan(0.02);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.028);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.2);
  });
});

describe('draws of a seed', () => {
  it.each(NOISE_SOURCES)('of %s are the same in any order, and differ', (source) => {
    const draws = noiseDraws([2, 9], 4, source);
    const [first, second, third] = [draws(0), draws(1), draws(2)];
    expect(draws(1)).toEqual(second);
    expect(drawNoise([2, 9], 4, 2, source)).toEqual(third);
    expect(draws(0)).toEqual(first);
    expect(second).not.toEqual(first);
    expect(third).not.toEqual(second);
  });

  it("are successive torch.randn of PyTorch's generators", () => {
    const generator = new TorchCpuGenerator(4);
    generator.randn(18);
    expect(drawNoise([2, 9], 4, 1, 'torch-cpu')).toEqual(generator.randn(18));
  });

  it('of a list of prompts: one seed each, or one generator for all as in the reference', () => {
    const settings = { noise: 'torch-cuda', mode: 'reno', nIters: 50 } as const;
    expect(promptNoise({ ...settings, noise: 'reno' }, 3, 5)).toEqual({ seed: 3 * 2 ** 20 + 5, draw: 0 });
    expect(promptNoise(settings, 3, 5)).toEqual({ seed: 3, draw: 5 });
    expect(promptNoise({ ...settings, mode: 'imageselect' }, 3, 5)).toEqual({ seed: 3, draw: 256 });
  });
});
