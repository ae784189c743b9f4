"""Names and shapes of every full-size network, from the public libraries on torch's meta device (no weights are made).

    python python/reference/name_tables.py weights/published/networks

One gzipped JSON each: class, the published config.json (what matters of it), the parameter count, and [name, shape] of every
tensor as the published files spell it. ImageReward has no library of its own: transformers' BLIP, renamed (rewards.py).
"""

import argparse
import gzip
import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

import diffusers
import torch
import transformers

from rewards import Head, image_reward_keys
from versions import versions

SD_UNET = dict(
    sample_size=64,
    in_channels=4,
    out_channels=4,
    flip_sin_to_cos=True,
    freq_shift=0,
    block_out_channels=[320, 640, 1280, 1280],
    layers_per_block=2,
    down_block_types=["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    cross_attention_dim=1024,
    attention_head_dim=[5, 10, 20, 20],
    use_linear_projection=True,
    norm_num_groups=32,
    norm_eps=1e-5,
)
SDXL_UNET = SD_UNET | dict(
    block_out_channels=[320, 640, 1280],
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    cross_attention_dim=2048,
    attention_head_dim=[5, 10, 20],
    transformer_layers_per_block=[1, 2, 10],
    addition_embed_type="text_time",
    addition_time_embed_dim=256,
    projection_class_embeddings_input_dim=2816,
)
VAE = dict(
    in_channels=3,
    out_channels=3,
    block_out_channels=[128, 256, 512, 512],
    down_block_types=["DownEncoderBlock2D"] * 4,
    up_block_types=["UpDecoderBlock2D"] * 4,
    layers_per_block=2,
    latent_channels=4,
    norm_num_groups=32,
    sample_size=512,
    scaling_factor=0.18215,
)
PIXART = dict(
    num_attention_heads=16,
    attention_head_dim=72,
    in_channels=4,
    out_channels=8,
    num_layers=28,
    cross_attention_dim=1152,
    attention_bias=True,
    sample_size=64,
    patch_size=2,
    activation_fn="gelu-approximate",
    num_embeds_ada_norm=1000,
    norm_type="ada_norm_single",
    norm_elementwise_affine=False,
    norm_eps=1e-6,
    caption_channels=4096,
)
FLUX = dict(
    patch_size=1,
    in_channels=64,
    num_layers=19,
    num_single_layers=38,
    attention_head_dim=128,
    num_attention_heads=24,
    joint_attention_dim=4096,
    pooled_projection_dim=768,
    guidance_embeds=False,
    axes_dims_rope=[16, 56, 56],
)
T5 = dict(
    vocab_size=32128,
    d_model=4096,
    d_kv=64,
    d_ff=10240,
    num_layers=24,
    num_heads=64,
    feed_forward_proj="gated-gelu",
    relative_attention_num_buckets=32,
    relative_attention_max_distance=128,
    layer_norm_epsilon=1e-6,
)


def clip_text(width, layers, heads, act, projection, eos=2):
    return dict(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=77,
        hidden_act=act,
        layer_norm_eps=1e-5,
        projection_dim=projection,
        bos_token_id=0,
        eos_token_id=eos,
        pad_token_id=1,
    )


def clip_vision(width, layers, heads, act, projection):
    return dict(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_channels=3,
        image_size=224,
        patch_size=14,
        hidden_act=act,
        layer_norm_eps=1e-5,
        projection_dim=projection,
    )


CLIP_H = dict(
    text_config=clip_text(1024, 24, 16, "gelu", 1024),
    vision_config=clip_vision(1280, 32, 16, "gelu", 1024),
    projection_dim=1024,
)
CLIP_L = dict(
    text_config=clip_text(768, 12, 12, "quick_gelu", 768),
    vision_config=clip_vision(1024, 24, 16, "quick_gelu", 768),
    projection_dim=768,
)
OPEN_CLIP_H = dict(
    embed_dim=1024,
    vision_cfg=dict(image_size=224, layers=32, width=1280, head_width=80, patch_size=14),
    text_cfg=dict(context_length=77, vocab_size=49408, width=1024, heads=16, layers=24),
)
MED = dict(
    vocab_size=30524,
    hidden_size=768,
    num_hidden_layers=12,
    num_attention_heads=12,
    intermediate_size=3072,
    hidden_act="gelu",
    layer_norm_eps=1e-12,
    max_position_embeddings=512,
    encoder_width=1024,
    add_cross_attention=True,
)
IMAGE_REWARD = dict(
    vision=dict(image_size=224, patch_size=16, width=1024, depth=24, heads=16, mlp=4096, layer_norm_eps=1e-6),
    med_config=MED,
)
# name: (class as config.json names it, config)
TABLES = {
    "sd_turbo_unet": ("UNet2DConditionModel", SD_UNET),
    "sd_turbo_text_encoder": ("CLIPTextModel", clip_text(1024, 23, 16, "gelu", 512)),
    "sd_vae": ("AutoencoderKL", VAE),
    "sdxl_unet": ("UNet2DConditionModel", SDXL_UNET),
    "sdxl_text_encoder": ("CLIPTextModel", clip_text(768, 12, 12, "quick_gelu", 768)),
    "sdxl_text_encoder_2": ("CLIPTextModelWithProjection", clip_text(1280, 32, 20, "gelu", 1280)),
    "sdxl_vae": ("AutoencoderKL", VAE | dict(scaling_factor=0.13025)),
    "pixart_transformer": ("PixArtTransformer2DModel", PIXART),
    "t5_xxl_encoder": ("T5EncoderModel", T5),
    "flux_schnell_transformer": ("FluxTransformer2DModel", FLUX),
    "flux_vae": (
        "AutoencoderKL",
        VAE
        | dict(
            latent_channels=16,
            scaling_factor=0.3611,
            shift_factor=0.1159,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ),
    ),
    "taesd": ("AutoencoderTiny", dict(latent_channels=4, scaling_factor=1.0)),
    "clip_vit_h": ("CLIPModel", CLIP_H),
    "pick_score": ("CLIPModel", CLIP_H),
    "open_clip_vit_h": ("CLIP", OPEN_CLIP_H),
    "clip_vit_l": ("CLIPModel", CLIP_L),
    "image_reward": ("ImageReward", IMAGE_REWARD),
    "aesthetic_mlp": ("MLP", dict(input_size=768)),
}


def open_clip_model(config):
    """open_clip without torchvision, of which it needs nothing here."""
    try:
        import open_clip
    except ModuleNotFoundError:
        for name in ("", ".ops", ".ops.misc", ".transforms", ".transforms.functional"):
            sys.modules[f"torchvision{name}"] = MagicMock()
        for name in [n for n in sys.modules if n.startswith("open_clip")]:
            del sys.modules[name]
        import open_clip
    from open_clip.model import CLIP
    return CLIP(config["embed_dim"], config["vision_cfg"], config["text_cfg"])


def image_reward_tensors(config):
    v, m = config["vision"], config["med_config"]
    from transformers.models.blip.modeling_blip import BlipVisionModel
    from transformers.models.blip.modeling_blip_text import BlipTextModel
    vision = BlipVisionModel(transformers.BlipVisionConfig(
        hidden_size=v["width"], intermediate_size=v["mlp"], num_hidden_layers=v["depth"], num_attention_heads=v["heads"],
        image_size=v["image_size"], patch_size=v["patch_size"]))
    text = BlipTextModel(transformers.BlipTextConfig(
        vocab_size=m["vocab_size"], hidden_size=m["hidden_size"], num_hidden_layers=m["num_hidden_layers"],
        num_attention_heads=m["num_attention_heads"], intermediate_size=m["intermediate_size"],
        max_position_embeddings=m["max_position_embeddings"], encoder_hidden_size=m["encoder_width"], is_decoder=True,
    ), add_pooling_layer=False)
    return image_reward_keys(vision, text, Head([768, 1024, 128, 64, 16, 1]))


def tensors(cls, config):
    with torch.device("meta"):
        if cls == "CLIP":
            return open_clip_model(config).state_dict()
        if cls == "ImageReward":
            return image_reward_tensors(config)
        if cls == "MLP":
            return Head([config["input_size"], 1024, 128, 64, 16, 1]).state_dict()
        if hasattr(diffusers, cls):
            return getattr(diffusers, cls).from_config(config).state_dict()
        model = getattr(transformers, cls)
        state = model(model.config_class(**config)).state_dict()
    if cls in ("CLIPTextModel", "CLIPTextModelWithProjection"):
        # transformers 5 left out a prefix that all published files have.
        state = {k if k.startswith(("text_model.", "text_projection.")) else f"text_model.{k}": v for k, v in state.items()}
    if cls == "T5EncoderModel":
        state = {k: v for k, v in state.items() if k != "encoder.embed_tokens.weight"}  # tied to shared.weight
    return {k: v for k, v in state.items() if not k.endswith("position_ids")}


def main(out, only):
    out.mkdir(parents=True, exist_ok=True)
    for name, (cls, config) in TABLES.items():
        if only and only not in name:
            continue
        found = {k: list(v.shape) for k, v in tensors(cls, config).items()}
        count = sum(torch.Size(s).numel() for s in found.values())
        table = dict(network=name, versions=versions(), parameters=count,
                     config={"_class_name": cls} | config, tensors=list(found.items()))
        path = out / f"{name}.json.gz"
        path.write_bytes(gzip.compress(json.dumps(table, separators=(",", ":")).encode(), 9, mtime=0))
        print(f"{name:26} {len(found):5} tensors {count / 1e6:9.2f} M {path.stat().st_size / 1024:6.1f} KiB  {next(iter(found))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="", help="part of a table's name")
    args = parser.parse_args()
    main(args.out, args.only)
