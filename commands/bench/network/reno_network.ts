/** The iteration by this project's models: loss 1 − cosine of picture and text, and its gradient at the latents. */

import { affine, clamp, l2Normalize, mul, reshape, slice, sub, sum } from '../../../src/kernels/index.ts';
import { readConfig } from '../../../src/models/checkpoint/read_config.ts';
import { CLIPVisionModelWithProjection, clipVisionConfig } from '../../../src/models/clip/clip_vision.ts';
import { readUNet2DConditionConfig, UNet2DConditionModel } from '../../../src/models/unet/unet_2d_condition.ts';
import {
  AUTOENCODER_KL_ALIASES,
  AUTOENCODER_KL_ENCODER,
  AutoencoderKL,
  readAutoencoderKLConfig,
} from '../../../src/models/vae/autoencoder_kl.ts';
import type { WeightStore } from '../../../src/models/weights/weight_store.ts';
import { openWeights } from '../../../src/models/weights/weight_store.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';
import { preprocess } from '../../../src/reno/rewards/preprocess.ts';
import { Graph } from '../../../src/tensor/graph.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { gradients } from '../../../src/tensor/vjp.ts';
import type { Network, Row } from '../row.ts';
import { TIMESTEP } from './measured_networks.ts';

const DIFFUSERS = 'diffusion_pytorch_model';

export interface TracedIteration {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly weights: readonly WeightStore[];
}

export async function traceIteration(row: Row, network: Network): Promise<TracedIteration> {
  const graph = new Graph();
  const { latents: shape = [], context = [], text = [] } = row.inputs;
  const [batch = 1] = shape;
  const [unetFiles, vaeFiles, clipFiles] = [network.unet, network.vae, network.clip].map(nodeFiles);
  if (!unetFiles || !vaeFiles || !clipFiles) {
    throw new Error('a network has three folders');
  }
  const storage = 'f32';
  const unetWeights = await openWeights(graph, unetFiles, DIFFUSERS, { name: 'unet', storage });
  const vaeOptions = { name: 'vae', aliases: AUTOENCODER_KL_ALIASES, ignore: AUTOENCODER_KL_ENCODER, storage } as const;
  const vaeWeights = await openWeights(graph, vaeFiles, DIFFUSERS, vaeOptions);
  const clipWeights = await openWeights(graph, clipFiles, 'model', { name: 'clip', storage });
  const unet = new UNet2DConditionModel(unetWeights, readUNet2DConditionConfig(await readConfig(unetFiles)));
  const vae = new AutoencoderKL(vaeWeights, readAutoencoderKLConfig(await readConfig(vaeFiles)));
  const clipFile = await readConfig(clipFiles);
  const vision = clipVisionConfig(clipFile.section('vision_config'));
  const clip = new CLIPVisionModelWithProjection(clipWeights, vision, text[1] ?? 1);

  const latents = graph.input('latents', shape, 'step');
  const x0 = sub(latents, unet.forward(latents, TIMESTEP, graph.input('context', context, 'prompt')));
  const image = clamp(affine(vae.decode(vae.unscale(x0)), 0.5, 0.5), 0, 1);
  const size = vision.image_size;
  const edge = (image.dim(1) - size) / 2;
  const cropped = edge === 0 ? image : slice(image, [0, edge, edge, 0], [batch, size, size, 3]);
  const features = l2Normalize(clip.forward(preprocess(cropped, size)));
  const cosine = sum(mul(features, l2Normalize(graph.input('text', text, 'prompt'))));
  const loss = affine(cosine, -1, batch);
  const [gradient] = gradients(loss, [latents]);
  return { outputs: { loss: reshape(loss, [1]), gradient }, weights: [unetWeights, vaeWeights, clipWeights] };
}
