"""More sprites for training: shape learnt apart from colour, colour apart from shape.

A held-out (colour, object) must be recognised although no training picture shows it. So the stamps also come in
tints that have no name in the captions (pink, teal, grey ...: colour unlabelled, object labelled) and as random
smooth blobs in the eight named colours (object unlabelled, colour labelled). Neither shows a held-out combination.

Extended bank: [16 objects + BLOBS, 8 colours + tints, 24, 24, 4]; slots that do not exist are transparent.
"""
import os

import numpy as np
import sprites

TINTS = (
    (240, 150, 180), (120, 72, 40), (0, 128, 128), (128, 128, 128), (190, 190, 195), (110, 110, 30), (120, 190, 230),
    (170, 220, 60), (230, 40, 160), (225, 205, 170), (30, 40, 80), (90, 10, 30), (150, 230, 190), (200, 170, 235),
)
BLOBS = 48


def ramp(main):
    m = np.array(main, np.float32)
    return tuple(m * 0.55), tuple(m), tuple(m + (255 - m) * 0.55)


def smooth(rng, n, size):
    from PIL import Image
    return np.asarray(Image.fromarray(rng.random((n, n)).astype(np.float32)).resize((size, size), Image.BICUBIC))


def blob(rng):
    yy, xx = np.mgrid[:24, :24] - 11.5
    r = np.hypot(xx / rng.uniform(0.6, 1.1), yy / rng.uniform(0.6, 1.1)) / 12
    a = np.clip((smooth(rng, int(rng.integers(3, 7)), 24) * 1.1 + 0.45 - r) * 8, 0, 1)
    lum = smooth(rng, int(rng.integers(3, 8)), 24)
    return np.concatenate([np.repeat(lum[..., None], 3, -1), a[..., None]], -1).astype(np.float32)


def build(work):
    rng = np.random.default_rng(5)
    named = sprites.load_bank(work)
    n, c = named.shape[:2]
    out = np.zeros((n + BLOBS, c + len(TINTS), 24, 24, 4), np.uint8)
    out[:n, :c] = named
    assets = os.path.join(work, "package", "assets")
    for i, code in enumerate(sprites.OBJECTS.values()):
        base = sprites._load(code, assets)
        for t, main in enumerate(TINTS):
            out[i, c + t] = (sprites.tint(base, ramp(main)) * 255).round().clip(0, 255)
    for i in range(BLOBS):
        base = blob(rng)
        for k, r in enumerate(sprites.COLORS.values()):
            out[n + i, k] = (sprites.tint(base, r) * 255).round().clip(0, 255)
    return out


_bank = None


def bank():
    global _bank
    if _bank is None:
        b = build(sprites.work_dir()).astype(np.float32)
        _bank = (b[..., :3] * b[..., 3:] / 255, 1 - b[..., 3:] / 255)
    return _bank


def render(scene, bg):
    """As scenes._render, with the extended bank."""
    rgb, keep = bank()
    im = np.empty((64, 64, 3), np.float32)
    im[:] = sprites.BACKGROUNDS[bg]
    for o, c, x, y in scene:
        s = im[y * 8:y * 8 + 24, x * 8:x * 8 + 24]
        s *= keep[o, c]
        s += rgb[o, c]
    return (im + 0.5).astype(np.uint8)
