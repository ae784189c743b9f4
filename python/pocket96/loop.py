"""Stages: rewards hardened against the loop, in rounds, and the hacking curve on the held-out prompts.

    python loop.py harvest ROUND SHARD | harden ROUND REWARD | measure ROUND SEED PART | table ROUND SEED

harvest   ascents (the loop of ../pocket/reno_loop.py with reno.json) on training captions; pictures at chosen iterations, and of fresh noise for more captions, labelled by the labeller
          (judge.py), never by the judge. Round 1 starts from the rewards as trained, round r from those of round r-1
harden    one reward learns to order these pictures beside rendered groups (all pairs of different grade)
measure   how many held-out prompts (every third) the judge calls right after 1 to 100 iterations, and with best-of-N (round 0: before any hardening)
table     the measured parts as one table
Shards and parts are independent of each other: processes side by side may take them (pipeline.sh).

The label of a picture is the scene that the labeller detects; its grade for the caption is the number of errors of that scene, where a named colour counts 1 - (the labeller's
probability of that colour), and doubt: how far its least sure detection is from sure.
"""
import glob
import json
import os
import shutil
import sys
import time

import numpy as np
import torch

import data
import judge
import rewards
import stage
import world as W
from evaluator import Evaluator
from generator import SHAPE
from reno_loop import DEFAULT, Pocket, reno, start_noise
from rewards_ir import bradley_terry

C = stage.CONFIG['harden']
AT = (0, 3, 8, 15, 25, 40, 59)
UNEQUAL = .12                                # grades that differ by less are not ordered (rewards_ir.bradley_terry)
DRAWN = -1                                   # iteration of a picture of fresh noise
CURVE = (1, 3, 5, 10, 20, 35, 50, 75, 100)
REWARDS = ('image_reward', 'hps', 'clip')


def weights_of(round_):
    return stage.WEIGHTS if round_ == 0 else f'{stage.ROOT}/harden{round_}/weights'


def settings(root):
    hp = json.loads(json.dumps(DEFAULT))
    hp.update({k: v for k, v in json.load(open(root + '/reno.json')).items() if k in hp})
    return hp


def label(grid, config, spec):
    """One picture's logits of the labeller -> (grade, errors, scene with boxes of no size)."""
    found = judge.decode(grid, config)
    scene = [(config['objects'].index(d['object']), config['colours'].index(d['colour']), d['x'], d['y'], 0) for d in found]
    hard, _, _ = W.errors(spec, scene)
    soft, doubt = float(hard), 0.0
    cells = [grid[:, int(d['y'] // 8), int(d['x'] // 8)] for d in found]
    for g in cells:
        doubt = max(doubt, 2 - 2 * g[0].sigmoid().item(), 1 - g[1:17].softmax(0).max().item())
    near = grid[0].sigmoid()
    faint = near[(near < .5) & (near > .1)]
    doubt = max(doubt, 2 * faint.max().item() if len(faint) else 0.0)
    for o, c, m in spec.groups:
        same = [k for k, s in enumerate(scene) if s[0] == o]
        if c >= 0 and same:
            soft -= sum(scene[k][1] == c for k in same) < m
            p = sorted((cells[k][17:25].softmax(0)[c].item() for k in same), reverse=True)
            soft += 1 - p[min(m, len(p)) - 1]
    return soft + .5 * min(1.0, doubt), hard, scene


def harvest(round_, n):
    """Shard n: ascents on its own training captions. Skipped when it exists."""
    out, base = stage.folder(f'harvest{round_}'), weights_of(round_ - 1)
    path = f'{out}/{n:03d}.npz'
    if os.path.exists(path):
        return
    model, lab, hp = Pocket(base), Evaluator.load(stage.ROOT + '/labeller/model'), {**settings(base), 'nIters': stage.few(C['iterations'])}
    t, rng = time.time(), np.random.default_rng((stage.CONFIG['seed'], round_, n))
    some = lambda n: [W.draw(rng, data.category(rng))[1] for _ in range(stage.few(n))]
    noise = lambda n: torch.from_numpy(rng.standard_normal((n, *SHAPE)).astype(np.float32))
    rows = []

    @torch.no_grad()
    def keep(x, specs, k):
        for i, (grid, spec) in enumerate(zip(lab(x), specs)):
            grade, hard, scene = label(grid, lab.config, spec)
            if W.allowed(scene):
                rows.append(((x[i] * 255).round().byte().permute(1, 2, 0).numpy(), W.caption(spec), grade, hard, k))

    specs, trace = some(C['captions']), []
    reno(model, noise(len(specs)), model.condition([W.caption(s) for s in specs]), hp, trace)
    for k in (k for k in AT if k < len(trace)):
        keep(trace[k]['image'], specs, k)
    for spec in some(C['drawn']):
        with torch.no_grad():
            c = model.condition([W.caption(spec)] * C['noises'])
            keep(model.generate(noise(C['noises']), c), [spec] * C['noises'], DRAWN)
    images, captions, grade, hard, at = ([r[k] for r in rows] for k in range(5))
    np.savez_compressed(path + '.tmp.npz', images=np.array(images, np.uint8), captions=np.array(captions, str), grade=np.array(grade), errors=np.array(hard), iteration=np.array(at))
    os.replace(path + '.tmp.npz', path)
    print(json.dumps(dict(round=round_, shard=n, seconds=round(time.time() - t), right={k: round(float(np.mean([h == 0 for h, a in zip(hard, at) if a == k])), 3) for k in sorted(set(at))})), flush=True)


class Harvest:
    """Labelled pictures by caption: of ascents, and of fresh noise."""

    def __init__(self, rounds):
        self.ascents, self.drawn = [], []
        for path in sorted(p for r in range(1, rounds + 1) for p in glob.glob(f'{stage.ROOT}/harvest{r}/[0-9][0-9][0-9].npz')):
            d = np.load(path)
            images, captions, grade, fresh = d['images'], d['captions'], d['grade'], d['iteration'] == DRAWN
            for by, of in ((self.ascents, ~fresh), (self.drawn, fresh)):
                for c in dict.fromkeys(captions[of].tolist()):
                    k = np.flatnonzero(of & (captions == c))
                    if len(k) >= 3 and grade[k].max() > UNEQUAL:                  # where all are right there is nothing to order
                        by.append((c, images[k], grade[k]))
        if not self.ascents or not self.drawn:
            raise SystemExit(f'No caption of harvest1 to harvest{rounds} keeps three pictures, a wrong one among them: either the labeller sees held-out combinations everywhere (is it trained?), or there are too few ascents.')

    def group(self, rng):
        """-> images [4], caption, grades; the first is a rendered true picture."""
        by = self.ascents if rng.random() < .6 else self.drawn
        caption, images, grade = by[rng.integers(len(by))]
        spec, _ = W.parse(caption)
        while True:
            scene = W.fill(rng, spec)
            if W.allowed(scene):
                break
        pick = rng.permutation(len(images))[:3]
        return [data.render(scene, int(rng.integers(W.NT)))] + [images[j] for j in pick], caption, [0.0] + [float(grade[j]) for j in pick]


def harden(round_, name):
    seed, k = stage.CONFIG['seed'] + 100 * round_ + REWARDS.index(name), 4
    torch.manual_seed(seed)
    (net, tokens), soften = rewards.make(name), data.Soften(seed)
    before = f'{stage.ROOT}/{name}/checkpoint.pt' if round_ == 1 else f'{stage.ROOT}/harden{round_ - 1}/{name}/checkpoint.pt'
    net.load_state_dict(torch.load(before, weights_only=False)['ema']['model'])
    opt, ema, found = stage.Opt(net, C['lr'], C['muon']), stage.Ema(net, .98), Harvest(round_)
    s = stage.Stage(f'harden{round_}/{name}', C['steps'], seed, dict(net=net, opt=opt, ema=ema, soften=soften))
    n = 6
    for _ in s:
        gs = [data.group(s.rng, k) for _ in range(n)]
        x, level = soften(stage.to_tensor([im[0] for g in gs for im in g.images]), share=.6)
        owner, cap, grade, texts, _, _ = rewards.rows_of(gs, k, level)
        rows, images = len(owner), []
        more = [found.group(s.rng) for _ in range(n)]
        for i, (ims, text, values) in enumerate(more):
            images += ims
            texts += [text] * k
        owner = torch.cat([owner, n * k + torch.arange(n * k)])
        cap = torch.cat([cap, 2 * n + torch.arange(n).repeat_interleave(k)])
        grade = torch.cat([grade, torch.tensor([v for _, _, values in more for v in values])])
        y = stage.to_tensor(images)
        x = torch.cat([x, (y + .01 * torch.randn(y.shape)).clamp(0, 1)])
        score, d = net.score(data.preprocess(x), owner, *tokens(texts))
        a, ok = bradley_terry(score[:rows], grade[:rows], cap[:rows], owner[:rows])
        b, mine = bradley_terry(score[rows:], grade[rows:], cap[rows:], owner[rows:])
        opt.step(a + b, s.factor(20))
        ema.update(net)
        s.log(rendered=a, harvest=b, ordered_rendered=ok, ordered_harvest=mine)
    out = weights_of(round_)
    os.makedirs(out, exist_ok=True)
    for part in ('generator', 'evaluator', 'heldout_prompts.json', 'reno.json'):
        if not os.path.exists(f'{out}/{part}'):
            (shutil.copytree if os.path.isdir(f'{stage.WEIGHTS}/{part}') else shutil.copy)(f'{stage.WEIGHTS}/{part}', f'{out}/{part}')
    rewards.ship(name, ema.model, tokens, s, f'{out}/{name}', 40)
    s.finish()


def best_until(trace, at):
    """Numbers of iterations of a run's trace, and the pictures of the lowest loss until there."""
    low, pic = trace[0]['reward'], trace[0]['image']
    for k, t in enumerate(trace, 1):
        better = t['reward'] < low
        pic, low = torch.where(better[:, None, None, None], t['image'], pic), torch.where(better, t['reward'], low)
        if k in at:
            yield k, pic


def measure(round_, seed, n, best=50):
    """Part n of the held-out prompts, of every third one. Skipped when it exists."""
    root, out = weights_of(round_), stage.folder(f'measure{round_}')
    some = json.load(open(root + '/heldout_prompts.json'))[::3][n::C['parts']][:stage.few(99)]
    path = f'{out}/seed{seed}_{n:03d}.json'
    if os.path.exists(path):
        return
    model, ev, hp = Pocket(root), Evaluator.load(root + '/evaluator'), {**settings(root), 'nIters': stage.few(max(CURVE) + 1)}
    best = stage.few(best)
    ids, c = [p['id'] for p in some], model.condition([p['prompt'] for p in some])

    def right(images):
        with torch.no_grad():
            return [bool(judge.verdict(judge.decode(g, ev.config), p)[0]) for g, p in zip(ev(images), some)]

    part, trace = dict(ids=ids, category=[p['category'] for p in some], reno={}, best_of={}), []
    reno(model, start_noise(SHAPE, ids, seed), c, hp, trace)
    part['reno'] = {k: right(pic) for k, pic in best_until(trace, CURVE)}
    low, pic, single = torch.full((len(some),), float('inf')), None, np.zeros(len(some))
    for k in range(1, best + 1):
        with torch.no_grad():
            image = model.generate(start_noise(SHAPE, ids, seed, k - 1), c)
            loss = sum(hp['rewards'][r] * v for r, v in model.losses(image, c).items() if hp['rewards'].get(r))
        single += right(image)
        better = loss < low
        pic, low = image if pic is None else torch.where(better[:, None, None, None], image, pic), torch.where(better, loss, low)
        if k in CURVE:
            part['best_of'][k] = right(pic)
    part['a_noise'] = (single / best).round(3).tolist()
    json.dump(part, open(path + '.tmp', 'w'))
    os.replace(path + '.tmp', path)


def table(round_, seed):
    out = stage.folder(f'measure{round_}')
    parts = [json.load(open(f)) for f in sorted(glob.glob(f'{out}/seed{seed}_*.json'))]
    pct = lambda v: round(100 * float(np.mean(v)), 1)
    cats = [c for p in parts for c in p['category']]
    res = dict(round=round_, seed=seed, prompts=len(cats), a_noise=pct([v for p in parts for v in p['a_noise']]))
    for kind in ('reno', 'best_of'):
        res[kind] = {k: pct([v for p in parts for v in p[kind][k]]) for k in parts[0][kind]}
        ok = [v for p in parts for v in p[kind].get('50', [])]
        res[kind + '_50'] = {c: pct([v for v, q in zip(ok, cats) if q == c]) for c in dict.fromkeys(cats) if ok}
    print(json.dumps(res), flush=True)
    json.dump(res, open(f'{out}/seed{seed}.json', 'w'), indent=1)


if __name__ == '__main__':
    what, args = sys.argv[1], sys.argv[2:]
    if what == 'harden':
        harden(int(args[0]), args[1])
    else:
        dict(harvest=harvest, measure=measure, table=table)[what](*map(int, args))
