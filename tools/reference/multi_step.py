"""Golden pictures of diffusers' own StableDiffusionPipeline in several steps, on the small generator of `networks.py`.

    python tools/reference/multi_step.py test/fixtures

Reads test/fixtures/pipeline, puts other schedulers into it and writes multi_step.safetensors: for each case the denoised
latents `<case>.latents` [1,C,h,w] and the picture `<case>.image` [1,H,W,3]; the metadata holds the cases. The first draw
of a CPU generator of the case's seed is the noise, the next ones are the scheduler's fresh noise.
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
    LCMScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import CLIPTextModel, PreTrainedTokenizerFast

PROMPT = "a photo of a cat"
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
}


def run(parts, ids, scheduler, steps, guidance, seed):
    unet, vae, text, tokenizer = parts
    pipeline = StableDiffusionPipeline(vae, text, tokenizer, unet, scheduler, None, None, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(1, 4, 4, 6, generator=generator)
    latents = pipeline(
        prompt_embeds=text(ids["prompt"]).last_hidden_state,
        negative_prompt_embeds=text(ids["empty"]).last_hidden_state,
        latents=z,
        generator=generator,
        height=16,
        width=24,
        num_inference_steps=steps,
        guidance_scale=guidance,
        output_type="latent",
    ).images
    # The pipeline itself forgets shift_factor, which Stable Diffusion's decoder does not have but the fixture does.
    pixels = vae.decode(latents / vae.config.scaling_factor + vae.config.shift_factor).sample
    return latents, (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    folder = args.out / "pipeline"
    parts = [
        UNet2DConditionModel.from_pretrained(folder / "unet").float(),
        AutoencoderKL.from_pretrained(folder / "vae").float(),
        CLIPTextModel.from_pretrained(folder / "text_encoder").float(),
        PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer"),
    ]
    fill = dict(padding="max_length", max_length=8, truncation=True, return_tensors="pt")
    ids = {name: parts[3](text, **fill).input_ids for name, text in (("prompt", PROMPT), ("empty", ""))}
    tensors = {f"ids.{name}": values.int() for name, values in ids.items()}
    cases = {}
    for seed, (name, (cls, config, steps, guidance)) in enumerate(CASES.items(), 31):
        scheduler = cls(**config)
        used = EulerDiscreteScheduler.from_config(scheduler.config) if cls is PNDMScheduler else scheduler
        latents, image = run(parts, ids, used, steps, guidance, seed)
        inside = ((image > 0) & (image < 1)).float().mean()
        print(f"{name}: {inside:.2f} of the picture is not clamped, latents of size {latents.std():.2f}")
        tensors |= {f"{name}.latents": latents, f"{name}.image": image}
        # Published PNDM configs do not say timestep_spacing, and the two classes' defaults differ.
        full = {"_class_name": cls.__name__} | (config if cls is PNDMScheduler else dict(scheduler.config))
        cases[name] = {"scheduler": full, "steps": steps, "guidance": guidance, "seed": seed}
    path = args.out / "multi_step.safetensors"
    metadata = {"cases": json.dumps(cases), "prompt": PROMPT}
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata=metadata)
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")
