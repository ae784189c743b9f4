/** The noise that ReNO starts from, and the fresh draws of image selection. */

import type { Shape } from '../../tensor/types.ts';
import { sizeOf } from '../../tensor/types.ts';
import { normals } from './philox.ts';
import { TorchCpuGenerator } from './torch_cpu.ts';
import { torchCudaNormals } from './torch_cuda.ts';

export const NOISE_SOURCES = ['reno', 'torch-cpu', 'torch-cuda'] as const;

/**
 * The generator that makes noise from a seed. `reno`: one stream for each draw, equal on every machine. `torch-cpu`: f32
 * `torch.randn` of a CPU generator. `torch-cuda`: f16 `torch.randn` on a GPU, as the reference implementation draws it.
 */
export type NoiseSource = (typeof NOISE_SOURCES)[number];

/** The description of each source in history.json, from which a noise can be made again elsewhere. */
export const NOISE_GENERATORS: Readonly<Record<NoiseSource, string>> = {
  reno: 'philox4x32-10, box-muller, f32',
  'torch-cpu': 'torch.randn on the CPU (mt19937, AVX2), f32',
  'torch-cuda': 'torch.randn on CUDA (philox4x32-10, cuRAND), f16',
};

/**
 * Draw number `draw` of `seed`, row-major in `shape`. Draw 0 is the start of optimisation, and also the first candidate of
 * image selection, so that both begin with the same picture. Draws of PyTorch's generators are successive: draw n is the
 * result of the n+1-th `torch.randn(shape)` after `torch.manual_seed(seed)`.
 */
export function drawNoise(
  shape: Shape,
  seed: number,
  draw = 0,
  source: NoiseSource = 'reno',
): Float32Array<ArrayBuffer> {
  return noiseDraws(shape, seed, source)(draw);
}

/** The draws of one seed. A CPU generator continues after the last draw, so that draws in ascending order are made only once. */
export function noiseDraws(
  shape: Shape,
  seed: number,
  source: NoiseSource,
): (draw: number) => Float32Array<ArrayBuffer> {
  const count = sizeOf(shape);
  switch (source) {
    case 'reno':
      return (draw) => normals(count, seed, draw);
    case 'torch-cuda':
      return (draw) => torchCudaNormals(count, seed, { dtype: 'f16', draw });
    case 'torch-cpu': {
      let generator = new TorchCpuGenerator(seed);
      let next = 0;
      return (draw) => {
        if (draw < next) {
          generator = new TorchCpuGenerator(seed);
          next = 0;
        }
        for (; next < draw; next++) {
          generator.skip(count);
        }
        next = draw + 1;
        return generator.randn(count);
      };
    }
  }
}
