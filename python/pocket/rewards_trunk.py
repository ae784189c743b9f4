"""Pre-trains the ViT that all rewards start from, with dense labels that are thrown away afterwards.

    python rewards_trunk.py --minutes 10 --out WORK/trunk.pt [--vae DIR]

HPSv2 and PickScore are fine-tunes of one CLIP; here the three rewards share this trunk. Per patch: which object
covers it, in which colour, and where within the object the patch lies (so that two equal neighbours can be told
apart); on the class token: how many of each object. The layout is BLIP's; rewards_clip.py converts it to CLIP's.
"""
import argparse
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import rewards_data as D
from blip import VISION, VisionTransformer
from rewards_train import Average, Clock, Optimiser

PATCH_CENTRES = (np.arange(7) + 0.5) * 64 / 7


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = VisionTransformer(VISION)
        self.patch_head = nn.Linear(128, 17 + 8 + 2)
        self.count_head = nn.Linear(128, 16 * 5)

    def forward(self, x):
        t = self.trunk(x)
        return self.patch_head(t[:, 1:]), self.count_head(t[:, 0]).view(-1, 16, 5)


def labels(scenes):
    n = len(scenes)
    cls, col, off = np.full((n, 7, 7), 16), np.full((n, 7, 7), -1), np.zeros((n, 7, 7, 2), np.float32)
    count = np.zeros((n, 16), np.int64)
    for i, s in enumerate(scenes):
        for o, c, x, y in s:
            if o < 16:
                count[i, o] = min(4, count[i, o] + 1)
            u = (PATCH_CENTRES - x * 8 - 12) / 12
            v = (PATCH_CENTRES - y * 8 - 12) / 12
            iu, iv = np.where(abs(u) < 1)[0], np.where(abs(v) < 1)[0]
            cls[i, iv[:, None], iu], col[i, iv[:, None], iu] = (o if o < 16 else -1), (c if c < 8 else -1)
            off[i, iv[:, None], iu, 0], off[i, iv[:, None], iu, 1] = u[iu], v[iv][:, None]
    return tuple(torch.from_numpy(a) for a in (cls.reshape(n, 49), col.reshape(n, 49), off.reshape(n, 49, 2), count))


def loss_of(patch, count, t, weight):
    """weight [N]: the share of this scene in a blended picture."""
    cls, col, off, cnt = t
    n = patch.shape[0]
    a = F.cross_entropy(patch[..., :17].reshape(-1, 17), cls.flatten(), reduction="none", ignore_index=-1).view(n, 49)
    a = a * torch.where(cls == 16, 0.5, 1.5)
    b = F.cross_entropy(patch[..., 17:25].reshape(-1, 8), col.flatten(), reduction="none", ignore_index=-1).view(n, 49)
    c = ((patch[..., 25:] - off) ** 2).sum(-1) * (cls < 16)
    d = F.cross_entropy(count.reshape(-1, 5), cnt.flatten(), reduction="none").view(n, 16)
    return ((a.mean(1) + b.mean(1) * 2 + c.mean(1) * 2 + d.mean(1) * 2) * weight).mean()


def batch(rng, n):
    images, scenes, others, w = [], [], [], []
    for _ in range(n):
        spec, scene, bg = D.dense_scene(rng)
        image = D.render(scene, bg)
        other, a = scene, 1.0
        if rng.random() < 0.2:
            s = D.wrong_scene(rng, spec, scene)
            if s:
                other, a = s, float(rng.random())
                image = (a * image + (1 - a) * D.render(s, bg)).round().astype(np.uint8)
        images.append(image), scenes.append(scene), others.append(other), w.append(a)
    return D.to_tensor(images), labels(scenes), labels(others), torch.tensor(w)


def accuracy(model, rng, n=256):
    with torch.no_grad():
        x, t, _, w = batch(rng, n)
        patch, count = model(D.preprocess(x))
    k = w == 1
    on = (t[0][k] < 16) & (t[0][k] >= 0) & (t[1][k] >= 0)
    return ((patch[k, :, :17].argmax(-1) == t[0][k])[on].float().mean().item(), (patch[k, :, 17:25].argmax(-1) == t[1][k])[on].float().mean().item(),
            (count[k].argmax(-1) == t[3][k]).all(-1).float().mean().item())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--minutes", type=float, default=10)
    p.add_argument("--out", required=True)
    p.add_argument("--start", default="")
    p.add_argument("--vae", default="")
    p.add_argument("--seed", type=int, default=11)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--muon", type=float, default=0.01)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    rng, soften = np.random.default_rng(a.seed), D.Soften(a.seed, D.autoencoder(a.vae))
    model = Dense()
    if a.start:
        model.load_state_dict(torch.load(a.start))
    opt = Optimiser(model, a.lr, a.muon)
    average, clock, log, last = Average(model, 0.99), Clock(a.minutes, 30), D.Loss(), time.time()
    while not clock.done():
        x, t, u, w = batch(rng, a.batch)
        x, _ = soften(x, share=0.6)
        patch, count = model(D.preprocess(x))
        loss = loss_of(patch, count, t, w) + loss_of(patch, count, u, 1 - w)
        opt.step(loss, clock.factor())
        average.update(model)
        log.add(loss=loss.item())
        if time.time() - last > 20:
            last = time.time()
            torch.save(average.model.state_dict(), a.out)
            print(f"{clock.fraction():.2f} step {clock.step} {log.flush()} class, colour, counts: %.3f %.3f %.3f" % accuracy(average.model, np.random.default_rng(1)), flush=True)
    torch.save(average.model.state_dict(), a.out)


if __name__ == "__main__":
    main()
