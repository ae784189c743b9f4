"""Golden fixtures of the diffusers networks: seeded small models, an input, the output and the input's gradient.

    python python/reference/networks.py parity

Each network is one safetensors file: `weights.*` (the checkpoint's own keys), `golden.*`, and config.json in the
metadata. The gradient is that of sum(output * cotangent). Pictures and latents are channels-last, as in the engine;
weights are rounded to f16 where that is how the file stores them, so the rounded values are the truth.
"""

import argparse
import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDPMScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LCMScheduler,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import CLIPTextConfig, CLIPTextModel

from versions import versions

UNET = dict(
    sample_size=8,
    in_channels=4,
    out_channels=4,
    block_out_channels=(16, 24),
    layers_per_block=1,
    down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    cross_attention_dim=12,
    norm_num_groups=8,
    attention_head_dim=(2, 4),
    use_linear_projection=True,
)
# Laid out as SDXL's: no attention at the first level, several transformer layers, two residual blocks a level.
UNET_DEEP = dict(
    sample_size=8,
    in_channels=4,
    out_channels=4,
    block_out_channels=(8, 8, 16),
    layers_per_block=2,
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    transformer_layers_per_block=(1, 1, 2),
    cross_attention_dim=12,
    norm_num_groups=4,
    attention_head_dim=(1, 2, 4),
    use_linear_projection=False,
    flip_sin_to_cos=False,
    freq_shift=1,
)
VAE = dict(
    block_out_channels=(8, 8, 16),
    layers_per_block=1,
    latent_channels=4,
    norm_num_groups=4,
    down_block_types=("DownEncoderBlock2D",) * 3,
    up_block_types=("UpDecoderBlock2D",) * 3,
    scaling_factor=0.5,
)
OLD_SPELLING = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def seeded(make, seed, half=False):
    """A model with every parameter away from its initial value (zero biases and unit norms would hide mistakes)."""
    torch.manual_seed(seed)
    model = make().eval().requires_grad_(False)
    for p in model.parameters():
        p.add_(0.1 * torch.randn_like(p))
        if half:
            p.copy_(p.half().float())
    return model


def last(x):
    """NCHW to channels-last."""
    return x.permute(0, 2, 3, 1).contiguous() if x.dim() == 4 else x.contiguous()


def golden(run, x, seed):
    """Value and input gradient of `run` at `x`."""
    x = x.clone().requires_grad_(True)
    y = run(x)
    cotangent = torch.randn(y.shape, generator=torch.Generator().manual_seed(seed))
    (gradient,) = torch.autograd.grad((y * cotangent).sum(), x)
    return y.detach(), cotangent, gradient


def save(path, weights, tensors, config, half=False):
    data = {f"weights.{k}": (v.half() if half else v).contiguous() for k, v in weights.items()}
    data |= {f"golden.{k}": v.clone() for k, v in tensors.items()}
    save_file(data, path, metadata={"config": json.dumps(config, default=list), "versions": versions()})
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


def fixture(path, model, run, x, extra=None, keep=lambda key: True, rename=lambda key: key, half=False):
    y, cotangent, gradient = golden(run, x, 7)
    tensors = {"input": last(x), "output": last(y), "cotangent": last(cotangent), "gradient": last(gradient)}
    weights = {rename(k): v for k, v in model.state_dict().items() if keep(k)}
    save(path, weights, tensors | (extra or {}), dict(model.config), half)


def unets(out):
    for name, config, timestep, half in (("unet", UNET, 999, True), ("unet_deep", UNET_DEEP, 400, True)):
        model = seeded(lambda: UNet2DConditionModel(**config), 1, half)
        context = torch.randn(1, 6, config["cross_attention_dim"])
        x = torch.randn(1, 4, 5, 7)
        fixture(
            out / f"{name}.safetensors",
            model,
            lambda x: model(x, timestep, context).sample,
            x,
            {"context": context, "timestep": torch.tensor([timestep], dtype=torch.int32)},
            half=half,
        )


def decoders(out):
    decoder = lambda key: key.startswith(("decoder.", "post_quant_conv."))
    model = seeded(lambda: AutoencoderKL(**VAE), 2)
    x = torch.randn(1, 4, 3, 5)
    fixture(out / "autoencoder_kl.safetensors", model, lambda x: model.decode(x).sample, x, keep=decoder)

    def old(key):
        for new, before in OLD_SPELLING.items():
            key = key.replace(f"attentions.0.{new}.", f"attentions.0.{before}.")
        return key

    config = VAE | dict(block_out_channels=(8, 16), use_post_quant_conv=False, use_quant_conv=False)
    config |= dict(down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2)
    model = seeded(lambda: AutoencoderKL(**config), 3)
    path = out / "autoencoder_kl_old.safetensors"
    fixture(path, model, lambda x: model.decode(x).sample, x, keep=decoder, rename=old)

    tiny = dict(encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8))
    tiny |= dict(num_encoder_blocks=(1, 1), num_decoder_blocks=(2, 1))
    model = seeded(lambda: AutoencoderTiny(**tiny), 4)
    path = out / "autoencoder_tiny.safetensors"
    fixture(path, model, lambda x: model.decode(x).sample, 3 * x, keep=decoder)


TURBO = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, timestep_spacing="trailing")
SCHEDULERS = {
    "euler": (EulerDiscreteScheduler, TURBO, None),
    "euler_v": (EulerDiscreteScheduler, TURBO | dict(prediction_type="v_prediction"), None),
    "euler_ancestral": (EulerAncestralDiscreteScheduler, TURBO, None),
    "flow_match": (FlowMatchEulerDiscreteScheduler, dict(shift=3.0), None),
    "lcm": (LCMScheduler, TURBO | dict(timestep_spacing="leading"), 800),
    "ddpm": (DDPMScheduler, dict(beta_schedule="linear", clip_sample=False), 400),
}


def one_step(scheduler, timestep, z, model):
    """x0 of a single step by diffusers' own scheduler, and what the model was asked."""
    if isinstance(scheduler, DDPMScheduler):
        t = torch.tensor(timestep)
        return scheduler.step(model(z, t), t, z).pred_original_sample, z, t
    if timestep is None:
        scheduler.set_timesteps(1)
    else:
        scheduler.set_timesteps(timesteps=[timestep])
    (t,) = scheduler.timesteps
    flow = isinstance(scheduler, FlowMatchEulerDiscreteScheduler)
    sample = z if flow else z * scheduler.init_noise_sigma
    asked = sample if flow else scheduler.scale_model_input(sample, t)
    return scheduler.step(model(asked, t), t, sample, return_dict=False)[0], asked, t


def schedulers(out):
    torch.manual_seed(5)
    z, prediction = torch.randn(1, 4, 3, 5), torch.randn(1, 4, 3, 5)
    tensors, configs = {"z": z, "prediction": prediction}, {}
    for name, (cls, config, timestep) in SCHEDULERS.items():
        scheduler = cls(**config)
        x0, asked, t = one_step(scheduler, timestep, z, lambda x, t: prediction)
        tensors |= {f"{name}.x0": x0, f"{name}.input": asked, f"{name}.timestep": t.float().reshape(1)}
        configs[name] = {"config": {"_class_name": cls.__name__} | dict(scheduler.config), "timestep": timestep}
    save(out / "schedulers.safetensors", {}, tensors, configs)


def tiny_tokenizer(folder, length, vocabulary):
    """A tokenizer of single letters with `<s>` and `</s>` as its last two ids, as CLIP's has them; pads with `</s>`."""
    letters = [chr(ord("!") + i) for i in range(vocabulary - 2)]
    ids = {token: i for i, token in enumerate([*letters, "<s>", "</s>"])}
    tokenizer = Tokenizer(BPE(vocab=ids, merges=[], unk_token="!"))
    special = [("<s>", ids["<s>"]), ("</s>", ids["</s>"])]
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=special)
    tokenizer.add_special_tokens(["<s>", "</s>"])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"model_max_length": length, "pad_token": "</s>", "eos_token": "</s>", "unk_token": "!"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def pipeline(out):
    """A whole generator folder with f16 weights, and z -> picture with the gradient at z, for SD-Turbo's scheduler.

    Its decoder has a shift_factor, which StableDiffusionPipeline does not use. `masked.*` is the same folder with
    `use_attention_mask` in the text encoder's config: StableDiffusionPipeline then passes the tokenizer's mask on.
    """
    folder = out / "pipeline"
    unet = seeded(lambda: UNet2DConditionModel(**UNET | dict(block_out_channels=(8, 16))), 11, half=True)
    vae = seeded(lambda: AutoencoderKL(**VAE | dict(shift_factor=0.1)), 12, half=True)
    text_config = CLIPTextConfig(
        vocab_size=40,
        hidden_size=12,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        max_position_embeddings=8,
        hidden_act="quick_gelu",
        bos_token_id=38,
        eos_token_id=39,
    )
    text = seeded(lambda: CLIPTextModel(text_config), 13, half=True)
    scheduler = EulerDiscreteScheduler(**TURBO)
    unet.half().save_pretrained(folder / "unet")
    vae.half().save_pretrained(folder / "vae")
    text.half().save_pretrained(folder / "text_encoder")
    scheduler.save_pretrained(folder / "scheduler")
    tiny_tokenizer(folder / "tokenizer", 8, 40)
    parts = {
        "text_encoder": ["transformers", "CLIPTextModel"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    }
    index = {"_class_name": "StableDiffusionPipeline"} | parts
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")

    for model in (unet, vae, text):
        model.float()
    ids = torch.tensor([[38, 5, 17, 9, 39, 39, 39, 39]])
    torch.manual_seed(14)
    z = torch.randn(1, 4, 4, 6)
    tensors = {"z": z, "ids": ids.int()}
    for prefix, mask in (("", None), ("masked.", torch.tensor([[1, 1, 1, 1, 1, 0, 0, 0]]))):
        context = text(ids, attention_mask=mask).last_hidden_state

        def run(z):
            x0, _, _ = one_step(scheduler, None, z, lambda x, t: unet(x, t, context).sample)
            pixels = vae.decode(x0 / vae.config.scaling_factor).sample
            return (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)

        image, cotangent, gradient = golden(run, z, 15)
        print(f"pipeline: {((image > 0) & (image < 1)).float().mean():.2f} of the picture is not clamped")
        made = {"context": context, "image": image, "cotangent": cotangent, "gradient": gradient}
        tensors |= {f"{prefix}{k}": v for k, v in made.items()}
    tensors = {k: v.contiguous() for k, v in tensors.items()}
    save_file(tensors, folder / "golden.safetensors", metadata={"versions": versions()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    unets(args.out)
    decoders(args.out)
    schedulers(args.out)
    pipeline(args.out)
