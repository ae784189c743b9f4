"""Golden fixtures of the SDXL family: UNets with text_time, the projected text encoder, a whole small pipeline.

    python tools/reference/sdxl.py test/fixtures
"""

import argparse
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from networks import fixture, save, seeded

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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    unets(args.out)
    texts(args.out)
