"""Trains the multi-step teacher: UNet + CLIP text encoder from scratch, rectified flow in the AE's latent space.

x_t = (1-t) x0 + t z, target v = z - x0, the UNet is called with timestep 1000 t. Noise and scenes of one caption are
coupled by optimal transport inside a small pool (multisample flow matching, Pooladian et al. 2023, done per caption so that
the conditional distribution stays exact in expectation): paths cross less, so few steps -- and later one step -- get further.
10 % of captions are dropped, so that the teacher can be guided when it makes pairs for the student.

    python train_teacher.py --latents $POCKET_WORK/latents.npz --out $POCKET_WORK/teacher --minutes 40
"""
import argparse
import os
import time
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from common import EMA, Log
from muon import Muon
from models import load_tokenizer, make_text, make_unet, tokenize

ap = argparse.ArgumentParser()
ap.add_argument('--latents', required=True)
ap.add_argument('--tokenizer', required=True)
ap.add_argument('--out', required=True)
ap.add_argument('--minutes', type=float, default=40)
ap.add_argument('--threads', type=int, default=1)
ap.add_argument('--batch', type=int, default=64)
ap.add_argument('--lr', type=float, default=2e-3)
ap.add_argument('--muon', type=float, default=.02)
ap.add_argument('--pool', type=int, default=128)
ap.add_argument('--resume', action='store_true')
a = ap.parse_args()
torch.set_num_threads(a.threads)
torch.manual_seed(2)
rng = np.random.default_rng(2)
tok = load_tokenizer(a.tokenizer)
net = torch.nn.ModuleDict(dict(unet=make_unet(), text=make_text(tok)))
print({k: sum(p.numel() for p in m.parameters()) for k, m in net.items()})
opt = Muon(net, a.muon, a.lr)
ema = EMA(net, .998)
os.makedirs(a.out, exist_ok=True)
ckpt = os.path.join(a.out, 'last.pt')
if a.resume:
    c = torch.load(ckpt)
    net.load_state_dict(c['net'])
    ema.shadow = c['ema']
    ema.step = 10000
    opt.load_state_dict(c['opt'])
log = Log(os.path.join(a.out, 'log.jsonl'))


def load():
    """latents by caption by category; the cache may still be growing."""
    d = np.load(a.latents)
    z = torch.from_numpy(d['z'])
    by = [dict() for _ in range(6)]
    for g, (cap, cat) in enumerate(zip(d['caps'], d['cats'])):
        by[cat].setdefault(str(cap), []).append(g)
    caps = sorted({str(c) for c in d['caps']})
    ids = dict(zip(caps, tokenize(tok, caps)))
    return z, [[(ids[c], gs) for c, gs in b.items()] for b in by]


z_all, groups = load()
per = z_all.shape[1]
empty = tokenize(tok, [''])[0]
weights = np.array([.5, 1, 1.2, 1, 1.3, 1.3])
weights /= weights.sum()


ready = [[] for _ in range(6)]


def refill(k):
    """Couples one caption's scenes with noise and puts the pairs into the category's reservoir."""
    cap, gs = groups[k][rng.integers(len(groups[k]))]
    gs = rng.permutation(gs)[:max(1, a.pool // per)]
    x = z_all[torch.from_numpy(gs)].flatten(0, 1).float()
    n = torch.randn(x.shape)
    row, col = linear_sum_assignment(-(n.flatten(1) @ x.flatten(1).T).numpy())
    ready[k] += [(cap, x[c], n[r]) for r, c in zip(row, col)]


def batch():
    ids, x0, noise = [], [], []
    for k in rng.choice(6, a.batch, p=weights):
        while len(ready[k]) < 1024:
            refill(k)
        i = rng.integers(len(ready[k]))
        ready[k][i], ready[k][-1] = ready[k][-1], ready[k][i]
        cap, x, n = ready[k].pop()
        ids.append(empty if rng.random() < .1 else cap)
        x0.append(x)
        noise.append(n)
    return torch.stack(ids), torch.stack(x0), torch.stack(noise)


t0 = last = reload = time.time()
step, total, acc, hi = 0, a.minutes * 60, [], []
while time.time() - t0 < total:
    frac = (time.time() - t0) / total
    factor = min(1, (step + 1) / 50) * (1 if frac < .4 else max(.02, (1 - frac) / .6))
    ids, x0, z = batch()
    t = torch.sigmoid(torch.randn(len(x0)) * 1.2 + .4)
    t[:len(t) // 8] = 1                              # the student starts from t = 1: keep that end well trained
    tt = t[:, None, None, None]
    h = net['text'](ids).last_hidden_state
    v = net['unet']((1 - tt) * x0 + tt * z, t * 1000, h, return_dict=False)[0]
    per_t = (v - (z - x0)).pow(2).mean((1, 2, 3))
    loss = per_t.mean()
    opt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1)
    opt.step(factor)
    ema.update(net)
    step += 1
    acc.append(loss.item())
    hi.append(per_t[:len(t) // 8].mean().item())
    if step % 20 == 0:
        log(step=step, rate=round(step * a.batch / (time.time() - t0), 1), loss=float(np.mean(acc)), loss_t1=float(np.mean(hi)), groups=len(z_all))
        acc, hi = [], []
    if time.time() - reload > 45 and z_all.shape[0] < 2390:
        reload = time.time()
        try:
            z_all, groups = load()
        except Exception as e:
            print('reload', e)
    if time.time() - last > 120 or time.time() - t0 >= total:
        last = time.time()
        torch.save(dict(net=net.state_dict(), ema=ema.shadow, opt=opt.state_dict()), ckpt + '.tmp')
        os.replace(ckpt + '.tmp', ckpt)
torch.save(dict(net=net.state_dict(), ema=ema.shadow, opt=opt.state_dict()), ckpt)
