/** Embeddings of the timestep and of SDXL's sizes. One-step generators know these when tracing. */
import type { Graph } from '../../tensor/graph.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { Linear } from './basic.ts';

export interface TimestepsConfig {
  readonly flip_sin_to_cos: boolean;
  readonly freq_shift: number;
}

const MAX_PERIOD = 10000;

/** Sinusoids of `timestep` as diffusers' get_timestep_embedding makes them: [1, channels], sine half first unless flipped. */
export function timesteps(graph: Graph, timestep: number, channels: number, config: TimestepsConfig): Tensor {
  return graph.constant(sinusoids(timestep, channels, config), [1, channels]);
}

/** The same as plain numbers. */
export function sinusoids(timestep: number, channels: number, config: TimestepsConfig): number[] {
  const half = Math.floor(channels / 2);
  // In f32 as there: at a few hundred radians, an angle's rounding is what is most seen of a difference in precision.
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
