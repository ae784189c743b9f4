/** Every op of the engine, by the name models use. Importing this registers them all. */

export { attention, crossAttention, selfAttention } from './attention/attention.ts';
export { concat } from './concat.ts';
export { conv2d } from './conv2d/conv2d.ts';
export * from './elementwise/binary.ts';
export * from './elementwise/broadcast_to.ts';
export * from './elementwise/cast.ts';
export * from './elementwise/select.ts';
export * from './elementwise/unary.ts';
export { embedding } from './embedding.ts';
export { geglu } from './geglu.ts';
export { groupNorm } from './group_norm/group_norm.ts';
export { inHalf } from './half_region.ts';
export { l2Normalize } from './l2_normalize.ts';
export { layerNorm } from './layer_norm.ts';

import './layer_norm_linear.ts';
import './linear_layer_norm_backward.ts';
import './linear_geglu_backward.ts';

export { linear, matmul } from './matmul/matmul.ts';
export { max, mean, sum } from './reduce/reduce.ts';
export { reshape } from './reshape.ts';
export { resizeBicubic } from './resize_bicubic.ts';
export { rmsNorm } from './rms_norm.ts';
export { rotaryEmbedding } from './rotary_embedding.ts';
export { pad, slice } from './slice_pad.ts';
export { softmax } from './softmax.ts';
export { transpose } from './transpose.ts';
export { upsampleConv2d } from './upsample_conv2d.ts';
export { upsampleNearest } from './upsample_nearest.ts';
