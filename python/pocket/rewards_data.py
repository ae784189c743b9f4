"""What the rewards (and, through its own random stream, the evaluator) train on: scenes as small arrays,
exact truth of any caption for any scene, wrong versions of a scene, and pictures that are not perfect.

A scene is four slots of (object, colour, cell x, cell y), object -1 = empty, plus a background; a caption is
parsed into the same terms, so that truth, error counts and per-word labels all come from one small function.
"""
import math
import os
import sys
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

sys.path.append(os.environ.get("POCKET_SCENES", "."))
import scenes as S  # noqa: E402
import rewards_bank  # noqa: E402

OBJECTS, COLOURS = list(S.OBJECTS), list(S.COLORS)
RELATIONS = ("left of", "right of", "above", "below")
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4}
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)


def plural_table():
    return {**{n: i for i, n in enumerate(OBJECTS)}, **{n: i for i, n in enumerate(S.PLURALS)}}


NAME = plural_table()


@dataclass
class Spec:
    """A caption in terms of objects. words: position in the caption -> (kind, index of the object it is about)."""
    objects: list  # [object, colour or -1, count]
    relation: int = -1
    words: dict = field(default_factory=dict)


_specs = {}


def parse(caption):
    if caption in _specs:
        return _specs[caption]
    words, spec, colour, count, i = caption.split(), Spec([]), -1, 1, 3
    pending = []
    while i < len(words):
        w = words[i]
        if w in COLOURS:
            colour = COLOURS.index(w)
            pending.append((i, "colour"))
        elif w in NUMBERS:
            count = NUMBERS[w]
            pending.append((i, "count"))
        elif w in NAME:
            k = len(spec.objects)
            spec.objects.append([NAME[w], colour, count])
            for j, kind in pending + [(i, "object")]:
                spec.words[j] = (kind, k)
            pending, colour, count = [], -1, 1
        elif w in ("left", "right", "above", "below"):
            spec.relation = ("left", "right", "above", "below").index(w)
            spec.words[i] = ("relation", 0)
        i += 1
    _specs[caption] = spec
    return spec


def scene_of(meta):
    """meta -> list of (object, colour, x, y) in cells of the upper left corner."""
    return [(OBJECTS.index(o["name"]), COLOURS.index(o["color"]), o["x"], o["y"]) for o in meta["objects"]]


def relation_holds(rel, a, b):
    c = S.CELL
    return RELATIONS[rel] in S.relations_between(a[2] * c, a[3] * c, b[2] * c, b[3] * c)


def errors(spec, scene):
    """How many things are wrong with the scene for the caption: 0 = right. Also the per-word truth."""
    n, words = 0, {}
    want = {}
    for k, (o, c, m) in enumerate(spec.objects):
        want[o] = want.get(o, 0) + m
    have = {}
    for s in scene:
        have[s[0]] = have.get(s[0], 0) + 1
    for o in set(want) | set(have):
        n += abs(want.get(o, 0) - have.get(o, 0))
    for k, (o, c, m) in enumerate(spec.objects):
        if c >= 0 and have.get(o, 0):
            good = sum(s[0] == o and s[1] == c for s in scene)
            n += good < m
    rel_ok = False
    if spec.relation >= 0:
        a = [s for s in scene if s[0] == spec.objects[0][0]]
        b = [s for s in scene if s[0] == spec.objects[1][0]]
        rel_ok = bool(a and b and relation_holds(spec.relation, a[0], b[0]))
        n += bool(a and b and not rel_ok)
    for pos, (kind, k) in spec.words.items():
        o, c, m = spec.objects[k]
        if kind == "object":
            words[pos] = ("object", min(have.get(o, 0), 4))
        elif kind == "colour":
            words[pos] = ("yes", any(s[0] == o and s[1] == c for s in scene))
        elif kind == "count":
            words[pos] = ("yes", have.get(o, 0) == m)
        else:
            words[pos] = ("yes", rel_ok)
    return n, words


def free_places(scene):
    return [(x, y) for x in range(6) for y in range(6) if all(abs(x - s[2]) >= 3 or abs(y - s[3]) >= 3 for s in scene)]


def wrong_scene(rng, spec, scene, tries=30, split="train", tint_share=0.2):
    """The scene changed a little so that the caption no longer holds, without any held-out combination."""
    for _ in range(tries):
        s = [tuple(o) for o in scene]
        coloured = [o for o, c, m in spec.objects if c >= 0]
        kinds = ["object", "missing", "extra", "extra"]
        if coloured:
            kinds += ["colour"] * 3
        if len(coloured) > 1:
            kinds += ["swap"] * 3
        if spec.relation >= 0:
            kinds += ["relation"] * 4
        if spec.objects[0][2] > 1:
            kinds += ["missing", "extra", "extra"]
        kind = kinds[rng.integers(len(kinds))]
        i = int(rng.integers(len(s)))
        o, c, x, y = s[i]
        if kind == "object":
            s[i] = (int(rng.integers(len(OBJECTS))), c, x, y)
        elif kind == "colour":
            tint = rng.random() < tint_share and split == "train"
            s[i] = (o, int(rng.integers(len(COLOURS))) + (len(COLOURS) * tint), x, y)
        elif kind == "swap" and len(s) == 2:
            s = [(s[0][0], s[1][1]) + s[0][2:], (s[1][0], s[0][1]) + s[1][2:]]
        elif kind == "relation" and len(s) == 2:
            if rng.random() < 0.5:
                s = [s[0][:2] + s[1][2:], s[1][:2] + s[0][2:]]
            else:
                p = S.place(rng, 2)
                s = [s[0][:2] + p[0], s[1][:2] + p[1]]
        elif kind == "missing" and len(s) > 1:
            s.pop(i)
        elif kind == "extra" and len(s) < 4:
            free = free_places(s)
            if not free:
                continue
            p = free[rng.integers(len(free))]
            name = o if rng.random() < 0.6 else int(rng.integers(len(OBJECTS)))
            s.append((name, int(rng.integers(len(COLOURS))), *p))
        else:
            continue
        n, _ = errors(spec, s)
        if n > 0 and (split != "train" or allowed(s)):
            return s
    return None


def allowed(scene):
    return S.allowed([s for s in scene if s[0] < len(OBJECTS)])


render = rewards_bank.render


def retint(rng, scene, spec=None, share=0.5):
    """Some objects in colours without a name (index 8 and up), except where the caption names their colour."""
    if rng.random() > share or (spec and any(c >= 0 for _, c, _ in spec.objects)):
        return scene
    return [(o, len(COLOURS) + int(rng.integers(len(rewards_bank.TINTS))) if rng.random() < 0.6 else c, x, y) for o, c, x, y in scene]


def add_blob(rng, scene):
    """A coloured blob in a free place: colour without object, for dense training only."""
    free = free_places(scene)
    if not free or len(scene) > 3:
        return scene
    return scene + [(len(OBJECTS) + int(rng.integers(rewards_bank.BLOBS)), int(rng.integers(len(COLOURS))), *free[rng.integers(len(free))])]


def dense_scene(rng):
    """A random scene for dense training: wrong ones, unnamed tints and blobs included. -> spec, scene, background"""
    _, _, spec, scene, bg = draw(rng)
    if rng.random() < 0.3:
        scene = wrong_scene(rng, spec, scene) or scene
    scene = retint(rng, scene)
    while rng.random() < 0.3:
        scene = add_blob(rng, scene)
    return spec, scene, bg


def names_heldout(category, spec):
    """Whether the caption names a held-out combination (single objects have none)."""
    o = spec.objects
    if category == "single_object":
        return True
    if category == "two_object":
        return (min(o[0][0], o[1][0]), max(o[0][0], o[1][0])) in S.HELD_PAIR
    if category == "counting":
        return (o[0][2], o[0][0]) in S.HELD_COUNT
    if category == "position":
        return S.canonical(o[0][0], RELATIONS[spec.relation], o[1][0]) in S.HELD_RELATION
    return any((c, n) in S.HELD_COLOR for n, c, _ in o)


def draw(rng, category=None, split="train"):
    """-> image uint8, caption, spec, scene, background. split 'heldout': the caption names a held-out combination."""
    while True:
        image, caption, meta = S.sample_scene(rng, category, "train" if split == "train" else "any")
        spec = parse(caption)
        if split == "train" or names_heldout(meta["category"], spec):
            return image, caption, spec, scene_of(meta), meta["bg"]


def to_tensor(images):
    """uint8 [N,64,64,3] -> float [N,3,64,64] in [0,1]"""
    return torch.from_numpy(np.ascontiguousarray(np.stack(images))).permute(0, 3, 1, 2).float() / 255


# --- imperfect pictures ------------------------------------------------------------------------------------

def gaussian_kernel(sigma, radius=4):
    k = torch.exp(-torch.arange(-radius, radius + 1).float() ** 2 / (2 * sigma * sigma))
    return k / k.sum()


def blur(x, sigma):
    k = gaussian_kernel(sigma)
    x = F.conv2d(F.pad(x, (4, 4, 0, 0), mode="replicate"), k.view(1, 1, 1, -1).repeat(3, 1, 1, 1), groups=3)
    return F.conv2d(F.pad(x, (0, 0, 4, 4), mode="replicate"), k.view(1, 1, -1, 1).repeat(3, 1, 1, 1), groups=3)


class Soften:
    """Random damage as a weak generator makes it; returns pictures and a damage level in 0..1 per picture."""

    def __init__(self, seed, autoencoder=None, ae_share=0.2):
        self.g = torch.Generator().manual_seed(seed)
        self.ae, self.ae_share = autoencoder, ae_share

    def rand(self, *shape):
        return torch.rand(*shape, generator=self.g)

    def __call__(self, x, strength=1.0, share=0.7):
        n = x.shape[0]
        level = torch.zeros(n)
        x = x.clone()
        order = torch.randperm(n, generator=self.g)
        damaged = order[: int(n * share)]
        for part in damaged.chunk(4):
            if len(part) == 0:
                continue
            y, r = x[part], self.rand(len(part), 1, 1, 1)
            kind = int(torch.randint(0, 4, (1,), generator=self.g))
            if self.ae and float(self.rand(1)) < self.ae_share:
                kind = 4 + kind % 2
            if kind == 0:
                s = 0.3 + 1.2 * strength * float(self.rand(1))
                y, l = blur(y, s), torch.full((len(part),), s / 1.5)
            elif kind == 1:  # fading towards the picture's own mean
                a = 0.5 * strength * r
                y, l = y * (1 - a) + y.mean((2, 3), keepdim=True) * a, (a / 0.5).flatten()
            elif kind == 2:  # colour blotches
                low = torch.randn(len(part), 3, 8, 8, generator=self.g)
                a = 0.15 * strength * r
                y, l = y + a * F.interpolate(low, size=64, mode="bicubic", align_corners=False), (a / 0.15).flatten()
            elif kind == 3:  # small shift and blur: position within the cell varies
                dx, dy = (int(v) for v in torch.randint(-2, 3, (2,), generator=self.g))
                y = torch.roll(F.pad(y, (2, 2, 2, 2), mode="replicate"), (dy, dx), (2, 3))[:, :, 2:-2, 2:-2]
                y, l = blur(y, 0.5), torch.full((len(part),), 0.3)
            else:  # through the autoencoder, in half the cases with noise on the latent
                a = (0.5 * strength * r) if kind == 5 else torch.zeros_like(r)
                with torch.no_grad():
                    z = self.ae.encode(y)
                    y = self.ae.decode(z + a * torch.randn(z.shape, generator=self.g))
                l = (0.1 + a * 1.8).flatten()
            x[part], level[part] = y, l.clamp(0, 1)
        some = (self.rand(n) < 0.3).float().view(-1, 1, 1, 1)
        x = x + some * 0.06 * strength * self.rand(n, 1, 1, 1) * torch.randn(x.shape, generator=self.g)
        gain = 1 + 0.1 * (self.rand(n, 1, 1, 1) * 2 - 1)
        return (x * gain).clamp(0, 1), level


class Autoencoder:
    """The pocket VAE as an augmentation: encode to the mean (scaled to unit deviation), decode."""

    def __init__(self, folder):
        from diffusers import AutoencoderKL
        self.vae = AutoencoderKL.from_pretrained(folder).float().eval()
        self.scale = self.vae.config.scaling_factor

    def encode(self, x):
        return self.vae.encode(x * 2 - 1).latent_dist.mean * self.scale

    def decode(self, z):
        return (self.vae.decode(z / self.scale).sample / 2 + 0.5).clamp(0, 1)


def autoencoder(folder):
    """None while the autoencoder does not exist yet."""
    return Autoencoder(folder) if folder and os.path.exists(os.path.join(folder, "config.json")) else None


# --- the rewards' shared preprocess ------------------------------------------------------------------------

def resize_matrix(n_in=64, n_out=56):
    """Antialiased bicubic resize is linear and separable: out = M x M^T. Taken from torch itself."""
    # (eight equal columns: torch 2.13 goes wrong on a picture that is one pixel wide)
    eye = torch.eye(n_in).view(n_in, 1, n_in, 1).expand(n_in, 1, n_in, 8).contiguous()
    return F.interpolate(eye, size=(n_out, 8), mode="bicubic", antialias=True, align_corners=False)[:, 0, :, 0].T.contiguous()


_M = None


def preprocess(x):
    """[N,3,64,64] in [0,1] -> [N,3,56,56] normalised; equals F.interpolate(bicubic, antialias=True), no clamp."""
    global _M
    if _M is None:
        _M = resize_matrix()
    return (_M @ x @ _M.T - MEAN) / STD


class Loss:
    """Running means for logs."""

    def __init__(self):
        self.sum, self.n = {}, {}

    def add(self, **kw):
        for k, v in kw.items():
            v = float(v)
            if math.isfinite(v):
                self.sum[k] = self.sum.get(k, 0) + v
                self.n[k] = self.n.get(k, 0) + 1

    def flush(self):
        s = " ".join(f"{k} {self.sum[k] / self.n[k]:.4f}" for k in self.sum)
        self.sum, self.n = {}, {}
        return s
