"""What rewards, judge and labeller learn from: wrong scenes, wrong captions, unnamed tints, blobs, colours between two, imperfect pictures, groups with grades.

As ../pocket/rewards_data.py and rewards_pairs.py, for scenes of any size and place; nothing here shows or names a held-out combination unless split says so.
"""
import numpy as np
import torch
import torch.nn.functional as F

import art
import stage
import world as W
from rewards_data import blur  # ../pocket

NTINT = len(art.TINTS)
BLOBS = 24
_blobs = None


def _blob_stamps():
    """Smooth blobs as stamps of every size: colour learnt without an object."""
    global _blobs
    if _blobs is None:
        from PIL import Image
        rng, out = np.random.default_rng(5), []
        for _ in range(BLOBS):
            a, b, k, m = rng.uniform(.6, 1.1), rng.uniform(.6, 1.1), int(rng.integers(3, 7)), int(rng.integers(3, 8))
            edge, shade, sizes = rng.random((k, k)).astype(np.float32), rng.random((m, m)).astype(np.float32), {}
            up = lambda v, n: np.asarray(Image.fromarray(v).resize((n, n), Image.BICUBIC))
            for s in art.SIZES:
                yy, xx = np.mgrid[:s, :s] / (s - 1) * 2 - 1
                r = np.hypot(xx / a, yy / b)
                alpha, t = np.clip((up(edge, s) * 1.1 + .4 - r) * 8, 0, 1), np.clip(up(shade, s) * 2 - 1, -1, 1)
                v = np.zeros((s + art.MARGIN, s + art.MARGIN, 5), np.float32)
                v[:s, :s] = np.stack([alpha * np.maximum(-t, 0), alpha * (1 - np.abs(t)), alpha * np.maximum(t, 0), 0 * alpha, .2 * alpha], -1)
                sizes[s] = v
            out.append(sizes)
        _blobs = out
    return _blobs


def render(scene, theme):
    """art.paint that also knows blobs (object W.NO and up)."""
    if all(o < W.NO for o, *_ in scene):
        return art.paint(scene, theme)
    bank = art.stamps()
    if len(bank) == W.NO:
        bank.extend(_blob_stamps())
    return art.paint(scene, theme)


def errors(spec, scene):
    return W.errors(spec, scene)


def free_box(rng, scene):
    sizes = [int(rng.choice(W.SIZES_OF[min(4, len(scene) + 1)]))]
    boxes = W.place(rng, 1, sizes=sizes, taken=[s[2:] for s in scene], tries=48)
    return boxes[0] if boxes else None


def wrong_scene(rng, spec, scene, tries=30, split='train', tint_share=.15):
    """The scene changed a little so that the caption no longer holds, without a held-out combination."""
    coloured = spec.groups[0][1] >= 0
    kinds = ['object', 'missing', 'extra', 'extra'] + ['colour'] * 3 * coloured + ['swap'] * 3 * (coloured and len(spec.groups) > 1) + ['relation'] * 5 * bool(spec.relations) + \
        ['missing', 'extra', 'extra'] * (spec.total() > len(spec.groups))
    for _ in range(tries):
        s, kind = list(scene), kinds[rng.integers(len(kinds))]
        i = int(rng.integers(len(s)))
        o, c, *box = s[i]
        j = int((i + 1 + rng.integers(max(1, len(s) - 1))) % len(s))
        if kind == 'object':
            s[i] = (int(rng.integers(W.NO)), c, *box)
        elif kind == 'colour':
            s[i] = (o, W.NC + int(rng.integers(NTINT)) if rng.random() < tint_share and split == 'train' else int(rng.integers(W.NC)), *box)
        elif kind == 'swap' and i != j:
            s[i], s[j] = (o, s[j][1], *box), (s[j][0], c, *s[j][2:])
        elif kind == 'relation' and i != j:
            if rng.random() < .6:                                              # two objects change places
                s[i], s[j] = (o, c, *s[j][2:]), (s[j][0], s[j][1], *box)
            else:
                boxes = W.place(rng, len(s), sizes=[t[4] for t in s], tries=96)
                if not boxes:
                    continue
                s = [(*t[:2], *b) for t, b in zip(s, boxes)]
        elif kind == 'missing' and len(s) > 1:
            s.pop(i)
        elif kind == 'extra' and len(s) < 5:
            b = free_box(rng, s)
            if not b:
                continue
            s.append((o if rng.random() < .6 else int(rng.integers(W.NO)), int(rng.integers(W.NC)), *b))
        else:
            continue
        if errors(spec, s)[0] > 0 and (split != 'train' or W.allowed(s)):
            return s
    return None


def wrong_caption(rng, spec, scene, tries=20):
    """-> (caption, spec): changed a little so that it no longer describes the scene; no held-out combination."""
    for _ in range(tries):
        g, rel = [list(v) for v in spec.groups], [list(v) for v in spec.relations]
        coloured = g[0][1] >= 0
        kinds = ['object'] + ['colour', 'colour'] * coloured + ['swap'] * 3 * (coloured and len(g) > 1) + ['relation'] * 4 * bool(rel) + ['number'] * (1 + (spec.total() > len(g)))
        kind = kinds[rng.integers(len(kinds))]
        i = int(rng.integers(len(g)))
        if kind == 'object':
            g[i][0] = int(rng.integers(W.NO))
        elif kind == 'colour':
            g[i][1] = int(rng.integers(W.NC))
        elif kind == 'swap':
            j = int((i + 1) % len(g))
            g[i][1], g[j][1] = g[j][1], g[i][1]
        elif kind == 'relation':
            if rng.random() < .5:
                rel[rng.integers(len(rel))][1] = int(rng.integers(4))
            else:                                                              # the two objects of a relation change places in the caption
                k = rel[rng.integers(len(rel))]
                g[k[0]], g[k[2]] = g[k[2]], g[k[0]]
        elif len(g) == 1:
            g[0][2] = int(rng.integers(1, 5))
        elif not rel and spec.total() == len(g):
            g.pop(i)
        elif not rel:
            g[i][2] = int(rng.integers(1, 4))
        s = W.Spec(g, rel)
        if s.total() > 4 or not W.sayable(s) or len(s.groups) == 3 and s.total() > 3 or len(W.caption(s).split()) > W.WORDS:
            continue
        if errors(s, scene)[0] > 0:
            return W.caption(s), s
    return None


def retint(rng, scene, spec=None, share=.5):
    """Some objects in tints without a name, except where the caption names colours."""
    if rng.random() > share or (spec and spec.groups[0][1] >= 0):
        return scene
    return [(o, W.NC + int(rng.integers(NTINT)) if rng.random() < .6 else c, *b) for o, c, *b in scene]


def dense_scene(rng):
    """A scene for dense training: wrong ones, unnamed tints and blobs included. -> spec, scene, theme"""
    _, spec, scene, theme = W.draw(rng)
    if rng.random() < .3:
        scene = wrong_scene(rng, spec, scene) or scene
    scene = retint(rng, scene)
    while rng.random() < .3 and len(scene) < 4:
        b = free_box(rng, scene)
        if not b:
            break
        scene = scene + [(W.NO + int(rng.integers(BLOBS)), int(rng.integers(W.NC)), *b)]
    return spec, scene, theme


def cell_labels(scenes, cells):
    """Each scene on a grid of cells x cells -> [n, cells, cells] object (W.NO none, -1 a blob) and colour (-1 none, or one without a name), [n, cells, cells, 2] place within the object in -1..1."""
    n, at = len(scenes), (np.arange(cells) + .5) * art.IMAGE / cells
    obj, col, place = np.full((n, cells, cells), W.NO), np.full((n, cells, cells), -1), np.zeros((n, cells, cells, 2), np.float32)
    for i, scene in enumerate(scenes):
        for o, c, x, y, s in scene:
            u, v = (at - x - s / 2) / (s / 2), (at - y - s / 2) / (s / 2)
            a, b = np.where(abs(u) < 1)[0], np.where(abs(v) < 1)[0]
            obj[i, b[:, None], a], col[i, b[:, None], a] = (o if o < W.NO else -1), (c if not isinstance(c, tuple) and c < W.NC else -1)
            place[i, b[:, None], a, 0], place[i, b[:, None], a, 1] = u[a], v[b][:, None]
    return torch.from_numpy(obj), torch.from_numpy(col), torch.from_numpy(place)


def broken(rng, image, scene):
    """A free place gets a patch of shuffled pieces of the picture: something, but no object."""
    b = free_box(rng, scene)
    if not b:
        return image
    x, y, s = b
    src = scene[rng.integers(len(scene))]
    n = min(s, src[4]) // 4 * 4
    piece = image[src[3]:src[3] + n, src[2]:src[2] + n].reshape(4, n // 4, 4, n // 4, 3).transpose(0, 2, 1, 3, 4).reshape(16, n // 4, n // 4, 3)[rng.permutation(16)]
    piece = piece.reshape(4, 4, n // 4, n // 4, 3).transpose(0, 2, 1, 3, 4).reshape(n, n, 3)
    out = image.copy()
    out[y:y + n, x:x + n] = piece
    return out


class Soften(stage.Random):
    """Random damage as a weak generator makes it; returns pictures and a damage level in 0..1 per picture. A part that checkpoints."""

    def rand(self, *shape):
        return torch.rand(*shape, generator=self.g)

    def __call__(self, x, strength=1.0, share=.7):
        n = x.shape[0]
        level, x = torch.zeros(n), x.clone()
        for part in torch.randperm(n, generator=self.g)[:int(n * share)].chunk(4):
            if not len(part):
                continue
            y, r = x[part], self.rand(len(part), 1, 1, 1)
            kind = int(torch.randint(0, 5, (1,), generator=self.g))
            if kind == 0:
                s = .4 + 1.6 * strength * float(self.rand(1))
                y, l = blur(y, s), torch.full((len(part),), s / 2)
            elif kind == 1:                                                    # fading towards the picture's own mean
                a = .5 * strength * r
                y, l = y * (1 - a) + y.mean((2, 3), keepdim=True) * a, (a / .5).flatten()
            elif kind == 2:                                                    # colour blotches
                a = .15 * strength * r
                y, l = y + a * F.interpolate(torch.randn(len(part), 3, 10, 10, generator=self.g), size=art.IMAGE, mode='bicubic', align_corners=False), (a / .15).flatten()
            elif kind == 3:                                                    # coarse: the detail of a quarter of the pixels
                y, l = F.interpolate(F.avg_pool2d(y, 3), size=art.IMAGE, mode='bicubic', align_corners=False), torch.full((len(part),), .5)
            else:                                                              # warped: pixels wander smoothly, as shapes melt
                a = .05 * strength * r
                flow = F.interpolate(torch.randn(len(part), 2, 8, 8, generator=self.g), size=art.IMAGE, mode='bicubic', align_corners=False) * a
                base = F.affine_grid(torch.eye(2, 3).expand(len(part), 2, 3), y.shape, align_corners=False)
                y, l = F.grid_sample(y, base + flow.permute(0, 2, 3, 1), mode='bilinear', padding_mode='border', align_corners=False), (a / .05).flatten()
            x[part], level[part] = y, l.clamp(0, 1)
        some = (self.rand(n) < .3).float().view(-1, 1, 1, 1)
        x = x + some * .05 * strength * self.rand(n, 1, 1, 1) * torch.randn(x.shape, generator=self.g)
        return (x * (1 + .1 * (self.rand(n, 1, 1, 1) * 2 - 1))).clamp(0, 1), level


# ---------------------------------------------------------------- groups for rewards
class Group:
    """images [(uint8, scene a, scene b, weight of a)], captions [(text, spec)]"""

    def __init__(self, images, captions):
        self.images, self.captions = images, captions

    def grade(self, c, i):
        _, a, b, w = self.images[i]
        spec = self.captions[c][1]
        e = errors(spec, a)[0]
        return e if w == 1 else w * e + (1 - w) * errors(spec, b)[0]


_SHARES = np.cumsum([.02, .04, .08, .05, .10, .08, .09, .11, .08, .09, .14, .12])    # in the order of W.CATEGORIES


def category(rng):
    return W.CATEGORIES[min(len(_SHARES) - 1, int(np.searchsorted(_SHARES, rng.random())))]


def hue_step(rng, scene, wrong):
    """Where scene and wrong differ only in a named colour: the colour between, graded by its place. None if they differ otherwise."""
    k = [i for i, (a, b) in enumerate(zip(scene, wrong)) if a != b]
    if len(scene) != len(wrong) or len(k) != 1 or scene[k[0]][0] != wrong[k[0]][0] or scene[k[0]][2:] != wrong[k[0]][2:] or max(scene[k[0]][1], wrong[k[0]][1]) >= W.NC:
        return None
    a = float(rng.uniform(.15, .85))
    s = list(scene)
    s[k[0]] = (s[k[0]][0], (wrong[k[0]][1], scene[k[0]][1], a), *s[k[0]][2:])
    return s, a


def group(rng, k=4):
    """One right picture, one slightly wrong, pictures between the two (blends; hues between two colours), one more wrong; two captions."""
    while True:
        text, spec, scene, theme = W.draw(rng, category(rng))
        scene = retint(rng, scene, spec, .4)
        w1, c2 = wrong_scene(rng, spec, scene), wrong_caption(rng, spec, scene)
        if w1 and c2:
            break
    image, wrong = render(scene, theme), render(w1, theme)
    images = [(image, scene, scene, 1.0), (wrong, w1, w1, 1.0)]
    while len(images) < k:
        r = rng.random()
        if r < .5:
            hue = hue_step(rng, scene, w1) if rng.random() < .7 else None
            if hue:
                images.append((render(hue[0], theme), scene, w1, hue[1]))
                continue
            a = float(rng.uniform(.15, .85))
            images.append(((a * image + (1 - a) * wrong).round().astype(np.uint8), scene, w1, a))
        elif r < .8:
            w2 = wrong_scene(rng, spec, w1 if rng.random() < .5 else scene)
            if w2:
                images.append((render(w2, theme), w2, w2, 1.0))
        else:
            a = float(rng.uniform(0, .8))
            images.append(((a * image + (1 - a) * art.GROUNDS[theme]).round().astype(np.uint8), scene, [], a))
    return Group(images, [(text, spec), c2])


# ---------------------------------------------------------------- the rewards' preprocess
MEAN = torch.tensor([.48145466, .4578275, .40821073]).view(1, 3, 1, 1)
STD = torch.tensor([.26862954, .26130258, .27577711]).view(1, 3, 1, 1)
SIDE = stage.CONFIG['reward_image']
_m = None


def preprocess(x):
    """[N,3,96,96] in [0,1] -> [N,3,84,84] normalised; equals F.interpolate(bicubic, antialias=True), no clamp."""
    global _m
    if _m is None:
        from rewards_data import resize_matrix
        _m = resize_matrix(art.IMAGE, SIDE)
    return (_m @ x @ _m.T - MEAN) / STD
