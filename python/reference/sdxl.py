"""Golden fixtures of the SDXL family: UNets with text_time, the projected text encoder, a whole small pipeline.

    python python/reference/sdxl.py parity
"""

import argparse
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    EulerAncestralDiscreteScheduler,
    LCMScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, PreTrainedTokenizerFast

from networks import TURBO, VAE, fixture, golden, save, seeded, tiny_tokenizer

# SDXL's own layout: no attention at the first level, more transformer layers further down, a head count a level.
UNET = dict(
    sample_size=8,
    block_out_channels=(8, 8, 16),
    layers_per_block=2,
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    transformer_layers_per_block=(1, 2, 3),
    attention_head_dim=(1, 2, 4),
    cross_attention_dim=20,
    norm_num_groups=4,
    use_linear_projection=True,
    addition_embed_type="text_time",
    addition_time_embed_dim=6,
    projection_class_embeddings_input_dim=10 + 6 * 6,
)
# The same kind with one head count for all levels, the other order of sinusoids, and five sizes as the refiner has.
UNET_FLAT = UNET | dict(
    block_out_channels=(8, 16),
    layers_per_block=1,
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    transformer_layers_per_block=(1, 2),
    attention_head_dim=4,
    flip_sin_to_cos=False,
    freq_shift=1,
    projection_class_embeddings_input_dim=10 + 5 * 6,
)


def unets(out):
    variants = (("unet_sdxl", UNET, 999, (512, 640, 0, 8, 512, 640)), ("unet_sdxl_flat", UNET_FLAT, 800, (96, 64, 3, 0, 6)))
    for name, config, timestep, sizes in variants:
        model = seeded(lambda: UNet2DConditionModel(**config), 21, half=True)
        context, text_embeds = torch.randn(1, 6, 20), torch.randn(1, 10)
        added = {"text_embeds": text_embeds, "time_ids": torch.tensor([sizes], dtype=torch.float32)}
        x = torch.randn(1, 4, 5, 7)
        extra = {"context": context, "text_embeds": text_embeds}
        extra |= {"timestep": torch.tensor([timestep], dtype=torch.int32), "time_ids": torch.tensor(sizes, dtype=torch.int32)}
        path = out / f"{name}.safetensors"
        fixture(path, model, lambda x: model(x, timestep, context, added_cond_kwargs=added).sample, x, extra, half=True)


TEXT = dict(
    vocab_size=40,
    hidden_size=12,
    intermediate_size=24,
    num_hidden_layers=3,
    num_attention_heads=3,
    max_position_embeddings=8,
    bos_token_id=38,
    projection_dim=10,
)


def texts(out):
    """Nothing flows back through a text encoder, so the input here only scales what it says: hidden_states[-2], then text_embeds."""
    # Configurations of before transformers 4.31 say eos 2; the second tower of SDXL pads with token 0.
    variants = (("gelu", 2, [38, 5, 17, 9, 39, 0, 0, 0]), ("quick_gelu", 39, [38, 7, 39, 39, 39, 39, 39]))
    for act, eos, tokens in variants:
        config = CLIPTextConfig(**TEXT, hidden_act=act, eos_token_id=eos)
        model = seeded(lambda: CLIPTextModelWithProjection(config), 22, half=True)
        ids = torch.tensor([tokens])
        said = model(ids, output_hidden_states=True)
        state = torch.cat([said.hidden_states[-2].flatten(), said.text_embeds.flatten()])
        x = torch.randn(state.shape, requires_grad=True)
        cotangent = torch.randn(state.shape)
        (gradient,) = torch.autograd.grad((x * state * cotangent).sum(), x)
        golden = {"input": x, "output": x * state, "cotangent": cotangent, "gradient": gradient, "ids": ids.int()}
        golden = {key: value.detach() for key, value in golden.items()}
        save(out / f"clip_text_projection_{act}.safetensors", model.state_dict(), golden, config.to_dict(), half=True)


PROMPT = "4 CATS"
PIPELINE_UNET = UNET_FLAT | dict(
    flip_sin_to_cos=True,
    freq_shift=0,
    attention_head_dim=(1, 2),
    projection_class_embeddings_input_dim=10 + 6 * 6,
)


def tokenizer(folder, pad):
    """As SDXL's: the first pads with the end-of-text token, the second with "!", whose id is 0."""
    tiny_tokenizer(folder, 10, 40)
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), model_max_length=10, pad_token=pad, eos_token="</s>", unk_token="!"
    )


def one_step(pipe, timesteps, z, embeds, pooled):
    """The body of ReNO's RewardStableDiffusionXL.apply: one step of diffusers' scheduler, UNet and decoder."""
    height, width = (side * pipe.vae_scale_factor for side in z.shape[2:])
    pipe.scheduler.set_timesteps(**timesteps)
    (t,) = pipe.scheduler.timesteps
    latents = z * pipe.scheduler.init_noise_sigma
    asked = pipe.scheduler.scale_model_input(latents, t)
    time_ids = pipe._get_add_time_ids((height, width), (0, 0), (height, width), z.dtype, text_encoder_projection_dim=10)
    added = {"text_embeds": pooled, "time_ids": time_ids}
    predicted = pipe.unet(asked, t, encoder_hidden_states=embeds, added_cond_kwargs=added).sample
    latents = pipe.scheduler.step(predicted, t, latents, return_dict=False)[0]
    pixels = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    return (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)


def pipeline(out):
    """A generator folder with f16 weights as diffusers saves it, and z -> picture as SDXL-Turbo and as HyperSDXL do it."""
    folder = out / "pipeline_sdxl"
    tower = TEXT | dict(max_position_embeddings=12, eos_token_id=2)
    first = CLIPTextConfig(**tower | dict(hidden_size=8, num_attention_heads=2), hidden_act="quick_gelu")
    second = CLIPTextConfig(**tower, hidden_act="gelu")
    parts = {
        "vae": seeded(lambda: AutoencoderKL(**VAE | dict(scaling_factor=0.4, force_upcast=True)), 23, half=True),
        "text_encoder": seeded(lambda: CLIPTextModel(first), 24, half=True),
        "text_encoder_2": seeded(lambda: CLIPTextModelWithProjection(second), 25, half=True),
        "unet": seeded(lambda: UNet2DConditionModel(**PIPELINE_UNET), 26, half=True),
    }
    for name, pad in (("tokenizer", "</s>"), ("tokenizer_2", "!")):
        parts[name] = tokenizer(folder / name, pad)
    pipe = StableDiffusionXLPipeline(**parts, scheduler=EulerAncestralDiscreteScheduler(**TURBO), add_watermarker=False)
    pipe.to(torch.float16).save_pretrained(folder)
    pipe.to(torch.float32)

    embeds, _, pooled, _ = pipe.encode_prompt(PROMPT, do_classifier_free_guidance=False)
    torch.manual_seed(27)
    tensors = {"z": torch.randn(1, 4, 4, 6), "embeds": embeds, "pooled": pooled}
    for name in ("tokenizer", "tokenizer_2"):
        ids = getattr(pipe, name)(PROMPT, padding="max_length", max_length=10, truncation=True).input_ids
        tensors[f"{name}.ids"] = torch.tensor([ids], dtype=torch.int32)
    for name, scheduler, timesteps in (("turbo", None, {"num_inference_steps": 1}), ("hyper", LCMScheduler, {"timesteps": [800]})):
        if scheduler:
            pipe.scheduler = scheduler.from_config(pipe.scheduler.config)
        image, cotangent, gradient = golden(lambda z: one_step(pipe, timesteps, z, embeds, pooled), tensors["z"], 28)
        print(f"pipeline_sdxl, {name}: {((image > 0) & (image < 1)).float().mean():.2f} of the picture is not clamped")
        tensors |= {f"{name}.image": image, f"{name}.cotangent": cotangent, f"{name}.gradient": gradient}
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, folder / "golden.safetensors")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    unets(args.out)
    texts(args.out)
    pipeline(args.out)
