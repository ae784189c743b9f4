/** The scalar head that ImageReward and LAION's aesthetic predictor share. */
import { add, linear, matmul, mul, reshape, sum } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { at } from '../../tensor/types.ts';
import type { WeightStore } from '../weights/weight_store.ts';
import { asF32 } from './tokens.ts';

/** Which entries of the MLP are linear; between them stand dropouts, which do nothing here. */
const MLP_LAYERS = [0, 2, 4, 6, 7] as const;

/** ImageReward's and the aesthetic predictor's head: linear layers `layers.{0,2,4,6,7}`, nothing between them. */
export class RewardMLP {
  readonly layers: readonly { readonly weight: Tensor; readonly bias: Tensor }[];

  /** Widths are the checkpoint's. @throws Error when the first layer does not take `inputs` values or the last has not 1. */
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
   * [B,C] → [B]. With no activations the layers are one linear map: its row and its constant are multiplied
   * out from the last layer to the first, which happens once per load.
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
