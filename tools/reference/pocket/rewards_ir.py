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
        self.match_head, self.word_head = nn.Linear(128, 1), nn.Linear(128, 6)
        self.frozen = False  # the trunk, at first: its dense labels already say what is where

    def forward(self, images, owner, ids, mask):
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            v = self.model.blip.visual_encoder(images)
        v = v[owner]
        h = self.model.blip.text_encoder(ids, mask, v)
        return self.model.mlp(h[:, 0])[:, 0], self.match_head(h[:, 0])[:, 0], self.word_head(h)


def bradley_terry(score, grade, caption, picture):
    """All pairs that share the caption (or the picture) and differ in grade: -log sigmoid(better - worse)."""
    d = grade[None, :] - grade[:, None]  # > 0: row is better
    same = (caption[:, None] == caption[None, :]) | ((picture[:, None] == picture[None, :]) & (d.abs() > 0.5))
    use = same & (d > 0.12)
    m = F.softplus(-(score[:, None] - score[None, :]))
    w = use * d.clamp(0, 1).sqrt()
    return (m * w).sum() / w.sum(), ((score[:, None] > score[None, :]) & use).sum() / use.sum()


def batch(rng, groups, soften, tokens, k=4):
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
                words.append(D.errors(spec, g.images[j][1])[1] if plain else {})
    ids, mask = tokens(captions)
    count, yes = torch.full(ids.shape, -1), torch.full(ids.shape, -1.0)
    for r, w in enumerate(words):
        for pos, (kind, value) in w.items():
            if kind == "object":
                count[r, pos + 1] = value
            else:
                yes[r, pos + 1] = float(value)
    return x, torch.tensor(owner), ids, mask, torch.tensor(cap), torch.tensor(grade), torch.tensor(clean), count, yes


def losses(t, b):
    x, owner, ids, mask, cap, grade, clean, count, yes = b
    score, match, word = t(D.preprocess(x), owner, ids, mask)
    bt, acc = bradley_terry(score, grade, cap, owner)
    on = clean != 0
    itm = F.binary_cross_entropy_with_logits(match[on], (clean[on] > 0).float(), pos_weight=torch.tensor(2.0))
    wc = F.cross_entropy(word[..., :5].reshape(-1, 5), count.flatten(), ignore_index=-1)
    k = yes >= 0
    wy = F.binary_cross_entropy_with_logits(word[..., 5][k], yes[k])
    return bt, itm, wc, wy, acc


def evaluate(model, tokens, n=128, split="train", seed=5, soften=None):
    """Pairwise accuracy per category: right picture above slightly wrong picture of the same caption."""
    rng, rows = np.random.default_rng(seed), {}
    for cat in D.S.CATEGORIES:
        good, bad, caps = [], [], []
        while len(good) < n:
            image, caption, spec, scene, bg = D.draw(rng, cat, split)
            w = D.wrong_scene(rng, spec, scene, split=split)
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
    p.add_argument("--seed", type=int, default=31)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--freeze", type=float, default=0.0, help="share of the time with a frozen trunk")
    p.add_argument("--groups", type=int, default=16)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--muon", type=float, default=0.01)
    p.add_argument("--hold", action="store_true", help="no cooling: another run continues from the checkpoint")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    tokens = Tokens(a.tokenizer, 20)
    rng, ae = np.random.default_rng(a.seed), D.autoencoder(a.vae)
    soften = D.Soften(a.seed, ae)
    t = Training(ImageReward({"vision": VISION, "med_config": {**MED, "vocab_size": tokens.size}, "mean": 0.0, "std": 1.0}))
    if a.trunk:
        trunk = torch.load(a.trunk)
        t.model.blip.visual_encoder.load_state_dict({k[6:]: v for k, v in trunk.items() if k.startswith("trunk.")})
    if a.start:
        t.load_state_dict(torch.load(a.start))
    opt = Optimiser(t, a.lr, a.muon)
    average, clock, log, last = Average(t, 0.99), Clock(a.minutes, 50, a.hold), D.Loss(), time.time()
    while not clock.done():
        t.frozen = clock.fraction() < a.freeze
        bt, itm, wc, wy, acc = losses(t, batch(rng, a.groups, soften, tokens))
        opt.step(bt + itm + wc + wy, clock.factor())
        average.update(t)
        log.add(bt=bt.item(), itm=itm.item(), count=wc.item(), yes=wy.item(), acc=acc.item())
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
