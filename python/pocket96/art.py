"""The pictures of the 96² world: objects in any colour and size with outline and shadow, on painted backgrounds.

Objects are the sixteen of ../pocket/sprites.py (Microsoft Fluent Emoji, MIT), drawn as stickers: the silhouette gets an outline of about 1.5 px in a
colour that stands out (dark; grey around black, slate around white) and a soft shadow to the lower right, so that a white object has an edge everywhere.

A colour is a ramp dark-main-light, and a stamp is linear in it: five coverage maps [dark, main, light, outline, shadow] per object and size are
kept, and any ramp, also one between two named colours, is painted from them.
"""
import os
import sys

import numpy as np

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'pocket'))
from sprites import COLORS, OBJECTS, work_dir  # noqa: E402

IMAGE = 96
SIZES = (24, 28, 32, 36, 40, 48, 56)     # px, the longer side of an object with its outline
MARGIN = 4                               # px of shadow beyond the box, right and below
FINE = 4                                 # stamps are drawn this much larger and averaged down
SHADOW = .38
OUTLINES = {'black': (168, 168, 176), 'white': (64, 70, 88)}
# top, just above the horizon, floor far, floor near, height of the horizon, its wave in px
THEMES = (
    ((140, 182, 214), (192, 212, 220), (164, 176, 138), (146, 160, 122), 64, 2.5),   # field by day
    ((186, 150, 176), (226, 194, 174), (158, 130, 138), (138, 110, 124), 66, 2.0),   # dusk
    ((186, 180, 170), (202, 196, 184), (166, 142, 118), (150, 126, 104), 68, 0.0),   # room
    ((150, 190, 202), (188, 212, 212), (208, 194, 162), (196, 180, 146), 62, 1.5),   # beach
    ((104, 114, 146), (142, 148, 174), (106, 110, 130), (92, 96, 116), 66, 3.0),     # night
    ((160, 192, 178), (188, 206, 196), (158, 154, 166), (142, 138, 152), 68, 0.0),   # mint room
)
NAMED = np.array([COLORS[c] for c in COLORS], np.float32)                             # [8, 3 (dark, main, light), 3]
TINTS = np.array([(240, 150, 180), (120, 72, 40), (0, 128, 128), (128, 128, 128), (110, 110, 30), (120, 190, 230), (170, 220, 60), (230, 40, 160), (225, 205, 170),
                  (30, 40, 80), (90, 10, 30), (150, 230, 190), (200, 170, 235)], np.float32)


def ramp_of(colour):
    """Index of a named colour, of an unnamed tint (8 and up), or (a, b, t), between two named ones -> [4, 3]: dark, main, light, outline."""
    if isinstance(colour, tuple):
        a, b, t = colour
        return (1 - t) * ramp_of(a) + t * ramp_of(b)
    if colour < len(NAMED):
        r = NAMED[colour]
        out = OUTLINES.get(tuple(COLORS)[colour], r[0] * .45)
    else:
        m = TINTS[colour - len(NAMED)]
        r = np.stack([m * .55, m, m + (255 - m) * .55])
        out = m * .25
    return np.concatenate([r, np.array(out, np.float32)[None]])


def _emoji(code, size):
    """Luminance and alpha [size, size] of an emoji, centred, its longer side `size` less a border for the outline."""
    from PIL import Image
    for suffix in ('', '-fe0f'):
        path = os.path.join(work_dir(), 'package', 'assets', code + suffix + '.webp')
        if os.path.exists(path):
            im = Image.open(path).convert('RGBA')
            break
    else:
        raise FileNotFoundError(f'{code}.webp is not in {work_dir()}/package/assets: npm pack @lobehub/fluent-emoji-3d@1.1.0 there and unpack it.')
    im = im.crop(im.getbbox()).convert('RGBa')
    inner = size - 2 * round(1.5 * FINE)
    k = inner / max(im.size)
    im = im.resize((max(1, round(im.width * k)), max(1, round(im.height * k))), Image.LANCZOS)
    a = np.asarray(im.convert('RGBA'), np.float32) / 255
    out = np.zeros((size, size, 4), np.float32)
    y, x = (size - a.shape[0]) // 2, (size - a.shape[1]) // 2
    out[y:y + a.shape[0], x:x + a.shape[1]] = a
    return out[..., :3] @ np.array([.299, .587, .114], np.float32), out[..., 3]


def _dilate(alpha, radius):
    from PIL import Image, ImageFilter
    im = Image.fromarray((alpha * 255).astype(np.uint8))
    for _ in range(radius // 2):                                                     # small steps keep the outline round
        im = im.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.MaxFilter(3))
    return np.asarray(im.filter(ImageFilter.GaussianBlur(1)), np.float32) / 255


def _shadow(alpha, size):
    from PIL import Image, ImageFilter
    n = size + MARGIN
    big = np.zeros((n * FINE, n * FINE), np.float32)
    shift = 3 * FINE
    h = size * FINE
    big[shift:shift + h, shift - FINE:shift - FINE + h] = alpha[:n * FINE - shift, :n * FINE - shift + FINE]
    return np.asarray(Image.fromarray((big * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.4 * FINE)), np.float32) / 255


def _down(a):
    n = a.shape[0] // FINE
    return a.reshape(n, FINE, n, FINE).mean((1, 3))


def _stamp(code, size):
    """-> float32 [size + MARGIN, size + MARGIN, 5]: coverage of dark, main, light, outline; shadow."""
    lum, a = _emoji(code, size * FINE)
    inside = lum[a > .5]
    med, lo, hi = np.percentile(inside, [50, 2, 98])
    t = np.clip((lum - med) / max(hi - med, med - lo, .05), -1, 1)
    outer = np.maximum(_dilate(a, round(1.5 * FINE)), a)
    maps = np.stack([_down(m) for m in (a * np.maximum(-t, 0), a * (1 - np.abs(t)), a * np.maximum(t, 0), (1 - a) * outer)], -1)
    out = np.zeros((size + MARGIN, size + MARGIN, 5), np.float32)
    out[:size, :size, :4] = maps
    out[..., 4] = _down(_shadow(outer, size)) * SHADOW
    return out


_stamps = None


def stamps():
    """[object][size] -> maps. Built once into POCKET_WORK/stamps96.npz."""
    global _stamps
    if _stamps is None:
        path = os.path.join(work_dir(), 'stamps96.npz')
        if not os.path.exists(path):
            np.savez_compressed(path + '.tmp.npz', **{f'{i}_{s}': _stamp(code, s).astype(np.float16) for i, code in enumerate(OBJECTS.values()) for s in SIZES})
            os.replace(path + '.tmp.npz', path)
        d = np.load(path)
        _stamps = [{s: d[f'{i}_{s}'].astype(np.float32) for s in SIZES} for i in range(len(OBJECTS))]
    return _stamps


def _ground(theme):
    top, low, far, near, horizon, wave = THEMES[theme]
    y, x = np.mgrid[:IMAGE, :IMAGE].astype(np.float32)
    h = horizon + wave * np.sin(x / IMAGE * 5 + theme)
    mix = lambda a, b, t: np.array(a, np.float32) + np.clip(t, 0, 1)[..., None] * (np.array(b, np.float32) - np.array(a, np.float32))
    sky, floor = mix(top, low, y / h), mix(far, near, (y - h) / (IMAGE - h))
    return sky + np.clip(y - h + .5, 0, 1)[..., None] * (floor - sky)


GROUNDS = np.stack([_ground(t) for t in range(len(THEMES))])


def paint(objects, theme):
    """objects: [(object, colour, x, y, size)], x and y the px of the box's upper left corner -> uint8 [96, 96, 3]."""
    im, bank = GROUNDS[theme].copy(), stamps()
    boxes = []
    for o, c, x, y, s in objects:
        n = s + MARGIN
        w, h = min(n, IMAGE - x), min(n, IMAGE - y)
        m = bank[o][s][:h, :w]
        im[y:y + h, x:x + w] *= 1 - m[..., 4:]
        boxes.append((m, c, x, y, w, h))
    for m, c, x, y, w, h in boxes:                                                   # shadows lie under all objects
        v = im[y:y + h, x:x + w]
        v *= 1 - m[..., :4].sum(-1, keepdims=True)
        v += m[..., :4] @ ramp_of(c)
    return np.clip(im + .5, 0, 255).astype(np.uint8)


if __name__ == '__main__':
    from PIL import Image
    rows = []
    for c in range(8):
        row = []
        for o in range(16):
            s = SIZES[(o + c) % 4 + 3]
            row.append(paint([(o, c, (96 - s) // 2, (96 - s) // 2, s)], (o + c) % len(THEMES)))
        rows.append(np.concatenate(row, 1))
    Image.fromarray(np.concatenate(rows)).save(sys.argv[1])
