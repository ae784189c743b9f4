"""The hacking curve: how many held-out prompts the evaluator calls right after 1 to 100 iterations of the loop, and with best-of-N at the same noises.

    python loop_measure.py --weights WEIGHTS --out DIR --seed 0 [--every 2 --iterations 100 --best 50]

Writes one JSON a batch of prompts (skipped when it exists: the same command resumes) and prints the table of all that lie in DIR for this seed.
The evaluator is that of --weights and is only asked, never trained on anything here.
"""
import argparse
import glob
import json
import os

import numpy as np
import torch

from evaluator import Evaluator, decode, verdict
from loop_harvest import settings
from reno_loop import Pocket, reno, start_noise

AT = (1, 3, 5, 10, 20, 35, 50, 75, 100, 150, 200)


def right(judge, images, prompts):
    with torch.no_grad():
        return [bool(verdict(decode(g, judge.config), p, judge.config)[0]) for g, p in zip(judge(images), prompts)]


def along(model, judge, prompts, seed, hp):
    """Verdicts and reward losses of the best picture so far after each number of iterations in AT."""
    trace = []
    noise = start_noise(model.noise_shape, [p['id'] for p in prompts], seed)
    c = model.condition([p['prompt'] for p in prompts])
    hp = {**hp, 'nIters': hp['nIters'] + 1}                       # the loop keeps no trace of its last iteration, which takes no step
    reno(model, noise, c, hp, trace)
    best = torch.full((len(prompts),), float('inf'))
    picture, rows = None, {}
    for k, t in enumerate(trace, 1):
        better = t['reward'] < best
        picture = t['image'] if picture is None else torch.where(better[:, None, None, None], t['image'], picture)
        best = torch.where(better, t['reward'], best)
        if k in AT:
            rows[k] = dict(right=right(judge, picture, prompts), loss=[round(v, 4) for v in best.tolist()])
    return rows


@torch.no_grad()
def draws(model, judge, prompts, seed, hp, n):
    """The same for the best of the first k noises."""
    c = model.condition([p['prompt'] for p in prompts])
    best, picture, rows, single = torch.full((len(prompts),), float('inf')), None, {}, np.zeros(len(prompts))
    for k in range(1, n + 1):
        image = model.generate(start_noise(model.noise_shape, [p['id'] for p in prompts], seed, k - 1), c)
        single += right(judge, image, prompts)
        loss = sum(hp['rewards'][r] * v for r, v in model.losses(image, c).items() if hp['rewards'].get(r))
        better = loss < best
        picture = image if picture is None else torch.where(better[:, None, None, None], image, picture)
        best = torch.where(better, loss, best)
        if k in AT:
            rows[k] = dict(right=right(judge, picture, prompts), loss=[round(v, 4) for v in best.tolist()])
    return rows, (single / n).round(4).tolist()


def table(out, seed):
    parts = [json.load(open(f)) for f in sorted(glob.glob(f'{out}/seed{seed}_*.json'))]
    res = dict(seed=seed, prompts=sum(len(p['ids']) for p in parts))
    for kind in ('reno', 'best_of'):
        for k in (parts[0][kind] if parts else {}):
            if all(k in p[kind] for p in parts):
                ok = [v for p in parts for v in p[kind][k]['right']]
                loss = [v for p in parts for v in p[kind][k]['loss']]
                res[f'{kind}_{k}'] = [round(100 * float(np.mean(ok)), 1), round(float(np.mean(loss)), 3)]
    if parts:
        res['a_noise'] = round(100 * float(np.mean([v for p in parts for v in p['a_noise']])), 1)
    return res


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--weights', required=True)
    p.add_argument('--out', required=True)
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--every', type=int, default=1, help='every k-th prompt')
    p.add_argument('--iterations', type=int, default=100)
    p.add_argument('--best', type=int, default=50)
    p.add_argument('--batch', type=int, default=23)
    a = p.parse_args()
    torch.set_num_threads(1)
    os.makedirs(a.out, exist_ok=True)
    prompts = json.load(open(a.weights + '/heldout_prompts.json'))[::a.every]
    model = None
    for s in range(0, len(prompts), a.batch):
        path = f'{a.out}/seed{a.seed}_{s:04d}.json'
        if os.path.exists(path):
            continue
        if model is None:
            model, judge, hp = Pocket(a.weights), Evaluator.load(a.weights + '/evaluator'), settings(a.weights)
            hp['nIters'] = a.iterations
        some = prompts[s:s + a.batch]
        best, single = draws(model, judge, some, a.seed, hp, a.best)
        part = dict(ids=[q['id'] for q in some], reno=along(model, judge, some, a.seed, hp), best_of=best, a_noise=single)
        with open(path + '.tmp', 'w') as f:
            json.dump(part, f)
        os.replace(path + '.tmp', path)
        print(json.dumps(table(a.out, a.seed)), flush=True)
    print(json.dumps(table(a.out, a.seed)), flush=True)


if __name__ == '__main__':
    main()
