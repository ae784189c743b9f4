/**
 * The independent judge of the pocket scenes: a plain CNN whose config.json lists its layers as data. src/reno/scene/verdict.ts
 * says what the channels of its grid mean. Source: python/pocket/evaluator.py: Evaluator.
 */
import { affine, conv2d, groupNorm, relu, silu } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Config } from '../checkpoint/config.ts';
import type { WeightStore } from '../weights/weight_store.ts';

type LayerFunction = (x: Tensor) => Tensor;

export class Evaluator {
  readonly #size: number;
  readonly #layers: readonly LayerFunction[];

  /** @throws Error naming the layer when its type is unknown or a weight does not fit */
  constructor(w: WeightStore, config: Config) {
    this.#size = config.section('input').count('size');
    const layers = config.value('layers');
    if (!Array.isArray(layers) || layers.length === 0) {
      config.fail('layers', 'must be a list of layers');
    }
    const sections = layers.map((layer, i) => new Config(`${config.file} (layers[${i}])`, layer));
    this.#layers = sections.flatMap((layer, i) => layerOf(w, layer, sections[i + 1], sections[i - 1]));
  }

  /** image [N,S,S,3] in [0,1] → grid of logits [N,h,w,channels] */
  forward(image: Tensor): Tensor {
    const size = this.#size;
    if (image.dim(1) !== size || image.dim(2) !== size) {
      throw new Error(`the evaluator takes ${size}×${size} pixels, the image has ${image.dim(2)}×${image.dim(1)}`);
    }
    return this.#layers.reduce((x, layer) => layer(x), affine(image, 2, -1));
  }
}

const KINDS = ['conv2d', 'group_norm', 'silu', 'relu'] as const;
type Kind = (typeof KINDS)[number];
const kindOf = (layer: Config): Kind => layer.oneOf('type', KINDS);

/** Returns the functions of one layer: none for a SiLU after a group norm, which is part of the norm. */
function layerOf(w: WeightStore, layer: Config, next?: Config, before?: Config): LayerFunction[] {
  switch (kindOf(layer)) {
    case 'conv2d': {
      const own = w.sub(layer.string('name'));
      const [input, output, kernel] = [layer.count('in'), layer.count('out'), layer.count('kernel')];
      const weight = own.get('weight', [output, input, kernel, kernel]);
      const bias = own.get('bias', [output]);
      const options = { stride: layer.count('stride', 1), padding: layer.number('padding', 0) };
      return [(x) => conv2d(x, weight, bias, options)];
    }
    case 'group_norm': {
      const own = w.sub(layer.string('name'));
      const channels = layer.count('channels');
      const [weight, bias] = [own.get('weight', [channels]), own.get('bias', [channels])];
      const fused = next !== undefined && kindOf(next) === 'silu';
      const options = { groups: layer.count('groups'), eps: layer.number('eps', 1e-5), silu: fused };
      return [(x) => groupNorm(x, weight, bias, options)];
    }
    case 'silu':
      return before !== undefined && kindOf(before) === 'group_norm' ? [] : [silu];
    case 'relu':
      return [relu];
  }
}
