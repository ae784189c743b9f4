"""Settings of a model folder that change the arithmetic, or that a pipeline does not use: pictures by diffusers' own pipelines.

    python python/reference/config_settings.py parity

Each case opens a committed golden folder with changed configs, as a user would, and runs the public pipeline's `__call__` for one step
from the folder's own `z`. The file has, for each case, the picture, a cotangent, and the gradient at z of sum(picture * cotangent);
the changes stand in its metadata. All is computed in float64: with v_prediction at the first timestep, float32's own rounding of the
gradient is an NMSE of 5e-12.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import PixArtAlphaPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from networks import golden
from versions import versions

VAE = "vae/config.json"
SCHEDULER = "scheduler/scheduler_config.json"
# Folder, and the keys that are added to its configs.
CASES = {
    "sd_scaling": ("pipeline", {VAE: {"scaling_factor": 0.9}}),
    "sd_prediction": ("pipeline", {SCHEDULER: {"prediction_type": "v_prediction"}}),
    "sdxl_shift": ("pipeline_sdxl", {VAE: {"shift_factor": 0.3}}),
    "sdxl_scaling": ("pipeline_sdxl", {VAE: {"scaling_factor": 0.9}}),
    "sdxl_mask": ("pipeline_sdxl", {"text_encoder/config.json": {"use_attention_mask": True}}),
    "pixart_shift": ("pipeline_pixart", {VAE: {"shift_factor": 0.3}}),
    "pixart_scaling": ("pipeline_pixart", {VAE: {"scaling_factor": 0.9}}),
}
CLASSES = {
    "pipeline": StableDiffusionPipeline,
    "pipeline_sdxl": StableDiffusionXLPipeline,
    "pipeline_pixart": PixArtAlphaPipeline,
}


def opened(source, changes):
    """The pipeline of a copy of the folder with the changed configs."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "model"
        shutil.copytree(source, folder)
        for path, values in changes.items():
            config = json.loads((folder / path).read_text())
            (folder / path).write_text(json.dumps(config | values))
        parts = {}
        if source.name == "pipeline":
            # The folder's model_index.json names no tokenizer.
            settings = json.loads((folder / "tokenizer/tokenizer_config.json").read_text())
            parts["tokenizer"] = PreTrainedTokenizerFast(
                tokenizer_file=str(folder / "tokenizer/tokenizer.json"), **settings
            )
            parts |= dict(safety_checker=None, feature_extractor=None)
        return CLASSES[source.name].from_pretrained(folder, torch_dtype=torch.float64, **parts)


def picture(pipe, name, z, fixture):
    """`__call__` without its no_grad, for one step and without guidance."""
    call = type(pipe).__call__.__wrapped__
    given = dict(guidance_scale=1.0, height=16, width=24, latents=z, output_type="pt")
    if name == "pipeline":
        given |= dict(prompt="&2*", num_inference_steps=1)
    elif name == "pipeline_sdxl":
        given |= dict(prompt="4 CATS", num_inference_steps=1, guidance_scale=0.0)
    else:
        given |= dict(prompt_embeds=fixture["context"].double(), prompt_attention_mask=fixture["mask"], negative_prompt=None)
        given |= dict(timesteps=[400], use_resolution_binning=False)
    return call(pipe, **given).images.permute(0, 2, 3, 1)


def main(out):
    tensors = {}
    for case, (name, changes) in CASES.items():
        fixture = load_file(out / name / "golden.safetensors")
        pipe = opened(out / name, changes)
        pipe.set_progress_bar_config(disable=True)
        for part in pipe.components.values():
            if isinstance(part, torch.nn.Module):
                part.eval().requires_grad_(False)
        image, cotangent, gradient = golden(lambda z: picture(pipe, name, z, fixture), fixture["z"].double(), 41)
        print(f"{case}: {((image > 0) & (image < 1)).float().mean():.2f} of the picture is not clamped")
        tensors |= {f"{case}.image": image, f"{case}.cotangent": cotangent, f"{case}.gradient": gradient}
    data = {key: value.float().contiguous() for key, value in tensors.items()}
    changes = {case: changes for case, (_, changes) in CASES.items()}
    save_file(data, out / "config_settings.safetensors", metadata={"changes": json.dumps(changes), "versions": versions()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    main(args.out)
