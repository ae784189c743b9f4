"""The configs that several versions of diffusers write for their defaults, read from the sources without running them.

    pip download --no-deps diffusers==VERSION -d wheels     for each version
    python python/reference/config_defaults.py parity wheels

`save_pretrained` writes every argument of a class's `__init__`, so a reader here has to know the arguments of all versions.
"""

import ast
import json
import sys
import zipfile
from pathlib import Path

CLASSES = {
    "UNet2DConditionModel": ["models/unets/unet_2d_condition.py", "models/unet_2d_condition.py"],
    "AutoencoderKL": ["models/autoencoders/autoencoder_kl.py", "models/autoencoder_kl.py"],
    "AutoencoderTiny": ["models/autoencoders/autoencoder_tiny.py", "models/autoencoder_tiny.py"],
    "PixArtTransformer2DModel": ["models/transformers/pixart_transformer_2d.py"],
    "Transformer2DModel": ["models/transformers/transformer_2d.py", "models/transformer_2d.py"],
    "FluxTransformer2DModel": ["models/transformers/transformer_flux.py"],
    "EulerDiscreteScheduler": ["schedulers/scheduling_euler_discrete.py"],
    "EulerAncestralDiscreteScheduler": ["schedulers/scheduling_euler_ancestral_discrete.py"],
    "FlowMatchEulerDiscreteScheduler": ["schedulers/scheduling_flow_match_euler_discrete.py"],
    "LCMScheduler": ["schedulers/scheduling_lcm.py"],
    "DDPMScheduler": ["schedulers/scheduling_ddpm.py"],
    "DDIMScheduler": ["schedulers/scheduling_ddim.py"],
    "PNDMScheduler": ["schedulers/scheduling_pndm.py"],
    "DPMSolverMultistepScheduler": ["schedulers/scheduling_dpmsolver_multistep.py"],
}


def value(node):
    """A default as JSON; infinities, which JSON has not, and required arguments are left out by the caller."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return str(ast.unparse(node))


def arguments(source, name):
    (cls,) = [n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == name]
    (init,) = [n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    names = [a.arg for a in init.args.args][1:]
    given = [value(d) for d in init.args.defaults]
    found = dict(zip(names[len(names) - len(given) :], given))
    return {k: v for k, v in found.items() if not (isinstance(v, str) and "inf" in v)}


def main(out, wheels):
    versions = {}
    for wheel in sorted(Path(wheels).glob("diffusers-*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            members = set(archive.namelist())
            version = wheel.name.split("-")[1]
            versions[version] = {
                name: {"_class_name": name, "_diffusers_version": version} | arguments(archive.read(path), name)
                for name, paths in CLASSES.items()
                for path in [f"diffusers/{p}" for p in paths if f"diffusers/{p}" in members][:1]
            }
    path = Path(out) / "config_defaults.json"
    path.write_text(json.dumps(versions, indent=1) + "\n")
    print({v: len(c) for v, c in versions.items()}, path.stat().st_size)


if __name__ == "__main__":
    main(*sys.argv[1:])
