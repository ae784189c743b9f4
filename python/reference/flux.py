"""Golden fixtures of FLUX: the transformer, one block of each kind, and a whole small pipeline folder.

    python python/reference/flux.py parity

Files are as those of networks.py. Images and latents of the pipeline are channels-last. The frequencies of the timestep's
sinusoids are rounded to the nearest f32 here: torch's exp is good to one unit in the last place, which moves an angle of
1000 by 6e-5 and would be all that is left of a difference.
"""

import argparse
import json
import math
from pathlib import Path
from types import SimpleNamespace

import diffusers.models.embeddings
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from diffusers.models.transformers.transformer_flux import (
    FluxPosEmbed,
    FluxSingleTransformerBlock,
    FluxTransformerBlock,
)
from networks import VAE, fixture, golden, seeded, tiny_tokenizer
from pixart import T5, t5
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

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
    """get_timestep_embedding, for what FLUX asks of it, with an exp that rounds to nearest."""
    assert flip_sin_to_cos and downscale_freq_shift == 0 and scale == 1
    exponent = -math.log(10000) * torch.arange(dim // 2, dtype=torch.float32) / (dim // 2)
    angles = timesteps[:, None].float() * exponent.double().exp().float()[None, :]
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


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


PROMPT = "A:cat"
CLIP_TOKENS, T5_TOKENS = 9, 6


def letters(prompt, length, vocabulary):
    """Ids that `tiny_tokenizer` gives."""
    ids = [vocabulary - 2, *(ord(c) - ord("!") for c in prompt)][: length - 1] + [vocabulary - 1]
    return torch.tensor([ids + [vocabulary - 1] * (length - len(ids))])


def pipeline(out):
    """A whole generator folder with f16 weights; packed noise -> picture, by diffusers' own pipeline."""
    folder = out / "flux_pipeline"
    vae_config = VAE | dict(block_out_channels=(8, 8), scaling_factor=0.3611, shift_factor=0.1159)
    vae_config |= dict(down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2)
    vae_config |= dict(use_quant_conv=False, use_post_quant_conv=False)
    clip_config = CLIPTextConfig(
        vocab_size=90,
        hidden_size=12,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        max_position_embeddings=CLIP_TOKENS,
        hidden_act="quick_gelu",
        bos_token_id=88,
        eos_token_id=2,  # as FLUX's: pooled at the highest id
    )
    t5_config = T5 | dict(vocab_size=90)
    config = TRANSFORMER | dict(in_channels=16, num_layers=1, num_single_layers=1)
    config |= dict(joint_attention_dim=t5_config["d_model"])
    parts = {
        "transformer": seeded(lambda: FluxTransformer2DModel(**config), 61, half=True),
        "vae": seeded(lambda: AutoencoderKL(**vae_config), 62, half=True),
        "text_encoder": seeded(lambda: CLIPTextModel(clip_config), 63, half=True),
        "text_encoder_2": t5(t5_config, 64),
    }
    index = {"_class_name": "FluxPipeline", "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"]}
    for name, model in parts.items():
        model.half().save_pretrained(folder / name)
        model.float()
        index[name] = ["transformers" if name.startswith("text") else "diffusers", type(model).__name__]
    scheduler = FlowMatchEulerDiscreteScheduler(shift=1.0)
    scheduler.save_pretrained(folder / "scheduler")
    tiny_tokenizer(folder / "tokenizer", CLIP_TOKENS, 90)
    tiny_tokenizer(folder / "tokenizer_2", T5_TOKENS, 90)
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")

    pooled = parts["text_encoder"](letters(PROMPT, CLIP_TOKENS, 90)).pooler_output
    context = parts["text_encoder_2"](letters(PROMPT, T5_TOKENS, 90)).last_hidden_state
    pipe = FluxPipeline(scheduler=scheduler, tokenizer=None, tokenizer_2=None, **parts)
    pipe.set_progress_bar_config(disable=True)
    scale = 2 * pipe.vae_scale_factor

    def run(z):
        images = FluxPipeline.__call__.__wrapped__(  # without torch.no_grad
            pipe,
            prompt_embeds=context,
            pooled_prompt_embeds=pooled,
            latents=z.flatten(1, 2),
            height=ROWS * scale,
            width=COLUMNS * scale,
            num_inference_steps=1,
            guidance_scale=0.0,
            output_type="pt",
        ).images
        return images.permute(0, 2, 3, 1)

    torch.manual_seed(65)
    z = torch.randn(1, ROWS, COLUMNS, config["in_channels"])
    image, cotangent, gradient = golden(run, z, 66)
    print(f"flux_pipeline: {((image > 0) & (image < 1)).float().mean():.2f} of the picture is not clamped")
    tensors = {"z": z, "context": context, "pooled": pooled}
    tensors |= {"image": image, "cotangent": cotangent, "gradient": gradient}
    latents = torch.randn(1, ROWS * COLUMNS, config["in_channels"])
    unpacked = FluxPipeline._unpack_latents(latents, ROWS * scale, COLUMNS * scale, pipe.vae_scale_factor)
    tensors |= {"packed": latents, "unpacked": unpacked.permute(0, 2, 3, 1)}
    tensors |= {"img_ids": FluxPipeline._prepare_latent_image_ids(1, ROWS, COLUMNS, "cpu", torch.float32)}
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "golden.safetensors")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    diffusers.models.embeddings.get_timestep_embedding = sinusoids
    transformers(args.out)
    blocks(args.out)
    pipeline(args.out)
