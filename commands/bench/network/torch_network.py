"""commands/bench/network's iteration in plain PyTorch: the networks by the checkpoints' own names, f32."""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

TIMESTEP = 999
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).reshape(1, 3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).reshape(1, 3, 1, 1)


def read(folder):
    """config.json and the tensors of the one safetensors file, as f32."""
    folder = Path(folder)
    data = next(folder.glob("*.safetensors")).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    types = {"F32": np.float32, "F16": np.float16}
    weights = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] in types:
            start, end = entry["data_offsets"]
            array = np.frombuffer(data[8 + size + start : 8 + size + end], types[entry["dtype"]])
            weights[name] = torch.from_numpy(array.astype(np.float32).reshape(entry["shape"]))
    for name, w in weights.items():
        if w.dim() == 4:
            weights[name] = w.to(memory_format=torch.channels_last)
    return json.loads((folder / "config.json").read_text()), weights


class Net:
    """Functions of one checkpoint: each takes the name of its submodule."""

    def __init__(self, folder):
        self.config, self.w = read(folder)

    def has(self, name):
        return f"{name}.weight" in self.w

    def linear(self, x, name):
        weight = self.w[f"{name}.weight"]
        return F.linear(x, weight.reshape(weight.shape[:2]), self.w.get(f"{name}.bias"))

    def conv(self, x, name, stride=1):
        weight = self.w[f"{name}.weight"]
        return F.conv2d(x, weight, self.w.get(f"{name}.bias"), stride=stride, padding=weight.shape[-1] // 2)

    def group_norm(self, x, name, eps):
        groups = self.config["norm_num_groups"]
        return F.group_norm(x, groups, self.w[f"{name}.weight"], self.w[f"{name}.bias"], eps)

    def layer_norm(self, x, name, eps=1e-5):
        weight = self.w[f"{name}.weight"]
        return F.layer_norm(x, weight.shape, weight, self.w[f"{name}.bias"], eps)

    def resnet(self, x, name, temb, eps):
        h = self.conv(F.silu(self.group_norm(x, f"{name}.norm1", eps)), f"{name}.conv1")
        if temb is not None:
            h = h + self.linear(F.silu(temb), f"{name}.time_emb_proj")[:, :, None, None]
        h = self.conv(F.silu(self.group_norm(h, f"{name}.norm2", eps)), f"{name}.conv2")
        shortcut = f"{name}.conv_shortcut"
        return h + (self.conv(x, shortcut) if self.has(shortcut) else x)

    def attention(self, x, context, name, heads, names=("to_q", "to_k", "to_v", "to_out.0")):
        q, k, v = (self.linear(t, f"{name}.{part}") for t, part in zip((x, context, context), names))

        def apart(t):
            return t.reshape(t.shape[0], t.shape[1], heads, -1).transpose(1, 2)

        y = F.scaled_dot_product_attention(apart(q), apart(k), apart(v))
        return self.linear(y.transpose(1, 2).reshape(x.shape), f"{name}.{names[3]}")


def upsampled(net, x, name):
    return net.conv(F.interpolate(x, scale_factor=2, mode="nearest"), f"{name}.upsamplers.0.conv")


class UNet(Net):
    def transformer(self, x, name, context, heads):
        n, c, h, w = x.shape
        t = self.group_norm(x, f"{name}.norm", 1e-6).permute(0, 2, 3, 1).reshape(n, h * w, c)
        t = self.linear(t, f"{name}.proj_in")
        block = f"{name}.transformer_blocks.0"
        normed = self.layer_norm(t, f"{block}.norm1")
        t = t + self.attention(normed, normed, f"{block}.attn1", heads)
        t = t + self.attention(self.layer_norm(t, f"{block}.norm2"), context, f"{block}.attn2", heads)
        value, gate = self.linear(self.layer_norm(t, f"{block}.norm3"), f"{block}.ff.net.0.proj").chunk(2, -1)
        t = t + self.linear(value * F.gelu(gate), f"{block}.ff.net.2")
        return x + self.linear(t, f"{name}.proj_out").reshape(n, h, w, c).permute(0, 3, 1, 2)

    def time(self):
        half = self.config["block_out_channels"][0] // 2
        angles = TIMESTEP * torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
        temb = torch.cat([angles.cos(), angles.sin()])[None]
        return self.linear(F.silu(self.linear(temb, "time_embedding.linear_1")), "time_embedding.linear_2")

    def forward(self, x, context):
        config, temb = self.config, self.time()
        levels, layers, eps = len(config["block_out_channels"]), config["layers_per_block"], config["norm_eps"]
        heads = config["attention_head_dim"]
        x = self.conv(x, "conv_in")
        skips = [x]
        for i in range(levels):
            block = f"down_blocks.{i}"
            for j in range(layers):
                x = self.resnet(x, f"{block}.resnets.{j}", temb, eps)
                if self.has(f"{block}.attentions.{j}.norm"):
                    x = self.transformer(x, f"{block}.attentions.{j}", context, heads[i])
                skips.append(x)
            if i < levels - 1:
                x = self.conv(x, f"{block}.downsamplers.0.conv", stride=2)
                skips.append(x)
        x = self.resnet(x, "mid_block.resnets.0", temb, eps)
        x = self.transformer(x, "mid_block.attentions.0", context, heads[-1])
        x = self.resnet(x, "mid_block.resnets.1", temb, eps)
        for i in range(levels):
            block = f"up_blocks.{i}"
            for j in range(layers + 1):
                x = self.resnet(torch.cat([x, skips.pop()], 1), f"{block}.resnets.{j}", temb, eps)
                if self.has(f"{block}.attentions.{j}.norm"):
                    x = self.transformer(x, f"{block}.attentions.{j}", context, heads[levels - 1 - i])
            if i < levels - 1:
                x = upsampled(self, x, block)
        return self.conv(F.silu(self.group_norm(x, "conv_norm_out", eps)), "conv_out")


class Decoder(Net):
    def forward(self, x):
        config, eps = self.config, 1e-6
        x = self.conv(self.conv(x, "post_quant_conv"), "decoder.conv_in")
        x = self.resnet(x, "decoder.mid_block.resnets.0", None, eps)
        n, c, h, w = x.shape
        name = "decoder.mid_block.attentions.0"
        t = self.group_norm(x, f"{name}.group_norm", eps).permute(0, 2, 3, 1).reshape(n, h * w, c)
        x = x + self.attention(t, t, name, 1).reshape(n, h, w, c).permute(0, 3, 1, 2)
        x = self.resnet(x, "decoder.mid_block.resnets.1", None, eps)
        levels = len(config["block_out_channels"])
        for i in range(levels):
            block = f"decoder.up_blocks.{i}"
            for j in range(config["layers_per_block"] + 1):
                x = self.resnet(x, f"{block}.resnets.{j}", None, eps)
            if i < levels - 1:
                x = upsampled(self, x, block)
        return self.conv(F.silu(self.group_norm(x, "decoder.conv_norm_out", eps)), "decoder.conv_out")


class Clip(Net):
    def forward(self, pixels):
        vision, root = self.config["vision_config"], "vision_model"
        eps, heads = vision["layer_norm_eps"], vision["num_attention_heads"]
        patches = F.conv2d(pixels, self.w[f"{root}.embeddings.patch_embedding.weight"], stride=vision["patch_size"])
        first = self.w[f"{root}.embeddings.class_embedding"].reshape(1, 1, -1).expand(len(pixels), -1, -1)
        x = torch.cat([first, patches.flatten(2).transpose(1, 2)], 1)
        x = self.layer_norm(x + self.w[f"{root}.embeddings.position_embedding.weight"], f"{root}.pre_layrnorm", eps)
        names = ("q_proj", "k_proj", "v_proj", "out_proj")
        for i in range(vision["num_hidden_layers"]):
            layer = f"{root}.encoder.layers.{i}"
            normed = self.layer_norm(x, f"{layer}.layer_norm1", eps)
            x = x + self.attention(normed, normed, f"{layer}.self_attn", heads, names)
            inner = F.gelu(self.linear(self.layer_norm(x, f"{layer}.layer_norm2", eps), f"{layer}.mlp.fc1"))
            x = x + self.linear(inner, f"{layer}.mlp.fc2")
        return self.linear(self.layer_norm(x[:, 0], f"{root}.post_layernorm", eps), "visual_projection")


def iteration(row, x):
    network = row["network"]
    unet, vae, clip = UNet(network["unet"]), Decoder(network["vae"]), Clip(network["clip"])
    size = clip.config["vision_config"]["image_size"]
    noise = x["latents"].permute(0, 3, 1, 2)
    text = F.normalize(x["text"], dim=-1)

    def run():
        latents = noise.detach().requires_grad_()
        x0 = latents - unet.forward(latents, x["context"])
        image = (vae.forward(x0 / vae.config["scaling_factor"]) / 2 + 0.5).clamp(0, 1)
        edge = (image.shape[-1] - size) // 2
        pixels = (image[:, :, edge : edge + size, edge : edge + size] - MEAN) / STD
        loss = len(pixels) - (F.normalize(clip.forward(pixels), dim=-1) * text).sum()
        (gradient,) = torch.autograd.grad(loss, latents)
        return {"loss": loss.reshape(1), "gradient": gradient.permute(0, 2, 3, 1)}

    return run
