/** The convolutional blocks that diffusers' UNets and autoencoders share. Source: diffusers/models/resnet.py: ResnetBlock2D. */
import { add, cast, reshape, silu, slice, upsampleConv2d, upsampleNearest } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { Conv2d, GroupNorm, Linear } from './basic.ts';

interface ResnetConfig {
  readonly in_channels: number;
  readonly out_channels: number;
  readonly groups: number;
  readonly eps: number;
  /** Width of the time embedding; null in autoencoders. */
  readonly temb_channels: number | null;
}

export class ResnetBlock2D {
  readonly #w: WeightStore;
  readonly norm1: GroupNorm;
  readonly conv1: Conv2d;
  readonly time_emb_proj: Linear | null;
  readonly norm2: GroupNorm;
  readonly conv2: Conv2d;
  readonly conv_shortcut: Conv2d | null;

  constructor(w: WeightStore, config: ResnetConfig) {
    const { in_channels, out_channels, groups, eps, temb_channels } = config;
    this.#w = w;
    this.norm1 = new GroupNorm(w.sub('norm1'), groups, in_channels, eps);
    this.conv1 = new Conv2d(w.sub('conv1'), in_channels, out_channels, 3);
    this.time_emb_proj =
      temb_channels === null ? null : new Linear(w.sub('time_emb_proj'), temb_channels, out_channels);
    this.norm2 = new GroupNorm(w.sub('norm2'), groups, out_channels, eps);
    this.conv2 = new Conv2d(w.sub('conv2'), out_channels, out_channels, 3);
    this.conv_shortcut =
      in_channels === out_channels ? null : new Conv2d(w.sub('conv_shortcut'), in_channels, out_channels, 1);
  }

  /** [N,H,W,I] → [N,H,W,O]. `temb` is [1,T] for the whole batch, or has a row for each picture. */
  forward(x: Tensor, temb: Tensor | null): Tensor {
    return this.#w.scope(() => {
      // 1. Norm, SiLU, convolution, time embedding. 2. Norm, SiLU.
      const hidden = this.norm2.forward(this.#timed(this.norm1.forward(x, true), temb), true);
      // 3. Convolution and residual.
      return this.conv2.forward(hidden, { residual: this.conv_shortcut ? this.conv_shortcut.forward(x) : x });
    });
  }

  /** Returns conv1's result plus the time embedding. As a part of the bias it costs a step nothing; a batch of embeddings is added. */
  #timed(x: Tensor, temb: Tensor | null): Tensor {
    const { bias } = this.conv1;
    if (!this.time_emb_proj || !temb || !bias) {
      return this.conv1.forward(x);
    }
    const projected = this.time_emb_proj.forward(silu(temb));
    const [rows, channels] = [projected.dim(0), projected.dim(-1)];
    if (rows === 1) {
      return this.conv1.forward(x, {}, add(reshape(projected, [channels]), bias));
    }
    const each = reshape(projected, [rows, 1, 1, channels]);
    const hidden = this.conv1.forward(x);
    return add(hidden, hidden.dtype === 'f16' ? cast(each, 'f16') : each);
  }
}

/** Source: diffusers/models/downsampling.py: Downsample2D. */
export class Downsample2D {
  readonly #w: WeightStore;
  readonly conv: Conv2d;

  constructor(w: WeightStore, channels: number) {
    this.#w = w;
    this.conv = new Conv2d(w.sub('conv'), channels, channels, 3, { stride: 2, padding: 1 });
  }

  /** [N,H,W,C] → half the size, [N,H',W',C] */
  forward(x: Tensor): Tensor {
    return this.#w.scope(() => this.conv.forward(x));
  }
}

/** Source: diffusers/models/upsampling.py: Upsample2D. */
export class Upsample2D {
  readonly #w: WeightStore;
  readonly conv: Conv2d;

  constructor(w: WeightStore, channels: number) {
    this.#w = w;
    this.conv = new Conv2d(w.sub('conv'), channels, channels, 3);
  }

  /**
   * [N,H,W,C] → twice the size, or [height, width] where that is one less (a level of odd size). Nearest
   * interpolation to 2n-1 is the first 2n-1 of the 2n: floor(i·n/(2n-1)) = floor(i/2) for every i < 2n-1. The
   * convolution sees zeros behind the cut.
   */
  forward(x: Tensor, size?: readonly [height: number, width: number]): Tensor {
    return this.#w.scope(() => {
      const [n, h, w, c] = [x.dim(0), x.dim(1), x.dim(2), x.dim(3)];
      const [height, width] = size ?? [2 * h, 2 * w];
      return height === 2 * h && width === 2 * w
        ? upsampleConv2d(x, 2, this.conv.weight, this.conv.bias)
        : this.conv.forward(slice(upsampleNearest(x, 2), [0, 0, 0, 0], [n, height, width, c]));
    });
  }
}
