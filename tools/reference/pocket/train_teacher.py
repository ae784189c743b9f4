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
from models import load_tokenizer, make_text, make_unet, tokenize

ap = argparse.ArgumentParser()
ap.add_argument('--latents', required=True)
ap.add_argument('--tokenizer', required=True)
ap.add_argument('--out', required=True)
ap.add_argument('--minutes', type=float, default=40)
ap.add_argument('--threads', type=int, default=1)
ap.add_argument('--batch', type=int, default=64)
ap.add_argument('--lr', type=float, default=1.5e-3)
ap.add_argument('--pool', type=int, default=32)
ap.add_argument('--take', type=int, default=4)
ap.add_argument('--resume', action='store_true')
a = ap.parse_args()
torch.set_num_threads(a.threads)
torch.manual_seed(2)
rng = np.random.default_rng(2)
tok = load_tokenizer(a.tokenizer)
net = torch.nn.ModuleDict(dict(unet=make_unet(), text=make_text(tok)))
print({k: sum(p.numel() for p in m.parameters()) for k, m in net.items()})
opt = torch.optim.AdamW(net.parameters(), lr=a.lr, betas=(.9, .99), weight_decay=.01)
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


def batch():
    ids, x0, noise = [], [], []
    for _ in range(a.batch // a.take):
        g = groups[rng.choice(6, p=weights)]
        cap, gs = g[rng.integers(len(g))]
        pool = [(q, s) for q in (gs if len(gs) * per <= a.pool else rng.permutation(gs)[:max(1, a.pool // per)]) for s in range(per)]
        x = torch.stack([z_all[q, s] for q, s in pool]).float()
        n = torch.randn(len(x), *x.shape[1:])
        row, col = linear_sum_assignment(-(n.flatten(1) @ x.flatten(1).T).numpy())
        k = rng.permutation(len(x))[:a.take]
        noise.append(n[row[k]])
        x0.append(x[col[k]])
        ids += [empty if rng.random() < .1 else cap for _ in k]
    return torch.stack(ids), torch.cat(x0), torch.cat(noise)


t0 = last = reload = time.time()
step, total, acc, hi = 0, a.minutes * 60, [], []
while time.time() - t0 < total:
    frac = (time.time() - t0) / total
    for g in opt.param_groups:
        g['lr'] = float(a.lr * min(1, (step + 1) / 100) * (1 if frac < .4 else .5 + .5 * np.cos(np.pi * (frac - .4) / .6)) + 2e-5)
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
    opt.step()
    ema.update(net)
    step += 1
    acc.append(loss.item())
    hi.append(per_t[:len(t) // 8].mean().item())
    if step % 20 == 0:
        log(step=step, rate=round(step * a.batch / (time.time() - t0), 1), loss=float(np.mean(acc)), loss_t1=float(np.mean(hi)), groups=len(z_all))
        acc, hi = [], []
    if time.time() - reload > 45 and z_all.shape[0] < 2490:
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
