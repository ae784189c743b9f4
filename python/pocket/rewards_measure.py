"""Measures the shipped rewards: python rewards_measure.py WEIGHTS [--n 300] [--vae DIR]

Prints, per reward: the share of pairs in which the right picture scores above a slightly wrong one of the same
caption, by category, for training and held-out combinations, on clean and on softened pictures; and how often the
score rises from one step to the next on the way wrong -> 25% -> 50% -> 75% -> right.
"""
import argparse
import os

import numpy as np
import torch
from transformers import CLIPModel

import rewards_clip
import rewards_data as D
import rewards_ir
from blip import ImageReward
from rewards_pairs import Tokens


def load(weights, name):
    folder = os.path.join(weights, name)
    if name == "image_reward":
        m, tokens = ImageReward.load(folder), Tokens(folder, 20)
        return lambda x, caps: m(D.preprocess(x), *tokens(caps))
    t, tokens = rewards_clip.Training(CLIPModel.from_pretrained(folder).float().eval()), Tokens(folder, 16)
    return lambda x, caps: (t.image(D.preprocess(x))[0] * t.text(tokens(caps)[0])).sum(-1)


def pairs(cat, n, split, seed=505):
    rng, out = np.random.default_rng(seed), []
    while len(out) < n:
        image, caption, spec, scene, bg = D.draw(rng, cat, split)
        w = D.wrong_scene(rng, spec, scene, split=split, tint_share=0)
        if w:
            out.append((image, D.render(w, bg), caption))
    return D.to_tensor([o[0] for o in out]), D.to_tensor([o[1] for o in out]), [o[2] for o in out]


@torch.no_grad()
def main():
    p = argparse.ArgumentParser()
    p.add_argument("weights")
    p.add_argument("--n", type=int, default=300)
    p.add_argument("--vae", default="")
    p.add_argument("--names", default="clip,hps,image_reward")
    a = p.parse_args()
    torch.set_num_threads(1)
    print("| reward | pictures | combinations | " + " | ".join(D.S.CATEGORIES) + " | mean |")
    print("|---" * (len(D.S.CATEGORIES) + 4) + "|")
    names = a.names.split(",")
    scores, steps = {n: load(a.weights, n) for n in names}, {n: [] for n in names}
    rows = {(n, s, k): [] for n in names for k in ("clean", "softened") for s in ("train", "heldout")}
    for split in ("train", "heldout"):
        for cat in D.S.CATEGORIES:
            x, y, caps = pairs(cat, a.n, split)
            soften = D.Soften(8, D.autoencoder(a.vae))
            for kind, (u, v) in (("clean", (x, y)), ("softened", (soften(x)[0], soften(y)[0]))):
                for n in names:
                    rows[n, split, kind].append((scores[n](u, caps) > scores[n](v, caps)).float().mean().item())
            for n in names:
                path = torch.stack([scores[n](t * x + (1 - t) * y, caps) for t in (0, 0.25, 0.5, 0.75, 1)])
                steps[n].append((path[1:] > path[:-1]).float().mean().item())
    for (n, s, k), r in rows.items():
        print(f"| {n} | {k} | {s} | " + " | ".join(f"{v:.3f}" for v in r) + f" | {np.mean(r):.3f} |")
    for n in names:
        print(f"{n}: the score rises in {np.mean(steps[n]):.3f} of the steps from wrong to right")


if __name__ == "__main__":
    main()
