"""Golden trajectories of diffusers' schedulers: n steps with a fake model that is linear in what it sees and in time.

    python python/reference/schedulers.py parity

steps.safetensors holds, for each case and number of steps, the latents after every step `<case>.<n>` [n+1, 1, 8] (the
first are those that the run starts from) and what the model was told, `<case>.<n>.timesteps` [n]; the metadata holds the
configs. Model: `weight`·x + `bias`·t/1000; fresh noise of step k: `noise`[k].
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LCMScheduler,
)
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from diffusers.schedulers import scheduling_ddpm, scheduling_euler_ancestral_discrete
from diffusers.schedulers import scheduling_flow_match_euler_discrete, scheduling_lcm
from safetensors.torch import save_file

COUNTS = (1, 2, 4, 20, 50)
SD = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
SDXL = SD | dict(timestep_spacing="leading", steps_offset=1)
TRAILING = SD | dict(timestep_spacing="trailing")
V = dict(prediction_type="v_prediction")
X0 = dict(prediction_type="sample")
NO_CLIP = dict(clip_sample=False)
CASES = {
    "euler_sdxl": (EulerDiscreteScheduler, SDXL),
    "euler_sd21": (EulerDiscreteScheduler, SD | dict(steps_offset=1)),
    "euler_trailing_v": (EulerDiscreteScheduler, TRAILING | V),
    "euler_sample": (EulerDiscreteScheduler, X0),
    "euler_sigma_min": (EulerDiscreteScheduler, TRAILING | V | dict(final_sigmas_type="sigma_min")),
    "euler_cosine": (EulerDiscreteScheduler, dict(beta_schedule="squaredcos_cap_v2", timestep_spacing="leading")),
    "ancestral": (EulerAncestralDiscreteScheduler, TRAILING),
    "ancestral_sdxl_v": (EulerAncestralDiscreteScheduler, SDXL | V),
    "ancestral_linspace": (EulerAncestralDiscreteScheduler, SD),
    "flow": (FlowMatchEulerDiscreteScheduler, {}),
    "flow_shift": (FlowMatchEulerDiscreteScheduler, dict(shift=3.0)),
    "flow_schnell": (FlowMatchEulerDiscreteScheduler, dict(shift=1.0), dict(tokens=1024)),
    "flow_dev": (FlowMatchEulerDiscreteScheduler, dict(shift=3.0, use_dynamic_shifting=True), dict(tokens=1024)),
    "flow_linear": (
        FlowMatchEulerDiscreteScheduler,
        dict(use_dynamic_shifting=True, time_shift_type="linear"),
        dict(tokens=3000),
    ),
    "flow_terminal": (FlowMatchEulerDiscreteScheduler, dict(shift=2.0, shift_terminal=0.1), dict(counts=(2, 4, 20))),
    "flow_stochastic": (FlowMatchEulerDiscreteScheduler, dict(stochastic_sampling=True)),
    "lcm": (LCMScheduler, {}),
    "lcm_v": (LCMScheduler, V | dict(original_inference_steps=64, timestep_scaling=0.01)),
    "lcm_sample": (LCMScheduler, X0),
    "ddpm": (DDPMScheduler, NO_CLIP),
    "ddpm_trailing_v": (DDPMScheduler, NO_CLIP | TRAILING | V),
    "ddpm_sample": (DDPMScheduler, NO_CLIP | X0 | dict(timestep_spacing="linspace", variance_type="fixed_small_log")),
    "ddpm_large": (DDPMScheduler, NO_CLIP | SDXL | dict(variance_type="fixed_large")),
    "ddpm_sigmoid": (DDPMScheduler, NO_CLIP | dict(beta_schedule="sigmoid")),
    "ddim": (DDIMScheduler, NO_CLIP | SDXL | dict(set_alpha_to_one=False)),
    "ddim_v": (DDIMScheduler, NO_CLIP | TRAILING | V),
    "ddim_sample": (DDIMScheduler, NO_CLIP | X0 | dict(timestep_spacing="linspace")),
}


def trajectory(cls, config, n, fake, tokens=None, counts=None):
    scheduler = cls(**config)
    mu = None
    if tokens is None:
        scheduler.set_timesteps(n)
    else:  # As FluxPipeline does.
        sigmas = np.linspace(1.0, 1 / n, n)
        if config.get("use_dynamic_shifting"):
            mu = calculate_shift(tokens)
        scheduler.set_timesteps(n, sigmas=sigmas, mu=mu)
    x = fake["z"].clone() * getattr(scheduler, "init_noise_sigma", 1.0)
    states, current = [x], [0]

    def fresh(shape, *args, **kwargs):
        return fake["noise"][current[0]].reshape(shape)

    for module in (
        scheduling_ddpm,
        scheduling_euler_ancestral_discrete,
        scheduling_flow_match_euler_discrete,
        scheduling_lcm,
    ):
        module.randn_tensor = fresh
    for i, t in enumerate(scheduler.timesteps):
        current[0] = i
        seen = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        prediction = fake["weight"] * seen + fake["bias"] * (float(t) / 1000)
        x = scheduler.step(prediction, t, x, return_dict=False)[0]
        states.append(x)
    return torch.stack(states), scheduler.timesteps.float(), mu


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.manual_seed(21)
    fake = {name: torch.randn(1, 8) for name in ("z", "weight", "bias")} | {"noise": torch.randn(50, 8)}
    fake["weight"] = 0.3 * fake["weight"]
    tensors, cases = dict(fake), {}
    for name, (cls, config, *rest) in CASES.items():
        options = rest[0] if rest else {}
        full = {"_class_name": cls.__name__} | dict(cls(**config).config)
        cases[name] = {"config": full, "given": config, "tokens": options.get("tokens"), "counts": []}
        for n in options.get("counts", COUNTS):
            states, timesteps, mu = trajectory(cls, config, n, fake, **options)
            if not torch.isfinite(states).all():
                raise SystemExit(f"{name} with {n} steps is not finite")
            tensors |= {f"{name}.{n}": states, f"{name}.{n}.timesteps": timesteps}
            cases[name]["counts"].append(n)
            cases[name]["mu"] = mu
    path = args.out / "steps.safetensors"
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata={"cases": json.dumps(cases)})
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")
