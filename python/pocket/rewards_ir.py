"""Trains the BLIP-like ImageReward: ranking between right, half-right and wrong pictures of one caption.

    python rewards_ir.py --minutes 20 --trunk WORK/trunk.pt --tokenizer DIR --out weights/pocket/image_reward [--vae DIR]

Losses: Bradley-Terry on the score over all pairs of different grade (ImageReward's loss), plus two helpers whose
heads are thrown away: BLIP's image-text matching on [CLS], and per-word truth on the words' own tokens (how many
of this object are there; does this colour, number, relation hold), which tells every word what it is for.
"""
import argparse
import os
import shutil
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import rewards_data as D
from blip import MED, VISION, ImageReward
from rewards_pairs import Tokens, group
from rewards_train import Average, Clock, Optimiser, round_half


class Training(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.match_head = nn.Linear(128, 1)
        self.word_heads = nn.ModuleList(nn.Linear(128, 5 + 1 + 2 + 8) for _ in range(3))  # count, yes, position, colour
        self.frozen = False  # the trunk, at first: its dense labels already say what is where

    def forward(self, images, owner, ids, mask):
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            v = self.model.blip.visual_encoder(images)
        v = v[owner]
        states = self.model.blip.text_encoder(ids, mask, v, all_layers=True)
        h = states[-1]
        return self.model.mlp(h[:, 0])[:, 0], self.match_head(h[:, 0])[:, 0], [f(s) for f, s in zip(self.word_heads, states)]


def bradley_terry(score, grade, caption, picture):
    """All pairs that share the caption (or the picture) and differ in grade: -log sigmoid(better - worse)."""
    d = grade[None, :] - grade[:, None]  # > 0: row is better
    same = (caption[:, None] == caption[None, :]) | ((picture[:, None] == picture[None, :]) & (d.abs() > 0.5))
    use = same & (d > 0.12)
    m = F.softplus(-(score[:, None] - score[None, :]))
    w = use * d.clamp(0, 1).sqrt()
    return (m * w).sum() / w.sum().clamp(min=1e-6), ((score[:, None] > score[None, :]) & use).sum() / use.sum().clamp(min=1)


class Generated:
    """The generator's own pictures (rewards_generated.py): three of one caption beside a true picture of it."""

    def __init__(self, path):
        d = np.load(path)
        self.images, self.captions, self.grade = d["images"], d["captions"], d["errors"] + d["doubt"]

    def group(self, rng):
        i = int(rng.integers(len(self.images) // 4)) * 4
        caption = str(self.captions[i])
        pick = i + rng.permutation(4)[:3]
        while True:  # a true picture of the caption
            names = [o[0] for o in D.parse(caption).objects]
            _, _, spec, scene, bg = D.draw(rng, "counting" if D.parse(caption).objects[0][2] > 1 else "position" if D.parse(caption).relation >= 0 else "two_object" if len(names) == 2 else "single_object")
            want = D.parse(caption)
            scene = [(names[0] if len(names) == 1 else names[j], want.objects[min(j, len(names) - 1)][1] if want.objects[0][1] >= 0 else c, x, y)
                     for j, (o, c, x, y) in enumerate(scene)]
            if D.allowed(scene) and D.errors(want, scene)[0] == 0:
                break
        images = [D.render(scene, bg)] + [self.images[j] for j in pick]
        return images, caption, [0.0] + [0.2 + float(self.grade[j]) for j in pick]


def batch(rng, groups, soften, tokens, k=4, generated=None):
    b = batch_scenes(rng, groups - groups // 3 if generated else groups, soften, tokens, k)
    if not generated:
        return b
    x, owner, ids, mask, cap, grade, clean, labels = b
    images, captions, grades = zip(*(generated.group(rng) for _ in range(groups // 3)))
    n, m = len(x), len(images)
    y = D.to_tensor([im for g in images for im in g])
    y = (y + 0.02 * torch.randn(y.shape)).clamp(0, 1)
    i2, m2 = tokens([c for c in captions for _ in range(4)])
    width = max(ids.shape[1], i2.shape[1])
    wide = lambda t, v: F.pad(t, (0, width - t.shape[1]), value=v)
    count, yes, place, colour = labels
    labels = tuple(torch.cat([u, torch.full((4 * m, *u.shape[1:]), f)]) for u, f in (
        (wide(count, -1), -1), (wide(yes, -1.0), -1.0), (F.pad(place, (0, 0, 0, width - place.shape[1]), value=float("nan")), float("nan")), (wide(colour, -1), -1)))
    return (torch.cat([x, y]), torch.cat([owner, n + torch.arange(4 * m)]), torch.cat([wide(ids, 0), wide(i2, 0)]), torch.cat([wide(mask, 0), wide(m2, 0)]),
            torch.cat([cap, cap.max() + 1 + torch.arange(m).repeat_interleave(4)]), torch.cat([grade, torch.tensor([v for g in grades for v in g])]),
            torch.cat([clean, torch.zeros(4 * m, dtype=clean.dtype)]), labels)


def batch_scenes(rng, groups, soften, tokens, k=4):
    gs = [group(rng, k) for _ in range(groups)]
    x, level = soften(D.to_tensor([im[0] for g in gs for im in g.images]), share=0.6)
    owner, cap, grade, captions, words, clean = [], [], [], [], [], []
    for i, g in enumerate(gs):
        for c, (text, spec) in enumerate(g.captions):
            for j in range(k):
                owner.append(i * k + j)
                cap.append(i * 2 + c)
                e = g.grade(c, j)
                grade.append(e + 0.3 * float(level[i * k + j]))
                captions.append(text)
                plain = g.images[j][3] == 1.0
                clean.append((plain and level[i * k + j] < 0.6) * (1 if e == 0 else -1))
                words.append((spec, g.images[j][1]) if plain else None)
    ids, mask = tokens(captions)
    return x, torch.tensor(owner), ids, mask, torch.tensor(cap), torch.tensor(grade), torch.tensor(clean), word_labels(words, ids.shape)


def word_labels(words, shape):
    """Per token: count of the named object, truth of colour/number/relation words, place and colour of a lone object;
    on a relation word the place is the displacement of the first object from the second: without that hint the
    network knew where things are and still never compared them."""
    count, yes, place, colour = torch.full(shape, -1), torch.full(shape, -1.0), torch.full((*shape, 2), float("nan")), torch.full(shape, -1)
    for r, pair in enumerate(words):
        if pair is None:
            continue
        spec, scene = pair
        for pos, (kind, value) in D.errors(spec, scene)[1].items():
            if kind != "object":
                yes[r, pos + 1] = float(value)
                if kind == "yes" and spec.words[pos][0] == "relation":
                    a, b = ([s for s in scene if s[0] == o[0]] for o in spec.objects)
                    if len(a) == 1 and len(b) == 1:
                        place[r, pos + 1] = torch.tensor([a[0][2] - b[0][2], a[0][3] - b[0][3]]) / 2.5
                continue
            count[r, pos + 1] = value
            lone = [s for s in scene if s[0] == spec.objects[spec.words[pos][1]][0]]
            if len(lone) == 1:
                place[r, pos + 1] = torch.tensor([lone[0][2] - 2.5, lone[0][3] - 2.5]) / 2.5
                if lone[0][1] < 8:
                    colour[r, pos + 1] = lone[0][1]
    return count, yes, place, colour


def word_loss(word, labels, layer):
    """The first layer can only know what the object is like; whether words hold is asked from the second on."""
    count, yes, place, colour = labels
    wc = F.cross_entropy(word[..., :5].flatten(0, 1), count.flatten(), ignore_index=-1)
    on = ~place[..., 0].isnan()
    if not layer:  # self-attention comes before the first look at the picture: no comparison yet
        on = on & (count >= 0)
    wp = ((word[..., 6:8][on] - place[on]) ** 2).mean()
    wo = F.cross_entropy(word[..., 8:].flatten(0, 1), colour.flatten(), ignore_index=-1)
    k = yes >= 0
    wy = F.binary_cross_entropy_with_logits(word[..., 5][k], yes[k])
    return wc + 4 * wp + wo + (2 * wy if layer else 0), wc, wy, wp, wo


def losses(t, b):
    x, owner, ids, mask, cap, grade, clean, labels = b
    score, match, words = t(D.preprocess(x), owner, ids, mask)
    bt, acc = bradley_terry(score, grade, cap, owner)
    on = clean != 0
    itm = F.binary_cross_entropy_with_logits(match[on], (clean[on] > 0).float(), pos_weight=torch.tensor(2.0))
    w = [word_loss(w, labels, i) for i, w in enumerate(words)]
    total = 1.5 * bt + itm + 0.4 * w[0][0] + 0.4 * w[1][0] + 0.4 * w[2][0] + 0.5 * w[2][2]
    return total, dict(bt=bt, acc=acc, itm=itm, count=w[2][1], yes=w[2][2], place=w[2][3], colour=w[2][4])


def evaluate(model, tokens, n=128, split="train", seed=5, soften=None):
    """Pairwise accuracy per category: right picture above slightly wrong picture of the same caption."""
    rng, rows = np.random.default_rng(seed), {}
    for cat in D.S.CATEGORIES:
        good, bad, caps = [], [], []
        while len(good) < n:
            image, caption, spec, scene, bg = D.draw(rng, cat, split)
            w = D.wrong_scene(rng, spec, scene, split=split, tint_share=0)
            if w:
                good.append(image), bad.append(D.render(w, bg)), caps.append(caption)
        x, y = D.to_tensor(good), D.to_tensor(bad)
        if soften:
            x, y = soften(x)[0], soften(y)[0]
        with torch.no_grad():
            s = model(D.preprocess(torch.cat([x, y])), *tokens(caps + caps))
        rows[cat] = (s[:n] > s[n:]).float().mean().item()
    return rows


def normalise(model, tokens, soften):
    """mean and std of the raw score over a validation mix of right and slightly wrong, clean and softened pictures."""
    model.config.update(mean=0.0, std=1.0)
    rng, images, caps = np.random.default_rng(77), [], []
    for _ in range(300):
        image, caption, spec, scene, bg = D.draw(rng)
        w = D.wrong_scene(rng, spec, scene)
        images += [image, D.render(w, bg) if w else image]
        caps += [caption] * 2
    x = D.to_tensor(images)
    with torch.no_grad():
        s = torch.cat([model(D.preprocess(v), *tokens(caps)) for v in (x, soften(x)[0])])
    model.config.update(mean=round(s.mean().item(), 6), std=round(s.std().item(), 6))


def ship(average, tokens, out, tokenizer, soften):
    import copy
    m = round_half(copy.deepcopy(average.model.model)).eval()
    normalise(m, tokens, soften)
    m.save(out)
    for f in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(os.path.join(tokenizer, f), out)
    return m


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--minutes", type=float, default=20)
    p.add_argument("--trunk", default="")
    p.add_argument("--start", default="", help="a training checkpoint of this script")
    p.add_argument("--tokenizer", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--vae", default="")
    p.add_argument("--generated", default="", help="npz of rewards_generated.py")
    p.add_argument("--seed", type=int, default=31)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--freeze", type=float, default=0.0, help="share of the time with a frozen trunk")
    p.add_argument("--rest", type=float, default=0.5, help="share of the later steps that leave the trunk alone: twice the steps for the time")
    p.add_argument("--groups", type=int, default=16)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--muon", type=float, default=0.01)
    p.add_argument("--hold", action="store_true", help="no cooling: another run continues from the checkpoint")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    tokens = Tokens(a.tokenizer, 20)
    rng, ae = np.random.default_rng(a.seed), D.autoencoder(a.vae)
    soften, generated = D.Soften(a.seed, ae), Generated(a.generated) if a.generated else None
    t = Training(ImageReward({"vision": VISION, "med_config": {**MED, "vocab_size": tokens.size}, "mean": 0.0, "std": 1.0}))
    if a.trunk:
        trunk = torch.load(a.trunk)
        t.model.blip.visual_encoder.load_state_dict({k[6:]: v for k, v in trunk.items() if k.startswith("trunk.")})
    if a.start:
        t.load_state_dict(torch.load(a.start), strict=False)
    opt = Optimiser(t, a.lr, a.muon)
    average, clock, log, last = Average(t, 0.99), Clock(a.minutes, 50, a.hold), D.Loss(), time.time()
    while not clock.done():
        t.frozen = clock.fraction() < a.freeze or rng.random() < a.rest
        loss, parts = losses(t, batch(rng, a.groups, soften, tokens, generated=generated))
        opt.step(loss, clock.factor())
        average.update(t)
        log.add(**{k: v.item() for k, v in parts.items()})
        if time.time() - last > 60:
            last = time.time()
            torch.save(average.model.state_dict(), a.checkpoint)
            m = average.model.model.eval()
            r = evaluate(m, tokens, 64)
            print(f"{clock.fraction():.2f} step {clock.step} {log.flush()}", {k: round(v, 3) for k, v in r.items()}, flush=True)
            if clock.fraction() > 0.3:
                ship(average, tokens, a.out, a.tokenizer, D.Soften(3, ae))
    torch.save(average.model.state_dict(), a.checkpoint)
    m = ship(average, tokens, a.out, a.tokenizer, D.Soften(3, ae))
    for split in ("train", "heldout"):
        print(split, evaluate(m, tokens, 300, split), flush=True)


if __name__ == "__main__":
    main()
