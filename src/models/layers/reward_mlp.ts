/**
 * The scalar head that ImageReward and LAION's aesthetic predictor share.
 * Source: ImageReward/ImageReward.py: MLP; improved-aesthetic-predictor/simple_inference.py: MLP.
 */
import { add, linear, matmul, mul, reshape, sum } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { asF32 } from './tokens.ts';

/** Indices of the linear layers in the checkpoint's Sequential. The others are dropouts, which do nothing in inference. */
const MLP_LAYERS = [0, 2, 4, 6, 7] as const;

/** Linear layers `layers.{0,2,4,6,7}` without activations. */
export class RewardMLP {
  readonly layers: readonly { readonly weight: Tensor; readonly bias: Tensor }[];

  /** Reads the widths from the checkpoint. @throws Error when the first layer does not take `inputs` values or the last has not one output */
  constructor(w: WeightStore, inputs: number) {
    let width = inputs;
    this.layers = MLP_LAYERS.map((name) => {
      const layer = w.sub('layers', name);
      const outputs = name === 7 ? 1 : at(layer.shapeOf('weight'), 0);
      const weight = layer.get('weight', [outputs, width]);
      width = outputs;
      return { weight, bias: layer.get('bias', [outputs]) };
    });
  }

  /**
   * [B,C] → [B]. Without activations the layers are one linear map. Its row and its constant are multiplied out from the
   * last layer to the first, once per load.
   */
  forward(x: Tensor): Tensor {
    const [last, ...before] = [...this.layers].reverse();
    if (!last) {
      throw new Error('the reward MLP has no layers');
    }
    let row = asF32(last.weight);
    let constant = asF32(last.bias);
    for (const { weight, bias } of before) {
      constant = add(constant, sum(mul(row, bias), [1]));
      row = matmul(row, weight);
    }
    return reshape(linear(x, row, constant), [x.dim(0)]);
  }
}
