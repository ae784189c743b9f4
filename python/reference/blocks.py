"""Golden fixture of diffusers' blocks, one by one: what a whole network hides, and where it starts to differ.

    python python/reference/blocks.py parity

All are in blocks.safetensors: `<block>.weights.*`, and its input, output, cotangent and gradient. Pictures are
channels-last; a block of several results has them flat, one after another.
"""

import argparse
import json
from pathlib import Path

import torch
from diffusers.models.attention import BasicTransformerBlock, FeedForward
from diffusers.models.attention_processor import Attention
from diffusers.models.autoencoders.vae import Decoder
from diffusers.models.downsampling import Downsample2D
from diffusers.models.embeddings import TimestepEmbedding
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers import Transformer2DModel
from diffusers.models.unets.unet_2d_blocks import (
    CrossAttnDownBlock2D,
    CrossAttnUpBlock2D,
    DownBlock2D,
    UNetMidBlock2D,
    UNetMidBlock2DCrossAttn,
    UpBlock2D,
    UpDecoderBlock2D,
)
from diffusers.models.upsampling import Upsample2D
from safetensors.torch import save_file

from networks import golden, last, seeded
from versions import versions

TEMB, CONTEXT = 20, 12
LEVEL = dict(temb_channels=TEMB, num_layers=2, resnet_groups=4, resnet_eps=1e-5)
CROSS = LEVEL | dict(cross_attention_dim=CONTEXT, transformer_layers_per_block=2, use_linear_projection=True)


def made(channels, height, width):
    return torch.randn(1, channels, height, width)


def blocks():
    """name: (model, input, other inputs, what is run)."""
    temb, context = {"temb": torch.randn(1, TEMB)}, {"context": torch.randn(1, 5, CONTEXT)}
    skips = {"skip0": made(8, 5, 3), "skip1": made(16, 5, 3)}
    up = lambda m, x, o, *rest: m(x, (o["skip0"], o["skip1"]), o["temb"], *rest)
    transformer = dict(num_attention_heads=2, attention_head_dim=8, in_channels=16, norm_num_groups=4, cross_attention_dim=CONTEXT)
    yield "timestep_embedding", lambda: TimestepEmbedding(8, TEMB), torch.randn(1, 8), {}, lambda m, x, o: m(x)
    resnet = lambda m, x, o: m(x, o.get("temb"))
    yield "resnet", lambda: ResnetBlock2D(in_channels=8, out_channels=12, temb_channels=TEMB, groups=4), made(8, 5, 3), temb, resnet
    yield "resnet_plain", lambda: ResnetBlock2D(in_channels=8, temb_channels=None, groups=2, eps=1e-6), made(8, 5, 3), {}, resnet
    yield "downsample", lambda: Downsample2D(8, use_conv=True, name="op"), made(8, 5, 3), {}, lambda m, x, o: m(x)
    yield "upsample", lambda: Upsample2D(8, use_conv=True), made(8, 3, 2), {}, lambda m, x, o: m(x)
    yield "upsample_odd", lambda: Upsample2D(8, use_conv=True), made(8, 3, 2), {}, lambda m, x, o: m(x, (5, 3))
    tokens = torch.randn(1, 7, 16)
    yield "attention", lambda: Attention(16, heads=4, dim_head=4, bias=True), tokens, {}, lambda m, x, o: m(x)
    cross = lambda: Attention(16, cross_attention_dim=CONTEXT, heads=2, dim_head=8)
    yield "cross_attention", cross, tokens, context, lambda m, x, o: m(x, o["context"])
    yield "feed_forward", lambda: FeedForward(16, activation_fn="geglu"), tokens, {}, lambda m, x, o: m(x)
    basic = lambda: BasicTransformerBlock(16, 4, 4, cross_attention_dim=CONTEXT)
    yield "basic_transformer", basic, tokens, context, lambda m, x, o: m(x, encoder_hidden_states=o["context"])
    for name, linear in (("transformer_linear", True), ("transformer_conv", False)):
        model = lambda: Transformer2DModel(**transformer, num_layers=2, use_linear_projection=linear)
        yield name, model, made(16, 5, 3), context, lambda m, x, o: m(x, o["context"]).sample
    down = dict(in_channels=8, out_channels=16)
    yield "down", lambda: DownBlock2D(**down, **LEVEL), made(8, 5, 3), temb, lambda m, x, o: m(x, o["temb"])
    last_level = lambda: DownBlock2D(**down, **LEVEL, add_downsample=False)
    yield "down_last", last_level, made(8, 5, 3), temb, lambda m, x, o: m(x, o["temb"])
    cross = lambda m, x, o: m(x, o["temb"], encoder_hidden_states=o["context"])
    # What these classes call num_attention_heads is that, whatever the config's attention_head_dim means.
    down_cross = lambda: CrossAttnDownBlock2D(**down, **CROSS, num_attention_heads=4)
    yield "down_cross", down_cross, made(8, 5, 3), temb | context, cross
    middle = {k: v for k, v in CROSS.items() if k != "num_layers"}
    yield "mid_cross", lambda: UNetMidBlock2DCrossAttn(16, **middle, num_attention_heads=2), made(16, 5, 3), temb | context, cross
    sizes = dict(in_channels=8, prev_output_channel=16, out_channels=16)
    yield "up", lambda: UpBlock2D(**sizes, **LEVEL), made(16, 5, 3), temb | skips, up
    last_level = lambda: UpBlock2D(**sizes, **LEVEL, add_upsample=False)
    yield "up_last", last_level, made(16, 5, 3), temb | skips, up
    up_cross = lambda: CrossAttnUpBlock2D(**sizes, **CROSS, num_attention_heads=2)
    yield "up_cross", up_cross, made(16, 5, 3), temb | context | skips, lambda m, x, o: up(m, x, o, o["context"])
    vae_mid = lambda: UNetMidBlock2D(8, temb_channels=None, resnet_eps=1e-6, resnet_groups=4, attention_head_dim=8)
    yield "vae_mid", vae_mid, made(8, 5, 3), {}, lambda m, x, o: m(x)
    vae_up = lambda: UpDecoderBlock2D(16, 8, num_layers=3, resnet_eps=1e-6, resnet_groups=4)
    yield "vae_up", vae_up, made(16, 5, 3), {}, lambda m, x, o: m(x)
    levels = dict(block_out_channels=(8, 16), up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4)
    yield "vae_decoder", lambda: Decoder(in_channels=4, **levels), made(4, 3, 2), {}, lambda m, x, o: m(x)


def flat(result):
    """One tensor of a result, or of (result, (skip, skip, ...))."""
    if isinstance(result, torch.Tensor):
        return last(result)
    hidden, skips = result
    return torch.cat([last(x).flatten() for x in (hidden, *skips)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(31)
    data = {}
    for i, (name, make, x, others, run) in enumerate(blocks()):
        model = seeded(make, 32 + i, half=True)
        y, cotangent, gradient = golden(lambda x: flat(run(model, x, others)), x, 7)
        tensors = {"input": last(x), "output": y, "cotangent": cotangent, "gradient": last(gradient)}
        tensors |= {key: last(value) for key, value in others.items()}
        data |= {f"{name}.{key}": value.contiguous().clone() for key, value in tensors.items()}
        data |= {f"{name}.weights.{key}": value.half().contiguous() for key, value in model.state_dict().items()}
    path = args.out / "blocks.safetensors"
    save_file(data, path, metadata={"config": json.dumps({}), "versions": versions()})
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")
