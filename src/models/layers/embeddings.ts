/**
 * Embeddings of the timestep and of SDXL's sizes. In one-step generators they are constants of the graph.
 * Source: diffusers/models/embeddings.py: Timesteps, TimestepEmbedding.
 */
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { Linear } from './basic.ts';

export interface TimestepsConfig {
  readonly flip_sin_to_cos: boolean;
  readonly freq_shift: number;
}

const MAX_PERIOD = 10000;

/** Returns the sinusoids of `timestep` as diffusers' get_timestep_embedding does: [1, channels], sines first unless flipped. */
export function timesteps(graph: Graph, timestep: number, channels: number, config: TimestepsConfig): Tensor {
  return graph.constant(sinusoids(timestep, channels, config), [1, channels]);
}

/** Returns the sinusoids of `timestep` as plain numbers. */
export function sinusoids(timestep: number, channels: number, config: TimestepsConfig): number[] {
  const half = Math.floor(channels / 2);
  // Rounded to f32 as there: at a few hundred radians, the rounding of the angle changes the result most.
  const { exp, fround, log } = Math;
  const rate = fround(-log(MAX_PERIOD));
  const angles = Array.from({ length: half }, (_, i) => {
    return fround(timestep * fround(exp(fround(fround(rate * i) / (half - config.freq_shift)))));
  });
  const sines = angles.map(Math.sin);
  const cosines = angles.map(Math.cos);
  const values = config.flip_sin_to_cos ? [...cosines, ...sines] : [...sines, ...cosines];
  return channels % 2 === 1 ? [...values, 0] : values;
}

export class TimestepEmbedding {
  readonly linear_1: Linear;
  readonly linear_2: Linear;

  constructor(w: WeightStore, inChannels: number, timeEmbedDim: number) {
    this.linear_1 = new Linear(w.sub('linear_1'), inChannels, timeEmbedDim);
    this.linear_2 = new Linear(w.sub('linear_2'), timeEmbedDim, timeEmbedDim);
  }

  /** [1,I] → [1,T] */
  forward(sample: Tensor): Tensor {
    return this.linear_2.forward(this.linear_1.forward(sample, { activation: 'silu' }));
  }
}
