"""Tiny autoencoders in their author's own layout: small seeded halves, and what TAEF2's published files make of a picture.

    python python/reference/taesd.py parity [FOLDER [picture.png]]

taesd_encoder.safetensors and taesd_decoder.safetensors are golden fixtures of 8 channels with the innermost blocks' pool.
FOLDER holds taef2_encoder.pth and taef2_decoder.pth: taef2.safetensors then has a drawn picture (u8), its latents and
what is decoded from them, in f64 from the files' f16 weights. A picture given as well is only measured.
"""
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from networks import golden, last, save, seeded


class Block(nn.Module):
    """relu(conv(x) + x) with x + pool(x) for x where there is a pool."""

    def __init__(self, n, pool):
        super().__init__()
        conv = lambda: nn.Conv2d(n, n, 3, padding=1)
        self.conv = nn.Sequential(conv(), nn.ReLU(), conv(), nn.ReLU(), conv())
        if pool:
            wide, narrow = nn.Conv2d(n, 4 * n, 1, bias=False), nn.Conv2d(4 * n, n, 1, bias=False)
            self.pool = nn.Sequential(wide, nn.GroupNorm(4, 4 * n), nn.ReLU(), narrow)

    def forward(self, x):
        x = x + self.pool(x) if hasattr(self, "pool") else x
        return torch.relu(self.conv(x) + x)


class Clamp(nn.Module):
    def forward(self, x):
        return 3 * torch.tanh(x / 3)


def encoder(n, latents, blocks, pool=True):
    layers = [nn.Conv2d(3, n, 3, padding=1)]
    for level, count in enumerate(blocks):
        layers += [nn.Conv2d(n, n, 3, padding=1, stride=2, bias=False)] if level > 0 else []
        layers += [Block(n, pool and level == len(blocks) - 1) for _ in range(count)]
    return nn.Sequential(*layers, nn.Conv2d(n, latents, 3, padding=1))


def decoder(n, latents, blocks, pool=True):
    layers = [Clamp(), nn.Conv2d(latents, n, 3, padding=1), nn.ReLU()]
    for level, count in enumerate(blocks):
        layers += [Block(n, pool and level == 0) for _ in range(count)]
        if level < len(blocks) - 1:
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(n, n, 3, padding=1, bias=False)]
    return nn.Sequential(*layers, nn.Conv2d(n, 3, 3, padding=1))


def far_from_corners(model, run, shape):
    """Of some inputs the one whose gradient least depends on rounding: f16 must not decide on which side of a ReLU a value is."""
    def gradient(x):
        x = x.clone().requires_grad_(True)
        y = run(x)
        cotangent = torch.randn(y.shape, generator=torch.Generator().manual_seed(9))
        return torch.autograd.grad((y * cotangent).sum(), x)[0].flatten()

    def steadiness(x):
        exact = gradient(x)
        convs = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
        rounding = lambda module, args, y: y + 1e-3 * y.abs().mean() * torch.randn_like(y)
        hooks = [conv.register_forward_hook(rounding) for conv in convs]
        worst = min(torch.cosine_similarity(gradient(x), exact, 0).item() for _ in range(8))
        for hook in hooks:
            hook.remove()
        return worst

    inputs = [2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in range(40)]
    return max(inputs, key=steadiness)


def small(out):
    channels = dict(encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8), latent_channels=5)
    config = channels | dict(num_encoder_blocks=(1, 2), num_decoder_blocks=(2, 1))
    torch.manual_seed(3)
    for name, make, blocks, shape, run in (
        ("encoder", encoder, (1, 2), (1, 3, 4, 6), lambda m: lambda x: m((x + 1) / 2)),
        ("decoder", decoder, (2, 1), (1, 5, 2, 3), lambda m: lambda x: 2 * m(x) - 1),
    ):
        model = seeded(lambda: make(8, 5, blocks), 8, half=True)
        x = far_from_corners(model, run(model), shape)
        y, cotangent, gradient = golden(run(model), x, 9)
        tensors = {"input": last(x), "output": last(y), "cotangent": last(cotangent), "gradient": last(gradient)}
        save(out / f"taesd_{name}.safetensors", model.state_dict(), tensors, config, half=True)


def drawn(size):
    """A landscape with smooth and rough parts, sharp edges and shading, u8 [size,size,3]."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[0:size, 0:size] / size
    waves = lambda f: sum(np.sin(2 * np.pi * (k * f * x + rng.random())) / k for k in range(1, 6))
    sky = np.stack([0.45 + 0.45 * y, 0.62 + 0.25 * y, 0.92 - 0.1 * y], -1)
    cloud = np.clip(sum(np.sin(2 * np.pi * (a * x + b * y + c)) for a, b, c in rng.random((12, 3)) * 7) / 6, 0, 1)[..., None]
    picture = sky * (1 - 0.7 * cloud) + 0.7 * cloud
    sun = np.hypot(x - 0.76, y - 0.2)[..., None]
    picture = np.where(sun < 0.07, [1.0, 0.93, 0.7], picture)
    for base, height, colour in ((0.5, 0.09, (0.36, 0.42, 0.55)), (0.62, 0.05, (0.22, 0.4, 0.24)), (0.76, 0.03, (0.32, 0.52, 0.2))):
        ridge = base + height * waves(1.3) / 2
        texture = 0.12 * rng.standard_normal((size, size))
        picture = np.where((y > ridge)[..., None], np.array(colour) * (1.15 - 0.5 * (y - ridge) + texture)[..., None], picture)
    for cx, cy, r, colour in ((0.3, 0.78, 0.13, (0.85, 0.2, 0.16)), (0.6, 0.86, 0.09, (0.95, 0.75, 0.2))):
        dx, dy = (x - cx) / r, (y - cy) / r
        inside = dx**2 + dy**2 < 1
        light = np.clip(0.25 + 0.75 * (-0.5 * dx - 0.6 * dy + 0.62 * np.sqrt(np.clip(1 - dx**2 - dy**2, 0, 1))), 0.08, 1)
        picture = np.where(inside[..., None], np.array(colour) * light[..., None] + 0.5 * (light**24)[..., None], picture)
    return np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def taef2(folder):
    halves = encoder(64, 32, (1, 3, 3, 3)), decoder(64, 32, (3, 3, 3, 1))
    for half, name in zip(halves, ("encoder", "decoder")):
        half.load_state_dict(torch.load(folder / f"taef2_{name}.pth", map_location="cpu", weights_only=True))
        half.double().requires_grad_(False)
    return halves


def round_trip(halves, picture):
    x = torch.from_numpy(picture).double().permute(2, 0, 1)[None] / 255
    latents = halves[0](x)
    decoded = halves[1](latents)
    error = (decoded.clamp(0, 1) - x).square().mean()
    print(f"{tuple(x.shape)}: latents of std {latents.std():.3f}, PSNR of the round trip {-10 * error.log10():.2f} dB")
    return latents, decoded


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    small(out)
    if len(sys.argv) > 2:
        halves = taef2(Path(sys.argv[2]))
        picture = drawn(64)
        latents, decoded = round_trip(halves, picture)
        tensors = {"picture": torch.from_numpy(picture)[None], "latents": last(latents).float(), "decoded": last(decoded).float()}
        save_file(tensors, out / "taef2.safetensors")
        if len(sys.argv) > 3:
            image = Image.open(sys.argv[3]).convert("RGB")
            width, height = (side // 8 * 8 for side in image.size)
            round_trip(halves, np.asarray(image)[:height, :width].copy())
