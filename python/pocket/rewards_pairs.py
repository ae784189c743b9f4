"""Groups for preference training: one right picture, pictures between right and wrong, and a wrong caption.

Every picture is a blend of at most two scenes, so its number of errors for any caption is the blend of theirs;
together with the damage of softening that is a grade, and grades are what the rewards learn to order. Blends and
damage make the score rise step by step on the way to a right, clean picture: a gradient worth following.
"""
import os

import numpy as np
import torch

import rewards_data as D
from rewards_data import S


def caption_allowed(spec):
    """The caption names no held-out combination."""
    o = spec.objects
    if any((c, n) in S.HELD_COLOR for n, c, _ in o) or any((m, n) in S.HELD_COUNT for n, _, m in o):
        return False
    if len(o) == 2:
        a, b = o[0][0], o[1][0]
        if a == b or (min(a, b), max(a, b)) in S.HELD_PAIR:
            return False
        if spec.relation >= 0 and S.canonical(a, D.RELATIONS[spec.relation], b) in S.HELD_RELATION:
            return False
    return True


def caption_of(spec):
    names, colours = [o[0] for o in spec.objects], [o[1] for o in spec.objects]
    n = spec.objects[0][2]
    if len(names) == 1:
        if n > 1:
            return S.caption("counting", names, n=n)
        return S.caption("colors", names, colours) if colours[0] >= 0 else S.caption("single_object", names)
    if spec.relation >= 0:
        return S.caption("position", names, rel=D.RELATIONS[spec.relation])
    return S.caption("color_attr", names, colours) if colours[0] >= 0 else S.caption("two_object", names)


def wrong_caption(rng, spec, scene, tries=20):
    """The caption changed a little so that it no longer describes the scene; no held-out combination."""
    for _ in range(tries):
        o = [list(x) for x in spec.objects]
        rel = spec.relation
        coloured = o[0][1] >= 0
        kinds = ["object"] + ["colour"] * 2 * coloured + ["swap"] * 2 * (coloured and len(o) == 2) + ["relation"] * 3 * (rel >= 0) + ["number"]
        kind = kinds[rng.integers(len(kinds))]
        i = int(rng.integers(len(o)))
        if kind == "object":
            o[i][0] = int(rng.integers(16))
        elif kind == "colour":
            o[i][1] = int(rng.integers(8))
        elif kind == "swap":
            o[0][1], o[1][1] = o[1][1], o[0][1]
        elif kind == "relation":
            rel = int(rng.integers(4))
        elif len(o) == 1 and not coloured:
            o[0][2] = int(rng.integers(1, 5))
        elif len(o) == 2:
            o, rel = [o[i]], -1
        s = D.Spec(o, rel)
        if not caption_allowed(s):
            continue
        caption = caption_of(s)
        s = D.parse(caption)
        if D.errors(s, scene)[0] > 0:
            return caption, s
    return None


class Group:
    """images [(uint8, scene a, scene b, weight of a)], captions [(text, spec)]"""

    def __init__(self, images, captions):
        self.images, self.captions = images, captions

    def grade(self, caption, image):
        _, a, b, w = self.images[image]
        spec = self.captions[caption][1]
        e = D.errors(spec, a)[0]
        return e if w == 1 else w * e + (1 - w) * D.errors(spec, b)[0]


# the share of each category in training (cumulative): more of what is harder
SHARES = np.cumsum([0.06, 0.12, 0.2, 0.1, 0.3, 0.22])


def group(rng, k=4):
    """One right picture, one slightly wrong, blends between the two, one more wrong; two captions."""
    while True:
        _, caption, spec, scene, bg = D.draw(rng, S.CATEGORIES[np.searchsorted(SHARES, rng.random())])
        scene = D.retint(rng, scene, spec, 0.4)
        w1 = D.wrong_scene(rng, spec, scene)
        c2 = wrong_caption(rng, spec, scene)
        if w1 and c2:
            break
    image, wrong = D.render(scene, bg), D.render(w1, bg)
    images = [(image, scene, scene, 1.0), (wrong, w1, w1, 1.0)]
    while len(images) < k:
        r = rng.random()
        if r < 0.5:  # between right and wrong
            a = float(rng.uniform(0.15, 0.85))
            images.append(((a * image + (1 - a) * wrong).round().astype(np.uint8), scene, w1, a))
        elif r < 0.8:  # another wrong one, or two mistakes
            w2 = D.wrong_scene(rng, spec, w1 if rng.random() < 0.5 else scene)
            if w2:
                images.append((D.render(w2, bg), w2, w2, 1.0))
        else:  # fading away: nothing recognisable is worse than half recognisable
            a = float(rng.uniform(0.0, 0.8))
            blank = np.broadcast_to(D.render([], bg)[:1, :1], image.shape)
            images.append(((a * image + (1 - a) * blank).round().astype(np.uint8), scene, [], a))
    return Group(images, [(caption, spec), c2])


class Tokens:
    """caption -> padded ids and mask, remembered."""

    def __init__(self, folder, length):
        from tokenizers import Tokenizer
        self.t, self.length, self.cache = Tokenizer.from_file(os.path.join(folder, "tokenizer.json")), length, {}
        self.t.no_padding()
        self.pad = self.t.token_to_id("[PAD]")
        if self.pad is None:
            self.pad = self.t.token_to_id("<|endoftext|>")
        self.size = self.t.get_vocab_size()

    def ids(self, caption):
        if caption not in self.cache:
            self.cache[caption] = self.t.encode(caption).ids[: self.length]
        return self.cache[caption]

    def __call__(self, captions, length=None):
        rows = [self.ids(c) for c in captions]
        n = length or max(len(r) for r in rows)
        ids = torch.tensor([r + [self.pad] * (n - len(r)) for r in rows])
        mask = torch.tensor([[1] * len(r) + [0] * (n - len(r)) for r in rows])
        return ids, mask
