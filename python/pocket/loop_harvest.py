"""Pictures that the loop itself finds, for training captions, with honest labels (loop_labels.py): what rewards are hardened with.

    python loop_harvest.py --weights WEIGHTS --out DIR --shard 0 [--captions 32 --iterations 60]

A shard is one batch of training captions (never a held-out combination; harder categories more often), each with its own noise. Its pictures are those of the
chosen iterations of an ascent with the settings of reno.json. A picture whose best-fitting scene shows a held-out combination is left out, and so
is every caption that keeps fewer than three pictures. Shards are seeded by their number and skipped when they exist: run the same command again to resume.
"""
import argparse
import json
import os
import time

import numpy as np
import torch

import rewards_data as D
from loop_labels import Fitter, grade, scene_of
from reno_loop import DEFAULT, Pocket, reno
from rewards_pairs import SHARES, S

AT = (0, 3, 8, 15, 25, 40, 59, 79, 99)


def settings(root):
    hp = json.loads(json.dumps(DEFAULT))
    hp.update({k: v for k, v in json.load(open(root + '/reno.json')).items() if k in hp})
    return hp


def shard(model, fit, hp, number, captions):
    """-> dict of arrays: images uint8 [n,64,64,3], captions, grade, errors, iteration, reward loss."""
    rng, g = np.random.default_rng((number, 4242)), torch.Generator().manual_seed(777_000 + number)
    texts = [D.draw(rng, S.CATEGORIES[np.searchsorted(SHARES, rng.random())])[1] for _ in range(captions)]
    z = torch.randn(captions, *DEFAULT_SHAPE, generator=g)
    trace = []
    reno(model, z, model.condition(texts), hp, trace)
    out = dict(images=[], captions=[], grade=[], errors=[], iteration=[], loss=[])
    for i, text in enumerate(texts):
        rows = []
        for k in AT:
            if k >= len(trace):
                continue
            x = trace[k]['image'][i]
            found, rest, _ = fit(x)
            if not D.allowed([(o, c, round(x), round(y)) for o, c, x, y in scene_of(found)]):
                continue
            value, hard = grade(D.parse(text), found, rest)
            rows.append(((x * 255).round().byte().permute(1, 2, 0).numpy(), text, value, hard, k, trace[k]['reward'][i].item()))
        if len(rows) >= 3:
            for name, column in zip(out, zip(*rows)):
                out[name] += column
    return {k: np.array(v) for k, v in out.items()}


DEFAULT_SHAPE = (8, 8, 8)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--weights', required=True)
    p.add_argument('--out', required=True)
    p.add_argument('--first', type=int, default=0)
    p.add_argument('--shards', type=int, default=1)
    p.add_argument('--captions', type=int, default=32)
    p.add_argument('--iterations', type=int, default=61)
    a = p.parse_args()
    torch.set_num_threads(1)
    os.makedirs(a.out, exist_ok=True)
    model = fit = None
    for s in range(a.first, a.first + a.shards):
        path = f'{a.out}/{s:05d}.npz'
        if os.path.exists(path):
            continue
        if model is None:
            model, fit, hp = Pocket(a.weights), Fitter(), settings(a.weights)
            hp['nIters'] = a.iterations
        t = time.time()
        d = shard(model, fit, hp, s, a.captions)
        np.savez_compressed(path + '.tmp.npz', **d)
        os.replace(path + '.tmp.npz', path)
        by = {int(k): round(float(d['grade'][d['iteration'] == k].mean()), 3) for k in sorted(set(d['iteration'].tolist()))}
        print(json.dumps(dict(shard=s, pictures=len(d['grade']), seconds=round(time.time() - t), grade_by_iteration=by,
                              right_by_iteration={k: round(float((d['errors'][d['iteration'] == k] == 0).mean()), 3) for k in by})), flush=True)


if __name__ == '__main__':
    main()
