"""Trains the independent judge: python evaluator_train.py --minutes 10 --out weights/pocket/evaluator [--vae DIR]

Own seed, own data stream, no weights from anywhere else. Pictures are softened, noised, faded, blended with a
wrong version of themselves and littered with broken objects (shuffled cells, halves of two objects), which the
judge must not count, so that it judges a weak generator's pictures sensibly.
"""
import argparse
import time

import numpy as np
import torch
import torch.nn.functional as F

import rewards_data as D
from evaluator import Evaluator, decode, default_config, verdict
from rewards_train import Average, Clock, round_half


def broken(rng, image):
    """Pastes something that is not an object into a free place: a stamp whose cells are shuffled or two halves."""
    out = image
    a, b = ([(int(rng.integers(16)), int(rng.integers(8)), 0, 0)] for _ in range(2))
    if not (D.allowed(a) and D.allowed(b)):
        return None
    bg = int(rng.integers(len(D.S.BACKGROUNDS)))
    p, q = (D.render(s, bg)[:24, :24] for s in (a, b))
    if rng.random() < 0.5:
        cells = p.reshape(3, 8, 3, 8, 3).transpose(0, 2, 1, 3, 4).reshape(9, 8, 8, 3)[rng.permutation(9)]
        p = cells.reshape(3, 3, 8, 8, 3).transpose(0, 2, 1, 3, 4).reshape(24, 24, 3)
    elif a[0][0] != b[0][0]:
        p = np.concatenate([p[:, :12], q[:, 12:]], 1) if rng.random() < 0.5 else np.concatenate([p[:12], q[12:]], 0)
    else:
        return None
    return p, D.render([], bg)[0, 0]


def targets(scenes, weights):
    """scenes: per picture a list of (scene, weight). Objectness target, -1 = do not care; class; colour."""
    n = len(scenes)
    obj, cls, col = torch.zeros(n, 8, 8), torch.full((n, 8, 8), -1), torch.full((n, 8, 8), -1)
    for i, (parts, w) in enumerate(zip(scenes, weights)):
        mass = {}
        for scene, a in zip(parts, w):
            for o, c, x, y in scene:
                mass[(x + 1, y + 1, o, c)] = mass.get((x + 1, y + 1, o, c), 0) + a
        for (x, y, o, c), a in mass.items():
            if a >= 0.65:
                named = o < 16
                obj[i, y, x], cls[i, y, x], col[i, y, x] = (1 if named else -1), (o if named else -1), (c if c < 8 else -1)
            elif a > 0.35 and obj[i, y, x] == 0:
                obj[i, y, x] = -1
    return obj, cls, col


def batch(rng, n, soften):
    images, parts, weights, blends = [], [], [], []
    while len(images) < n:
        spec, scene, bg = D.dense_scene(rng)
        image = D.render(scene, bg)
        other, a = None, 1.0
        r = rng.random()
        if r < 0.2:
            w = D.wrong_scene(rng, spec, scene)
            if w:
                a = float(rng.random())
                other, image = w, (a * image + (1 - a) * D.render(w, bg)).round().astype(np.uint8)
        elif r < 0.3:
            free, b = D.free_places(scene), broken(rng, image)
            if free and b:
                x, y = free[rng.integers(len(free))]
                image, mask = image.copy(), np.abs(b[0].astype(int) - b[1]).sum(-1, keepdims=True) > 12
                view = image[y * 8:y * 8 + 24, x * 8:x * 8 + 24]
                view[:] = np.where(mask, b[0], view)
        images.append(image)
        parts.append([scene, other] if other else [scene])
        weights.append([a, 1 - a] if other else [1.0])
    x, _ = soften(D.to_tensor(images), share=0.6)
    return x, targets(parts, weights)


def loss_of(grid, t):
    obj, cls, col = t
    bce = F.binary_cross_entropy_with_logits(grid[:, 0], obj.clamp(min=0), reduction="none", pos_weight=torch.tensor(3.0))
    lo = (bce * (obj >= 0)).sum() / len(obj)
    g = grid.permute(0, 2, 3, 1)
    return lo * 0.5 + F.cross_entropy(g[..., 1:17].flatten(0, 2), cls.flatten(), ignore_index=-1) + F.cross_entropy(g[..., 17:25].flatten(0, 2), col.flatten(), ignore_index=-1)


def prompt_of(spec):
    return {"objects": [{"name": D.OBJECTS[o], "color": D.COLOURS[c] if c >= 0 else None, "count": m} for o, c, m in spec.objects],
            "relation": None if spec.relation < 0 else {"a": 0, "rel": D.RELATIONS[spec.relation], "b": 1}}


CATEGORIES = D.S.CATEGORIES


def measure(model, n=200, split="heldout", seed=99, soften=None):
    """Per category: share of true scenes called right, and share of slightly wrong scenes called wrong."""
    rng, rows = np.random.default_rng(seed), {}
    for cat in CATEGORIES:
        good, bad, specs, wrongs = [], [], [], 0
        for _ in range(n):
            image, caption, spec, scene, bg = D.draw(rng, cat, split)
            w = D.wrong_scene(rng, spec, scene, split="any")  # named colours only
            good.append(image)
            specs.append(spec)
            bad.append(D.render(w, bg) if w else None)
        with torch.no_grad():
            x = D.to_tensor(good)
            y = D.to_tensor([b if b is not None else g for b, g in zip(bad, good)])
            if soften:
                x, y = soften(x)[0], soften(y)[0]
            gx, gy = model(x), model(y)
        ok = sum(verdict(decode(g, model.config), prompt_of(s), model.config)[0] for g, s in zip(gx, specs))
        no = [not verdict(decode(g, model.config), prompt_of(s), model.config)[0] for g, s, b in zip(gy, specs, bad) if b is not None]
        rows[cat] = (ok / n, sum(no) / max(1, len(no)))
    return rows


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--minutes", type=float, default=10)
    p.add_argument("--out", required=True)
    p.add_argument("--vae", default="")
    p.add_argument("--start", default="", help="continue from this folder")
    p.add_argument("--seed", type=int, default=7001)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--lr", type=float, default=3e-3)
    p.add_argument("--measure", action="store_true", help="only measure what is in --out")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    if a.measure:
        report(Evaluator.load(a.out), D.autoencoder(a.vae))
        return
    rng, soften = np.random.default_rng(a.seed), D.Soften(a.seed, D.autoencoder(a.vae))
    model = Evaluator.load(a.start).train() if a.start else Evaluator(default_config(D.OBJECTS, D.COLOURS))
    opt = torch.optim.AdamW(model.parameters(), lr=a.lr, betas=(0.9, 0.98), weight_decay=0.02)
    average, clock, log, last = Average(model, 0.995), Clock(a.minutes, 30), D.Loss(), time.time()
    while not clock.done():
        f = clock.factor()
        opt.param_groups[0]["lr"] = a.lr * f
        x, t = batch(rng, a.batch, soften)
        loss = loss_of(model(x), t)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        opt.step()
        average.update(model)
        log.add(loss=loss.item())
        if time.time() - last > 20:
            last = time.time()
            average.model.save(a.out)
            rows = measure(average.model, 32)
            print(f"{clock.fraction():.2f} step {clock.step} {log.flush()} right {np.mean([r[0] for r in rows.values()]):.3f} wrong {np.mean([r[1] for r in rows.values()]):.3f}", flush=True)
    round_half(average.model).save(a.out)
    report(average.model, D.autoencoder(a.vae))


def report(model, ae):
    for name, s in (("clean", None), ("softened", D.Soften(5, ae))):
        for split in ("train", "heldout"):
            rows = measure(model, 250, split, soften=s)
            print(name, split, {k: (round(v[0], 3), round(v[1], 3)) for k, v in rows.items()},
                  "mean", [round(float(np.mean([r[i] for r in rows.values()])), 4) for i in (0, 1)], flush=True)


if __name__ == "__main__":
    main()
