/** commands/bench/network's iteration in jax-js: networks by the checkpoints' own names. Operands are consumed: `.ref` is another reference. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Array as Value } from '@jax-js/jax';
import { openSafetensors } from '../../../src/models/checkpoint/safetensors/open_safetensors.ts';
import { readFloats } from '../../../src/models/checkpoint/tensor_file.ts';
import { sinusoids } from '../../../src/models/layers/embeddings.ts';
import { fileSource } from '../../../src/platform/node/node_files.ts';
import type { Network } from '../row.ts';
import { TIMESTEP } from './measured_networks.ts';

type Jax = typeof import('@jax-js/jax');
type Config = Readonly<Record<string, unknown>>;

const MEAN = [0.48145466, 0.4578275, 0.40821073];
const STD = [0.26862954, 0.26130258, 0.27577711];
const CLIP_NAMES = ['q_proj', 'k_proj', 'v_proj', 'out_proj'];

interface Checkpoint {
  readonly config: Config;
  readonly names: readonly string[];
  readonly values: readonly Value[];
}

async function read(jax: Jax, folder: string, file: string, keep: RegExp): Promise<Checkpoint> {
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Config;
  const tensors = await openSafetensors(await fileSource(join(folder, file)));
  const names = [...tensors.entries.keys()].filter((name) => keep.test(name));
  const values: Value[] = [];
  for (const name of names) {
    const shape = tensors.entries.get(name)?.shape ?? [];
    values.push(jax.numpy.array(await readFloats(tensors, name), { shape }));
  }
  return { config, names, values };
}

/** Functions of one checkpoint's tensors, images [N,C,H,W]. */
class Net {
  readonly jax: Jax;
  readonly config: Config;
  readonly #weights: ReadonlyMap<string, Value>;

  constructor(jax: Jax, config: Config, weights: ReadonlyMap<string, Value>) {
    this.jax = jax;
    this.config = config;
    this.#weights = weights;
  }

  has(name: string): boolean {
    return this.#weights.has(`${name}.weight`);
  }

  w(name: string): Value {
    const found = this.#weights.get(name);
    if (!found) {
      throw new Error(`there is no tensor ${name}`);
    }
    return found.ref;
  }

  number(key: string): number {
    return Number(this.config[key]);
  }

  numbers(key: string): number[] {
    return this.config[key] as number[];
  }

  linear(x: Value, name: string): Value {
    const weight = this.w(`${name}.weight`);
    const matrix = weight.reshape(weight.shape.slice(0, 2)).transpose();
    const y = this.jax.numpy.matmul(x, matrix);
    return this.#weights.has(`${name}.bias`) ? y.add(this.w(`${name}.bias`)) : y;
  }

  conv(x: Value, name: string, stride = 1): Value {
    const weight = this.w(`${name}.weight`);
    const [out = 1, , kernel = 1] = weight.shape;
    const pad = [kernel >> 1, kernel >> 1];
    const y = this.jax.lax.convGeneralDilated(x, weight, [stride, stride], [pad, pad]);
    return y.add(this.w(`${name}.bias`).reshape([1, out, 1, 1]));
  }

  #normalized(x: Value, eps: number): Value {
    const np = this.jax.numpy;
    const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
    const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
    return centred.div(np.sqrt(variance.add(eps)));
  }

  groupNorm(x: Value, name: string, eps: number): Value {
    const [n = 1, c = 1, h = 1, w = 1] = x.shape;
    const groups = this.number('norm_num_groups');
    const normal = this.#normalized(x.reshape([n, groups, (c / groups) * h * w]), eps).reshape([n, c, h, w]);
    const scaled = normal.mul(this.w(`${name}.weight`).reshape([1, c, 1, 1]));
    return scaled.add(this.w(`${name}.bias`).reshape([1, c, 1, 1]));
  }

  layerNorm(x: Value, name: string, eps = 1e-5): Value {
    return this.#normalized(x, eps)
      .mul(this.w(`${name}.weight`))
      .add(this.w(`${name}.bias`));
  }

  resnet(x: Value, name: string, temb: Value | null, eps: number): Value {
    const { nn } = this.jax;
    let h = this.conv(nn.silu(this.groupNorm(x.ref, `${name}.norm1`, eps)), `${name}.conv1`);
    if (temb) {
      const shift = this.linear(nn.silu(temb.ref), `${name}.time_emb_proj`);
      h = h.add(shift.reshape([1, shift.shape[1] ?? 1, 1, 1]));
    }
    h = this.conv(nn.silu(this.groupNorm(h, `${name}.norm2`, eps)), `${name}.conv2`);
    return h.add(this.has(`${name}.conv_shortcut`) ? this.conv(x, `${name}.conv_shortcut`) : x);
  }

  /** x [N,T,C], context [N,S,E]; both are consumed. */
  attention(
    x: Value,
    context: Value,
    name: string,
    heads: number,
    names = ['to_q', 'to_k', 'to_v', 'to_out.0'],
  ): Value {
    const [n = 1, t = 1, c = 1] = x.shape;
    const [qName, kName, vName, outName] = names;
    const apart = (y: Value): Value => y.reshape([n, y.shape[1] ?? 1, heads, (y.shape[2] ?? 1) / heads]);
    const q = apart(this.linear(x, `${name}.${qName}`));
    const k = apart(this.linear(context.ref, `${name}.${kName}`));
    const v = apart(this.linear(context, `${name}.${vName}`));
    return this.linear(this.jax.nn.dotProductAttention(q, k, v).reshape([n, t, c]), `${name}.${outName}`);
  }

  /** [N,C,H,W] → [N,H·W,C] */
  tokens(x: Value): Value {
    const [n = 1, c = 1, h = 1, w = 1] = x.shape;
    return x.reshape([n, c, h * w]).transpose([0, 2, 1]);
  }

  pixels(x: Value, shape: readonly number[]): Value {
    return x.transpose([0, 2, 1]).reshape(shape);
  }

  upsampled(x: Value, name: string): Value {
    const { repeat } = this.jax.numpy;
    return this.conv(repeat(repeat(x, 2, 2), 2, 3), `${name}.upsamplers.0.conv`);
  }
}

function transformer(net: Net, x: Value, name: string, context: Value, heads: number): Value {
  const { shape } = x;
  const block = `${name}.transformer_blocks.0`;
  let t = net.linear(net.tokens(net.groupNorm(x.ref, `${name}.norm`, 1e-6)), `${name}.proj_in`);
  const normed = net.layerNorm(t.ref, `${block}.norm1`);
  t = t.add(net.attention(normed.ref, normed, `${block}.attn1`, heads));
  const second = net.layerNorm(t.ref, `${block}.norm2`);
  t = t.add(net.attention(second, context.ref, `${block}.attn2`, heads));
  const wide = net.linear(net.layerNorm(t.ref, `${block}.norm3`), `${block}.ff.net.0.proj`);
  const [value = wide, gate = wide] = net.jax.numpy.split(wide, 2, -1);
  t = t.add(net.linear(value.mul(net.jax.nn.gelu(gate, { approximate: false })), `${block}.ff.net.2`));
  return x.add(net.pixels(net.linear(t, `${name}.proj_out`), shape));
}

/** x and context are consumed. */
function unet(net: Net, input: Value, context: Value): Value {
  const { nn, numpy: np } = net.jax;
  const channels = net.numbers('block_out_channels');
  const heads = net.numbers('attention_head_dim');
  const [layers, eps, last] = [net.number('layers_per_block'), net.number('norm_eps'), channels.length - 1];
  const first = channels[0] ?? 1;
  const angles = Float32Array.from(sinusoids(TIMESTEP, first, { flip_sin_to_cos: true, freq_shift: 0 }));
  const sines = np.array(angles, { shape: [1, first] });
  const temb = net.linear(nn.silu(net.linear(sines, 'time_embedding.linear_1')), 'time_embedding.linear_2');
  const attended = (h: Value, name: string, level: number): Value =>
    net.has(`${name}.norm`) ? transformer(net, h, name, context, heads[level] ?? 1) : h;
  let x = net.conv(input, 'conv_in');
  const skips = [x.ref];
  for (let i = 0; i <= last; i++) {
    const block = `down_blocks.${i}`;
    for (let j = 0; j < layers; j++) {
      x = attended(net.resnet(x, `${block}.resnets.${j}`, temb, eps), `${block}.attentions.${j}`, i);
      skips.push(x.ref);
    }
    if (i < last) {
      x = net.conv(x, `${block}.downsamplers.0.conv`, 2);
      skips.push(x.ref);
    }
  }
  x = attended(net.resnet(x, 'mid_block.resnets.0', temb, eps), 'mid_block.attentions.0', last);
  x = net.resnet(x, 'mid_block.resnets.1', temb, eps);
  for (let i = 0; i <= last; i++) {
    const block = `up_blocks.${i}`;
    for (let j = 0; j <= layers; j++) {
      const joined = np.concatenate([x, skips.pop() ?? x], 1);
      x = attended(net.resnet(joined, `${block}.resnets.${j}`, temb, eps), `${block}.attentions.${j}`, last - i);
    }
    x = i < last ? net.upsampled(x, block) : x;
  }
  temb.dispose();
  context.dispose();
  return net.conv(nn.silu(net.groupNorm(x, 'conv_norm_out', eps)), 'conv_out');
}

function decoder(net: Net, latents: Value): Value {
  const eps = 1e-6;
  const mid = 'decoder.mid_block';
  const last = net.numbers('block_out_channels').length - 1;
  let x = net.conv(net.conv(latents, 'post_quant_conv'), 'decoder.conv_in');
  x = net.resnet(x, `${mid}.resnets.0`, null, eps);
  const { shape } = x;
  const t = net.tokens(net.groupNorm(x.ref, `${mid}.attentions.0.group_norm`, eps));
  x = x.add(net.pixels(net.attention(t.ref, t, `${mid}.attentions.0`, 1), shape));
  x = net.resnet(x, `${mid}.resnets.1`, null, eps);
  for (let i = 0; i <= last; i++) {
    const block = `decoder.up_blocks.${i}`;
    for (let j = 0; j <= net.number('layers_per_block'); j++) {
      x = net.resnet(x, `${block}.resnets.${j}`, null, eps);
    }
    x = i < last ? net.upsampled(x, block) : x;
  }
  return net.conv(net.jax.nn.silu(net.groupNorm(x, 'decoder.conv_norm_out', eps)), 'decoder.conv_out');
}

/** Normalised pixels [1,3,H,W] → features [1,P]. */
function clip(net: Net, pixels: Value): Value {
  const { lax, nn, numpy: np } = net.jax;
  const vision = net.config.vision_config as Readonly<Record<string, number>>;
  const { patch_size: patch = 1, layer_norm_eps: eps = 1e-5, num_attention_heads: heads = 1 } = vision;
  const root = 'vision_model';
  const weight = net.w(`${root}.embeddings.patch_embedding.weight`);
  const width = weight.shape[0] ?? 1;
  const patches = net.tokens(lax.convGeneralDilated(pixels, weight, [patch, patch], 'VALID'));
  const first = net.w(`${root}.embeddings.class_embedding`).reshape([1, 1, width]);
  let x = np.concatenate([first, patches], 1).add(net.w(`${root}.embeddings.position_embedding.weight`));
  x = net.layerNorm(x, `${root}.pre_layrnorm`, eps);
  for (let i = 0; i < (vision.num_hidden_layers ?? 0); i++) {
    const layer = `${root}.encoder.layers.${i}`;
    const normed = net.layerNorm(x.ref, `${layer}.layer_norm1`, eps);
    x = x.add(net.attention(normed.ref, normed, `${layer}.self_attn`, heads, CLIP_NAMES));
    const inner = net.linear(net.layerNorm(x.ref, `${layer}.layer_norm2`, eps), `${layer}.mlp.fc1`);
    x = x.add(net.linear(nn.gelu(inner, { approximate: false }), `${layer}.mlp.fc2`));
  }
  const tokens = x.shape[1] ?? 1;
  const [pooled = x, ...rest] = np.split(x, [1], 1);
  for (const unused of rest) {
    unused.dispose();
  }
  if (tokens < 2) {
    throw new Error('a picture has no patches');
  }
  const normed = net.layerNorm(pooled.reshape([1, width]), `${root}.post_layernorm`, eps);
  return net.linear(normed, 'visual_projection');
}

export interface JaxIteration {
  /** All tensors of the networks, in the order in which `loss` takes them. */
  readonly weights: readonly Value[];
  /** latents [1,C,h,w], context, text, weights → loss, a scalar. */
  loss(...inputs: Value[]): Value;
}

export async function jaxIteration(jax: Jax, network: Network): Promise<JaxIteration> {
  const np = jax.numpy;
  const base = 'diffusion_pytorch_model.safetensors';
  const parts = [
    await read(jax, network.unet, base, /./),
    await read(jax, network.vae, base, /^(decoder|post_quant_conv)\./),
    await read(jax, network.clip, 'model.safetensors', /^(vision_model|visual_projection)\.(?!.*position_ids)/),
  ];
  const unit = (x: Value): Value => x.ref.div(np.sqrt(np.sum(np.square(x))));
  const loss = (...[latents, context, text, ...weights]: Value[]): Value => {
    let start = 0;
    const [denoiser, vae, encoder] = parts.map(({ config, names }) => {
      const values = new Map(names.map((name, i) => [name, weights[start + i]] as [string, Value]));
      start += names.length;
      return new Net(jax, config, values);
    });
    if (!latents || !context || !text || !denoiser || !vae || !encoder) {
      throw new Error('an input is missing');
    }
    const x0 = latents.ref.sub(unet(denoiser, latents, context));
    const pixels = decoder(vae, x0.div(vae.number('scaling_factor')));
    const image = np.clip(pixels.mul(0.5).add(0.5), 0, 1);
    const size = Number((encoder.config.vision_config as Config).image_size);
    const edge = ((image.shape[2] ?? size) - size) / 2;
    const cropped = edge === 0 ? image : middle(jax, middle(jax, image, 2, edge), 3, edge);
    const channel = (values: number[]): Value => np.array(Float32Array.from(values), { shape: [1, 3, 1, 1] });
    const features = clip(encoder, cropped.sub(channel(MEAN)).div(channel(STD)));
    return np
      .sum(unit(features).mul(unit(text)))
      .mul(-1)
      .add(1);
  };
  return { weights: parts.flatMap(({ values }) => values), loss };
}

/** Without `edge` at both ends of an axis. */
function middle({ numpy: np }: Jax, x: Value, axis: number, edge: number): Value {
  const [before, kept, after] = np.split(x, [edge, (x.shape[axis] ?? 0) - edge], axis);
  if (!kept) {
    throw new Error('nothing is left of the picture');
  }
  before?.dispose();
  after?.dispose();
  return kept;
}
