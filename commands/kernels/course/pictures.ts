/** The pictures of the course, by the names of their files in docs/kernels/images. */
import { dispatchPicture, panelPicture, productTilePicture } from './picture_basics.ts';
import { haloPicture, phasePicture, winogradPicture } from './picture_convolution.ts';
import { groupNormPicture, recomputePicture, softmaxPicture } from './picture_reductions.ts';

export const PICTURES: Readonly<Record<string, () => string>> = {
  dispatch: dispatchPicture,
  'product-tile': productTilePicture,
  panels: panelPicture,
  'convolution-halo': haloPicture,
  'gradient-phases': phasePicture,
  winograd: winogradPicture,
  'online-softmax': softmaxPicture,
  'attention-backward': recomputePicture,
  'group-norm': groupNormPicture,
};
