"""How often each method is right with settings of the loop, on training captions, called right or wrong by the labeller: the held-out prompts and the judge are not touched.

    python tune.py WEIGHTS SEED CAPTIONS '{"lr": 4}' '{"lr": 2, "rewards": {"hps": 2, "clip": 0.1, "image_reward": 1}}' ...

CAPTIONS may name its categories, such as 24:row,color_chain. Each further word changes settings of WEIGHTS/reno.json; a line of JSON for each: shares for one step, best of 50 and 99, ReNO until 20, 50 and 100 iterations, and multi-start 40-3-10.
"""
import json
import sys

import numpy as np
import torch

import judge
import stage
import world as W
from evaluator import Evaluator
from loop import best_until, settings
from reno_loop import Pocket, reno, start_noise, take

AT = (20, 50, 100)
BEST, CANDIDATES, CHAINS, STEPS, CHUNK = 99, 40, 3, 10, 36


def total(losses, hp):
    return sum(w * losses[k] for k, w in hp['rewards'].items() if w)


def main(root, seed, captions, *changes):
    rng = np.random.default_rng(int(seed))
    number, _, some = captions.partition(':')
    categories = some.split(',') if some else W.CATEGORIES
    specs = [W.draw(rng, categories[i % len(categories)])[1] for i in range(int(number))]
    model, lab = Pocket(root), Evaluator.load(stage.ROOT + '/labeller/model')
    prompts, texts, ids = [judge.prompt_of(s) for s in specs], [W.caption(s) for s in specs], list(range(len(specs)))
    cond = model.condition(texts)
    noise = lambda k: start_noise(model.noise_shape, ids, int(seed), k)
    cut = lambda n: [slice(a, min(n, a + CHUNK)) for a in range(0, n, CHUNK)]

    @torch.no_grad()
    def right(images):
        return np.array([judge.verdict(judge.decode(g, lab.config), p)[0] for g, p in zip(lab(images), prompts)])

    images, losses = [], []
    with torch.no_grad():
        for k in range(BEST):
            z, parts = noise(k), []
            for s in cut(len(ids)):
                x = model.generate(z[s], take(cond, s))
                parts.append((x, model.losses(x, take(cond, s))))
            images.append((torch.cat([p[0] for p in parts]) * 255).round().byte())
            losses.append({n: torch.cat([p[1][n] for p in parts]) for n in parts[0][1]})
    single = np.stack([right(x.float() / 255) for x in images])
    for change in changes or ('{}',):
        hp = {**settings(root), **json.loads(change)}
        loss = torch.stack([total(v, hp) for v in losses])
        best = lambda n: single[loss[:n].argmin(0).numpy(), np.arange(len(ids))]
        row = dict(change=json.loads(change), base=single[0], a_noise=single, any=single.any(0), best_50=best(50), best_99=best(99))
        for s in cut(len(ids)):
            trace = []
            reno(model, noise(0)[s], take(cond, s), {**hp, 'nIters': max(AT) + 1}, trace)
            for i, pic in best_until(trace, AT):
                row.setdefault(f'reno_{i}', []).append(pic)
        for i in AT:
            row[f'reno_{i}'] = right(torch.cat(row[f'reno_{i}']))
        order = loss[:CANDIDATES].argsort(0)[:CHAINS]
        lows, pics = loss[order[0], torch.arange(len(ids))], torch.stack([images[j][i] for i, j in enumerate(order[0].tolist())]).float() / 255
        for chain in range(CHAINS):
            z = torch.stack([noise(int(order[chain, i]))[i] for i in ids])
            for s in cut(len(ids)):
                im, low, _, _ = reno(model, z[s], take(cond, s), {**hp, 'nIters': STEPS})
                better = low < lows[s]
                pics[s] = torch.where(better[:, None, None, None], im, pics[s])
                lows[s] = torch.where(better, low, lows[s])
        row['multi_start'] = right(pics)
        print(json.dumps({k: v if k == 'change' else round(100 * float(np.mean(v)), 1) for k, v in row.items()}), flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
