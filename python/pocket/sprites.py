"""Sprite bank: 16 objects x 8 colours as 24x24 RGBA stamps.

Source pictures: npm `@lobehub/fluent-emoji-3d` (Microsoft Fluent Emoji, MIT). The pictures themselves are
never committed; `sprites.npz` (the recoloured stamps) is a cache that this file rebuilds.

Recolouring keeps the shading: luminance relative to the sprite's median goes through a dark-main-light ramp of
the wanted colour, so the hue is unmistakable and the silhouette's inner detail stays.

    npm pack @lobehub/fluent-emoji-3d   # in $POCKET_WORK, then: tar xzf *.tgz
    python sprites.py                   # writes $POCKET_WORK/sprites.npz and sprites.png (contact sheet)
"""
import os
import numpy as np

SIZE = 24
OBJECTS = {  # name -> code point of the emoji
    'apple': '1f34e', 'banana': '1f34c', 'car': '1f697', 'cat': '1f408', 'whale': '1f40b', 'mushroom': '1f344',
    'tree': '1f332', 'house': '1f3e0', 'umbrella': '2602', 'guitar': '1f3b8', 'star': '2b50', 'key': '1f511',
    'chair': '1fa91', 'butterfly': '1f98b', 'heart': '2764', 'duck': '1f986',
}
COLORS = {  # name -> (dark, main, light)
    'red': ((110, 0, 8), (222, 22, 30), (255, 130, 124)),
    'orange': ((150, 62, 0), (250, 132, 6), (255, 196, 110)),
    'yellow': ((158, 128, 0), (250, 224, 20), (255, 246, 150)),
    'green': ((0, 72, 18), (22, 160, 48), (128, 222, 130)),
    'blue': ((4, 20, 120), (26, 82, 232), (126, 172, 255)),
    'purple': ((62, 4, 96), (146, 40, 190), (212, 138, 240)),
    'black': ((0, 0, 0), (34, 34, 38), (92, 92, 100)),
    'white': ((150, 150, 160), (244, 244, 246), (255, 255, 255)),
}
BACKGROUNDS = ((176, 176, 180), (160, 182, 204), (204, 176, 176), (202, 190, 158), (166, 194, 172))


def work_dir():
    return os.environ.get('POCKET_WORK', os.path.join(os.path.dirname(os.path.abspath(__file__)), 'work'))


def _load(code, assets):
    from PIL import Image
    for suffix in ('', '-fe0f'):
        path = os.path.join(assets, code + suffix + '.webp')
        if os.path.exists(path):
            im = Image.open(path).convert('RGBA')
            break
    else:
        raise FileNotFoundError(code)
    im = im.crop(im.getbbox())
    im = im.convert('RGBa')  # premultiplied, so that edges shrink without fringes
    scale = SIZE / max(im.size)
    im = im.resize((max(1, round(im.width * scale)), max(1, round(im.height * scale))), Image.LANCZOS)
    a = np.asarray(im.convert('RGBA'), np.float32) / 255
    out = np.zeros((SIZE, SIZE, 4), np.float32)
    y, x = (SIZE - a.shape[0]) // 2, (SIZE - a.shape[1]) // 2
    out[y:y + a.shape[0], x:x + a.shape[1]] = a
    return out


def tint(rgba, ramp):
    lum = rgba[..., :3] @ np.array([.299, .587, .114], np.float32)
    inside = lum[rgba[..., 3] > .5]
    med, lo, hi = np.percentile(inside, [50, 2, 98])
    t = np.clip((lum - med) / max(hi - med, med - lo, .05), -1, 1)[..., None]
    dark, main, light = (np.array(c, np.float32) / 255 for c in ramp)
    rgb = np.where(t < 0, main + t * (main - dark), main + t * (light - main))
    return np.concatenate([rgb, rgba[..., 3:]], -1)


def build(work):
    assets = os.path.join(work, 'package', 'assets')
    bank = np.stack([np.stack([tint(_load(code, assets), ramp) for ramp in COLORS.values()]) for code in OBJECTS.values()])
    np.savez_compressed(os.path.join(work, 'sprites.npz'), bank=np.round(bank * 255).astype(np.uint8))
    return bank


def load_bank(work=None):
    """uint8 [object, colour, 24, 24, 4], straight alpha."""
    work = work or work_dir()
    path = os.path.join(work, 'sprites.npz')
    if not os.path.exists(path):
        build(work)
    return np.load(path)['bank']


if __name__ == '__main__':
    from PIL import Image
    build(work_dir())
    bank = load_bank()
    sheet = np.zeros((len(COLORS) * 28, len(OBJECTS) * 28, 3), np.float32)
    for o in range(len(OBJECTS)):
        for c in range(len(COLORS)):
            bg = np.array(BACKGROUNDS[(o + c) % len(BACKGROUNDS)], np.float32)
            s = bank[o, c].astype(np.float32)
            tile = np.tile(bg, (28, 28, 1))
            a = s[..., 3:] / 255
            tile[2:26, 2:26] = tile[2:26, 2:26] * (1 - a) + s[..., :3] * a
            sheet[c * 28:c * 28 + 28, o * 28:o * 28 + 28] = tile
    Image.fromarray(sheet.round().astype(np.uint8)).resize((sheet.shape[1] * 3, sheet.shape[0] * 3), 0).save(os.path.join(work_dir(), 'sprites.png'))
