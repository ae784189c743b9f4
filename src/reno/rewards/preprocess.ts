/** The preprocessing of all rewards: shorter side to the reward's size, centre crop, normalise. Differentiable. */
import { div, resizeBicubic, slice, sub } from '../../kernels/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** CLIP's mean and standard deviation of RGB in [0,1]; ImageReward uses the same. */
const MEAN = [0.48145466, 0.4578275, 0.40821073];
const STD = [0.26862954, 0.26130258, 0.27577711];

/**
 * torchvision's Resize(size, BICUBIC, antialias) → CenterCrop(size) → Normalize, as the ReNO reference does it:
 * no clamp after the resize. image [N,H,W,3] in [0,1] → [N,size,size,3]. Two rewards of one size share the nodes.
 */
export function preprocess(image: Tensor, size: number): Tensor {
  return normalize(centreCrop(resizeShorterSide(image, size), size));
}

/** The longer side keeps the aspect ratio, rounded down as torchvision does. */
function resizeShorterSide(image: Tensor, size: number): Tensor {
  const [height, width] = [image.dim(1), image.dim(2)];
  const shorter = Math.min(height, width);
  if (shorter === size) {
    return image;
  }
  const scaled = (side: number): number => (side === shorter ? size : Math.floor((size * side) / shorter));
  return resizeBicubic(image, scaled(height), scaled(width));
}

function centreCrop(image: Tensor, size: number): Tensor {
  const [n, height, width, channels] = [image.dim(0), image.dim(1), image.dim(2), image.dim(3)];
  if (height === size && width === size) {
    return image;
  }
  const start = (side: number): number => roundHalfToEven((side - size) / 2);
  return slice(image, [0, start(height), start(width), 0], [n, size, size, channels]);
}

/** Python's round(), which torchvision uses for the crop's corner. */
function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  return x - below === 0.5 ? below + (below % 2) : Math.round(x);
}

function normalize(image: Tensor): Tensor {
  const { graph } = image;
  return div(sub(image, graph.constant(MEAN, [3])), graph.constant(STD, [3]));
}
