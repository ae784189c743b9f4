/**
 * What an iteration is measured on: UNet, decoder and CLIP image encoder, in the public layout. The pocket models, and SD-Turbo's
 * own architecture with a quarter of the channels, seeded, for a picture of 128² (its CLIP has a ViT-H's 257 tokens).
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { writeSafetensors } from '../../../src/models/checkpoint/safetensors/write_safetensors.ts';
import { sizeOf } from '../../../src/tensor/types.ts';
import type { Network, Row } from '../row.ts';
import { seeded } from '../row.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const POCKET = join(ROOT, 'weights', 'pocket');
const NAMES = join(ROOT, 'weights', 'published', 'networks');
const QUARTER = join(ROOT, '.reno', 'bench', 'quarter');

/** The timestep of a one-step generator: x0 = z − prediction. */
export const TIMESTEP = 999;

interface Table {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: readonly (readonly [name: string, shape: readonly number[]])[];
}

const tableOf = (name: string): Table =>
  JSON.parse(gunzipSync(readFileSync(join(NAMES, `${name}.json.gz`))).toString()) as Table;

/** Widths are divided by four; channels of a picture or latent, kernels and positions are not. */
const quarter = (shape: readonly number[]): number[] => shape.map((d) => (d >= 128 && d !== 257 ? d / 4 : d));

const CLIP_LAYERS = 12;
const VISION = { hidden_size: 320, intermediate_size: 1280, num_hidden_layers: CLIP_LAYERS, num_attention_heads: 5 };
const PICTURE = { image_size: 128, patch_size: 8, num_channels: 3, hidden_act: 'gelu', layer_norm_eps: 1e-5 };

/** @returns the folders; written once */
function quarterSize(): Network {
  const network = { unet: join(QUARTER, 'unet'), vae: join(QUARTER, 'vae'), clip: join(QUARTER, 'clip') };
  const done = join(QUARTER, 'complete');
  if (existsSync(done)) {
    return network;
  }
  const write = (folder: string, file: string, config: object, tensors: Table['tensors']): void => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    const values = tensors.map(([name, shape]) => [name, { shape, data: weight(name, shape) }] as const);
    writeFileSync(join(folder, file), writeSafetensors(Object.fromEntries(values)));
  };
  const unet = tableOf('sd_turbo_unet');
  const unetConfig = {
    ...unet.config,
    block_out_channels: [80, 160, 320, 320],
    cross_attention_dim: 256,
    norm_num_groups: 16,
  };
  const narrowed = (table: Table, keep: RegExp): Table['tensors'] =>
    table.tensors.filter(([name]) => keep.test(name)).map(([name, shape]) => [name, quarter(shape)] as const);
  write(network.unet, 'diffusion_pytorch_model.safetensors', unetConfig, narrowed(unet, /./));
  const vae = tableOf('sd_vae');
  const vaeConfig = { ...vae.config, block_out_channels: [32, 64, 128, 128], norm_num_groups: 8 };
  write(network.vae, 'diffusion_pytorch_model.safetensors', vaeConfig, narrowed(vae, /^(decoder|post_quant_conv)\./));
  const vision = narrowed(tableOf('clip_vit_h'), /^(vision_model|visual_projection)\./)
    .filter(([name]) => Number(/layers\.(\d+)/.exec(name)?.[1] ?? 0) < CLIP_LAYERS)
    .map(([name, shape]) => [name, name.includes('patch_embedding') ? [320, 3, 8, 8] : shape] as const);
  const clipConfig = { vision_config: { ...VISION, ...PICTURE }, text_config: {}, projection_dim: 256 };
  write(network.clip, 'model.safetensors', clipConfig, vision);
  writeFileSync(done, '');
  return network;
}

/** Uniform, of unit gain for matrices; norms near 1, biases small. */
function weight(name: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const values = seeded(name, sizeOf(shape));
  const isNorm = /norm\w*\.weight$/.test(name);
  const scale = shape.length < 2 ? 0.1 : Math.sqrt(3 / sizeOf(shape.slice(1)));
  return values.map((v) => (isNorm ? 1 : 0) + v * (isNorm ? 0.1 : scale));
}

function row(name: string, network: Network, size: number, channels: number, context: number[], text: number): Row {
  const latents = [1, size, size, channels];
  const outputs = { loss: [1], gradient: latents };
  const inputs = { latents, context: [1, ...context], text: [1, text] };
  return { name, kind: 'iteration', inputs, outputs, flops: 0, forward: false, network };
}

const POCKET_NETWORK: Network = {
  unet: join(POCKET, 'generator/unet'),
  vae: join(POCKET, 'generator/vae'),
  clip: join(POCKET, 'clip'),
};

/** Side and channels of the pocket models' latents. */
const pocketLatent = (): { readonly sample_size: number; readonly in_channels: number } =>
  JSON.parse(readFileSync(join(POCKET_NETWORK.unet, 'config.json'), 'utf8'));

/** The pocket models on `batch` latents of a side, each with a text of its own. */
export function pocketRow(side: number, batch: number): Row {
  const { in_channels: channels } = pocketLatent();
  const made = row(`pocket, ${side * 8}², batch ${batch}`, POCKET_NETWORK, side, channels, [16, 128], 128);
  const latents = [batch, side, side, channels];
  const inputs = { ...made.inputs, latents, context: [batch, 16, 128], text: [batch, 128] };
  return { ...made, inputs, outputs: { ...made.outputs, gradient: latents } };
}

export function iterationRows(): Row[] {
  const { sample_size: side, in_channels: channels } = pocketLatent();
  return [
    row(`pocket iteration, UNet+VAE+CLIP, ${side * 8}²`, POCKET_NETWORK, side, channels, [16, 128], 128),
    row('quarter-size iteration, UNet+VAE+CLIP, 128²', quarterSize(), 16, 4, [77, 256], 256),
  ];
}
