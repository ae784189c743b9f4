"""Golden pictures of diffusers' own pipelines in several steps, on the small generators that other scripts here made.

    python python/reference/multi_step.py parity

Reads pipeline, pipeline_sdxl and flux_pipeline there, puts other schedulers into them and writes multi_step.safetensors:
for each case the denoised latents `<case>.latents` (FLUX's packed) and the picture `<case>.image` [1,H,W,3]; the metadata
holds the cases. The first draw of a CPU generator of the case's seed is the noise, the next ones are the scheduler's
fresh noise.
"""

import argparse
import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    LCMScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, PreTrainedTokenizerFast

PROMPTS = {"pipeline": "a photo of a cat", "pipeline_sdxl": "4 CATS", "flux_pipeline": "A:cat"}
SD = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
SDXL = SD | dict(timestep_spacing="leading", steps_offset=1)
TRAILING = SD | dict(timestep_spacing="trailing")
CASES = {
    "euler_1": (EulerDiscreteScheduler, TRAILING, 1, 1.0),
    "euler_1_guided": (EulerDiscreteScheduler, TRAILING, 1, 7.5),
    "euler_4": (EulerDiscreteScheduler, SDXL, 4, 1.0),
    "euler_4_guided": (EulerDiscreteScheduler, SDXL, 4, 5.0),
    "pndm_4_guided": (PNDMScheduler, SD | dict(steps_offset=1, skip_prk_steps=True), 4, 7.5),
    "ancestral_4_guided": (EulerAncestralDiscreteScheduler, TRAILING, 4, 3.0),
    "lcm_4": (LCMScheduler, SD, 4, 1.0),
    "ddpm_4_guided": (DDPMScheduler, SDXL | dict(clip_sample=False), 4, 2.0),
    "ddim_4_guided": (DDIMScheduler, SDXL | dict(clip_sample=False, set_alpha_to_one=False), 4, 7.5),
    "sdxl_4": (EulerDiscreteScheduler, SDXL, 4, 1.0),
    "sdxl_4_guided": (EulerDiscreteScheduler, SDXL, 4, 5.0),
    "sdxl_4_guided_empty": (EulerDiscreteScheduler, SDXL, 4, 5.0),
    "flux_1": (FlowMatchEulerDiscreteScheduler, dict(shift=1.0), 1, 0.0),
    "flux_4": (FlowMatchEulerDiscreteScheduler, dict(shift=1.0), 4, 0.0),
    "flux_4_dynamic": (FlowMatchEulerDiscreteScheduler, dict(shift=3.0, use_dynamic_shifting=True), 4, 0.0),
}


def picture(vae, latents, shift=0.0):
    """`shift`: what the pipeline adds before decoding. FluxPipeline adds the decoder's shift_factor, the others do not."""
    pixels = vae.decode(latents / vae.config.scaling_factor + shift).sample
    return (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)


def load(cls, path):
    return cls.from_pretrained(path).float()


def stable_diffusion(folder):
    unet, vae = load(UNet2DConditionModel, folder / "unet"), load(AutoencoderKL, folder / "vae")
    text = load(CLIPTextModel, folder / "text_encoder")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    fill = dict(padding="max_length", max_length=8, truncation=True, return_tensors="pt")
    embeds = [text(tokenizer(prompt, **fill).input_ids).last_hidden_state for prompt in (PROMPTS["pipeline"], "")]

    def run(name, scheduler, steps, guidance, generator):
        pipe = StableDiffusionPipeline(vae, text, tokenizer, unet, scheduler, None, None, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        z = torch.randn(1, 4, 4, 6, generator=generator)
        given = dict(prompt_embeds=embeds[0], negative_prompt_embeds=embeds[1], height=16, width=24)
        given |= dict(num_inference_steps=steps, guidance_scale=guidance, output_type="latent")
        latents = pipe(latents=z, generator=generator, **given).images
        return latents, picture(vae, latents)

    return run


def stable_diffusion_xl(folder):
    unet, vae = load(UNet2DConditionModel, folder / "unet"), load(AutoencoderKL, folder / "vae")
    texts = load(CLIPTextModel, folder / "text_encoder"), load(CLIPTextModelWithProjection, folder / "text_encoder_2")
    tokenizers = [PreTrainedTokenizerFast.from_pretrained(folder / name) for name in ("tokenizer", "tokenizer_2")]

    def run(name, scheduler, steps, guidance, generator):
        zeros = not name.endswith("empty")
        pipe = StableDiffusionXLPipeline(
            vae, *texts, *tokenizers, unet, scheduler, force_zeros_for_empty_prompt=zeros, add_watermarker=False
        )
        pipe.set_progress_bar_config(disable=True)
        z = torch.randn(1, 4, 4, 6, generator=generator)
        given = dict(prompt=PROMPTS["pipeline_sdxl"], height=16, width=24, output_type="latent")
        given |= dict(num_inference_steps=steps, guidance_scale=guidance)
        latents = pipe(latents=z, generator=generator, **given).images
        return latents, picture(vae, latents)

    return run


def flux(folder):
    transformer, vae = load(FluxTransformer2DModel, folder / "transformer"), load(AutoencoderKL, folder / "vae")
    golden = load_file(folder / "golden.safetensors")

    def run(name, scheduler, steps, guidance, generator):
        pipe = FluxPipeline(scheduler, vae, None, None, None, None, transformer)
        pipe.set_progress_bar_config(disable=True)
        rows, columns, scale = 3, 4, 2 * pipe.vae_scale_factor
        size = dict(height=rows * scale, width=columns * scale)
        z = torch.randn(1, rows * columns, transformer.config.in_channels, generator=generator)
        given = dict(prompt_embeds=golden["context"], pooled_prompt_embeds=golden["pooled"], output_type="latent")
        given |= dict(num_inference_steps=steps, guidance_scale=guidance)
        latents = pipe(latents=z, **size, **given).images
        return latents, picture(vae, FluxPipeline._unpack_latents(latents, *size.values(), pipe.vae_scale_factor), vae.config.shift_factor)

    return run


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    families = {"sdxl": (stable_diffusion_xl, "pipeline_sdxl"), "flux": (flux, "flux_pipeline")}
    runs, tensors, cases = {}, {}, {}
    for seed, (name, (cls, config, steps, guidance)) in enumerate(CASES.items(), 31):
        make, folder = families.get(name.split("_")[0], (stable_diffusion, "pipeline"))
        runs[folder] = runs.get(folder) or make(args.out / folder)
        # Published PNDM configs do not say timestep_spacing, and the two classes' defaults differ.
        full = config if cls is PNDMScheduler else dict(cls(**config).config)
        used = EulerDiscreteScheduler(**{k: v for k, v in config.items() if k != "skip_prk_steps"}) if cls is PNDMScheduler else cls(**config)
        latents, image = runs[folder](name, used, steps, guidance, torch.Generator().manual_seed(seed))
        inside = ((image > 0) & (image < 1)).float().mean()
        print(f"{name}: {inside:.2f} of the picture is not clamped, latents of size {latents.std():.2f}")
        tensors |= {f"{name}.latents": latents, f"{name}.image": image}
        cases[name] = {"folder": folder, "prompt": PROMPTS[folder], "scheduler": {"_class_name": cls.__name__} | full}
        cases[name] |= {"steps": steps, "guidance": guidance, "seed": seed}
    path = args.out / "multi_step.safetensors"
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata={"cases": json.dumps(cases)})
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")
