"""Golden fixtures of PixArt-alpha DMD: T5's encoder, the transformer, and a whole small generator folder.

    python tools/reference/pixart.py test/fixtures

Layout of the files, rounding and gradients: as in networks.py.
"""

import argparse
from pathlib import Path

import torch
from diffusers import PixArtTransformer2DModel, Transformer2DModel
from diffusers.models.attention import BasicTransformerBlock
from transformers import T5Config, T5EncoderModel
from transformers.models.t5.modeling_t5 import T5Attention

from networks import fixture, golden, save, seeded

T5 = dict(
    vocab_size=48,
    d_model=20,
    d_kv=6,
    d_ff=36,
    num_layers=2,
    num_heads=3,
    relative_attention_num_buckets=8,
    relative_attention_max_distance=10,
    feed_forward_proj="gated-gelu",
)
T5_RELU = T5 | dict(d_kv=8, num_heads=2, num_layers=1, relative_attention_num_buckets=32, relative_attention_max_distance=128)
T5_RELU |= dict(feed_forward_proj="relu")
# Latents of 6×10 are a grid of 3×5 patches: neither the size trained at, nor square, nor even.
PIXART = dict(
    num_attention_heads=3,
    attention_head_dim=8,
    in_channels=4,
    out_channels=8,
    num_layers=2,
    cross_attention_dim=24,
    sample_size=64,
    patch_size=2,
    attention_bias=True,
    activation_fn="gelu-approximate",
    num_embeds_ada_norm=1000,
    norm_type="ada_norm_single",
    norm_elementwise_affine=False,
    norm_eps=1e-6,
    caption_channels=20,
)
# Told the picture's size, as the models for 1024 pixels are.
PIXART_SIZED = PIXART | dict(num_attention_heads=2, attention_head_dim=12, num_layers=1, sample_size=128)


def t5(config, seed):
    """A small T5 with f16 weights whose position bias matters: the initial one is near zero."""
    model = seeded(lambda: T5EncoderModel(T5Config(**config)), seed)
    for name, p in model.named_parameters():
        if "relative_attention_bias" in name:
            p.copy_(torch.randn_like(p))
        p.copy_(p.half().float())
    return model


def t5_encoders(out):
    for name, config, lengths, tokens in (("t5", T5, (13, 7), 13), ("t5_relu", T5_RELU, (29,), 29)):
        model = t5(config, 21)
        ids = torch.randint(0, config["vocab_size"], (len(lengths), tokens))
        mask = torch.tensor([[float(i < n) for i in range(tokens)] for n in lengths])
        embedded = model.shared(ids)
        run = lambda x: model(inputs_embeds=x, attention_mask=mask).last_hidden_state
        y, cotangent, gradient = golden(run, embedded, 22)
        assert torch.equal(y, model(input_ids=ids, attention_mask=mask).last_hidden_state)
        distances = torch.arange(-300, 301)
        buckets = T5Attention._relative_position_bucket(
            distances,
            num_buckets=config["relative_attention_num_buckets"],
            max_distance=config["relative_attention_max_distance"],
        )
        tensors = {"input": embedded, "output": y, "cotangent": cotangent, "gradient": gradient}
        tensors |= {"ids": ids.int(), "mask": mask, "buckets": buckets.int()}
        weights = {k: v for k, v in model.state_dict().items() if k != "encoder.embed_tokens.weight"}
        save(out / f"{name}.safetensors", weights, tensors, model.config.to_dict(), half=True)


def transformers(out):
    # The first by the class of older checkpoints, whose config has more keys; it is the same network.
    for name, cls, config in (("pixart", Transformer2DModel, PIXART), ("pixart_sized", PixArtTransformer2DModel, PIXART_SIZED)):
        model = seeded(lambda: cls(**config), 23, half=True)
        x = torch.randn(2, 4, 6, 10)
        caption = torch.randn(2, 5, config["caption_channels"])
        mask = torch.tensor([[1.0, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
        height, width = 48, 80
        size = {"resolution": torch.tensor([[height, width]] * 2).float(), "aspect_ratio": torch.full((2, 1), height / width)}
        run = lambda x: model(
            x,
            encoder_hidden_states=caption,
            timestep=torch.tensor([400, 400]),
            added_cond_kwargs=size if config["sample_size"] == 128 else {"resolution": None, "aspect_ratio": None},
            encoder_attention_mask=mask,
        ).sample
        extra = {"caption": caption, "mask": mask, "timestep": torch.tensor([400.0])}
        extra |= {"size": torch.tensor([float(height), float(width)])}
        fixture(out / f"{name}.safetensors", model, run, x, extra, half=True)


def block(out):
    """One block with the head size of the real model, 72."""
    model = seeded(
        lambda: BasicTransformerBlock(
            72,
            1,
            72,
            cross_attention_dim=72,
            activation_fn="gelu-approximate",
            attention_bias=True,
            norm_type="ada_norm_single",
            norm_elementwise_affine=False,
            norm_eps=1e-6,
        ),
        24,
        half=True,
    )
    x, caption, modulation = torch.randn(1, 7, 72), torch.randn(1, 6, 72), torch.randn(6, 72)
    mask = torch.tensor([[1.0, 1, 1, 1, 0, 0]])
    run = lambda x: model(
        x,
        encoder_hidden_states=caption,
        timestep=modulation.reshape(1, -1),
        encoder_attention_mask=((1 - mask) * -10000)[:, None],
    )
    y, cotangent, gradient = golden(run, x, 25)
    tensors = {"input": x, "output": y, "cotangent": cotangent, "gradient": gradient}
    tensors |= {"caption": caption, "mask": mask, "modulation": modulation}
    save(out / "pixart_block.safetensors", model.state_dict(), tensors, {}, half=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    t5_encoders(args.out)
    transformers(args.out)
    block(args.out)
