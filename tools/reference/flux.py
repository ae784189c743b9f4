"""Golden fixtures of FLUX: the transformer, one block of each kind, and a whole small pipeline folder.

    python tools/reference/flux.py test/fixtures

Files are as those of networks.py. Images and latents of the pipeline are channels-last. diffusers makes the timestep's
sinusoids in f32, where an angle of 1000 or more is good to 1e-4 only; here they are made in f64, so that bounds are tight.
"""

import argparse
import math
from pathlib import Path
from types import SimpleNamespace

import diffusers.models.embeddings
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from diffusers.models.transformers.transformer_flux import (
    FluxPosEmbed,
    FluxSingleTransformerBlock,
    FluxTransformerBlock,
)
from networks import fixture, seeded

TRANSFORMER = dict(
    in_channels=8,
    num_layers=2,
    num_single_layers=2,
    attention_head_dim=16,
    num_attention_heads=2,
    joint_attention_dim=20,
    pooled_projection_dim=12,
    guidance_embeds=False,
    axes_dims_rope=(4, 6, 6),
)
DIM = TRANSFORMER["attention_head_dim"] * TRANSFORMER["num_attention_heads"]
TOKENS, ROWS, COLUMNS = 5, 3, 4


def sinusoids(timesteps, dim, flip_sin_to_cos, downscale_freq_shift, scale):
    """get_timestep_embedding in f64, for what FLUX asks of it."""
    assert flip_sin_to_cos and downscale_freq_shift == 0 and scale == 1
    steps = torch.arange(dim // 2, dtype=torch.float64) / (dim // 2)
    angles = timesteps.double()[:, None] * torch.exp(-math.log(10000) * steps)
    return torch.cat([angles.cos(), angles.sin()], dim=-1).float()


def ids():
    """Positions of text and image tokens; text at other places than zero, which is what FLUX.1 has."""
    text = torch.tensor([[i % 2, i, 2 * i] for i in range(TOKENS)]).float()
    return text, FluxPipeline._prepare_latent_image_ids(1, ROWS, COLUMNS, "cpu", torch.float32)


def with_config(block, config):
    """A block has no config of its own; `fixture` writes one."""
    return SimpleNamespace(state_dict=block.state_dict, config=config)


def transformers(out):
    text_ids, image_ids = ids()
    positions = {"txt_ids": text_ids, "img_ids": image_ids}
    variants = {
        "flux_transformer": dict(),
        # Three heads, other channels out than in, and the guidance that FLUX.1-dev is told.
        "flux_transformer_guidance": dict(num_attention_heads=3, num_layers=1, out_channels=4, guidance_embeds=True),
    }
    for seed, (name, change) in enumerate(variants.items(), 41):
        model = seeded(lambda: FluxTransformer2DModel(**TRANSFORMER | change), seed, half=True)
        context = torch.randn(1, TOKENS, TRANSFORMER["joint_attention_dim"])
        pooled = torch.randn(1, TRANSFORMER["pooled_projection_dim"])
        x = torch.randn(1, ROWS * COLUMNS, TRANSFORMER["in_channels"])
        guidance = torch.tensor([3.5]) if model.config.guidance_embeds else None

        def run(x):
            return model(x, context, pooled, torch.tensor([1.0]), image_ids, text_ids, guidance).sample

        extra = positions | {"context": context, "pooled": pooled}
        fixture(out / f"{name}.safetensors", model, run, x, extra, half=True)


def blocks(out):
    """One block of each kind; what comes out is text and image tokens together."""
    rotary = FluxPosEmbed(10000, TRANSFORMER["axes_dims_rope"])(torch.cat(ids()))
    positions = dict(zip(("txt_ids", "img_ids"), ids()))
    sizes = dict(dim=DIM, num_attention_heads=2, attention_head_dim=16)
    for seed, (name, cls) in enumerate(
        {"flux_double_block": FluxTransformerBlock, "flux_single_block": FluxSingleTransformerBlock}.items(), 51
    ):
        block = seeded(lambda: cls(**sizes), seed, half=True)
        temb = torch.randn(1, DIM)
        joint = torch.randn(1, TOKENS + ROWS * COLUMNS, DIM)

        def run(joint):
            text, image = joint[:, :TOKENS], joint[:, TOKENS:]
            return torch.cat(block(image, text, temb, rotary), dim=1)

        extra = positions | {"temb": temb}
        fixture(out / f"{name}.safetensors", with_config(block, TRANSFORMER), run, joint, extra, half=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    diffusers.models.embeddings.get_timestep_embedding = sinusoids
    transformers(args.out)
    blocks(args.out)
