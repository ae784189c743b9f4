"""torch.randn of the CPU generator, for test/reno/noise/draw_noise.test.ts.

    python python/reference/noise.py          writes parity/noise.safetensors (torch 2.13.0, x86 with AVX2)

`draws.SEED` holds one generator's successive draws of 5, 16, 17, 3, 512 and 1 values, one after another, so that what a
draw leaves behind (words, and the second normal of a pair) shows in the next; `latents.SEED` is a 4×64×64 latent.
"""
import os

os.environ["ATEN_CPU_CAPABILITY"] = "avx2"  # AVX-512 machines take the same path

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

SIZES = [5, 16, 17, 3, 512, 1]
SEEDS = [0, 1, 42, 2**32 - 1, 2**32 + 7, 2**53 - 1]


def main():
    assert torch.backends.cpu.get_cpu_capability() == "AVX2"
    tensors = {}
    for seed in SEEDS:
        generator = torch.Generator().manual_seed(seed)
        tensors[f"draws.{seed}"] = torch.cat([torch.randn(n, generator=generator) for n in SIZES])
    tensors["latents.42"] = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(42))
    path = os.path.join(os.path.dirname(__file__), "../../parity/noise.safetensors")
    save_file(tensors, path, {"torch": torch.__version__, "sizes": ",".join(map(str, SIZES))})


if __name__ == "__main__":
    main()
