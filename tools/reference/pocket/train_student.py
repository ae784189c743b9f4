"""Distils the teacher into the one-step generator: x0 = z - v(z, timestep 1000, caption).

Pairs (z, end point of the teacher's ODE from z; Euler, guided) are made and trained on in one process: first only
pairs, then half the time each, then only training. The student starts as the teacher. Loss: L2 in latents, optionally with
a hinge GAN term from a small conditional discriminator on latents (real: AE latents of training scenes), because plain
L2 averages what the teacher's map makes of nearby noises.

    python train_student.py --teacher $POCKET_WORK/teacher --out $POCKET_WORK/student --minutes 30
"""
import argparse
import os
import time
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from common import EMA, Log
from models import load_tokenizer, make_text, make_unet, tokenize
from scenes import CATEGORIES, _sample, allowed, caption

ap = argparse.ArgumentParser()
ap.add_argument('--teacher', required=True)
ap.add_argument('--tokenizer', required=True)
ap.add_argument('--latents')
ap.add_argument('--pairs')
ap.add_argument('--out', required=True)
ap.add_argument('--minutes', type=float, default=30)
ap.add_argument('--first', type=float, default=3, help='minutes of pairs only')
ap.add_argument('--until', type=float, default=.6, help='fraction of the time in which pairs are still made')
ap.add_argument('--threads', type=int, default=1)
ap.add_argument('--batch', type=int, default=128)
ap.add_argument('--lr', type=float, default=5e-4)
ap.add_argument('--steps', type=int, default=8)
ap.add_argument('--guidance', type=float, default=1.5)
ap.add_argument('--gan', type=float, default=0)
ap.add_argument('--init', help='another student to go on from')
ap.add_argument('--seed', type=int, default=3)
a = ap.parse_args()
torch.set_num_threads(a.threads)
torch.manual_seed(a.seed)
rng = np.random.default_rng(a.seed)
tok = load_tokenizer(a.tokenizer)


def make():
    return nn.ModuleDict(dict(unet=make_unet(), text=make_text(tok)))


teacher, net = make(), make()
teacher.load_state_dict(torch.load(a.teacher + '/last.pt')['ema'])
teacher.eval().requires_grad_(False)
net.load_state_dict(torch.load(a.init + '/last.pt')['ema'] if a.init else teacher.state_dict())
ema = EMA(net, .998)
opt = torch.optim.AdamW(net.parameters(), lr=a.lr, betas=(.9, .99), weight_decay=0)
os.makedirs(a.out, exist_ok=True)
log = Log(os.path.join(a.out, 'log.jsonl'))
empty = tokenize(tok, [''])
W = np.array([.5, 1, 1.2, 1, 1.3, 1.3])
W /= W.sum()


def captions(n):
    out = []
    while len(out) < n:
        cat = CATEGORIES[rng.choice(6, p=W)]
        objects, spec = _sample(rng, cat)
        if allowed(objects):
            out.append(caption(cat, **spec))
    return out


@torch.inference_mode()
def make_pairs(n):
    ids = tokenize(tok, captions(n))
    z = torch.randn(n, 8, 8, 8)
    h = teacher['text'](ids).last_hidden_state
    h0 = teacher['text'](empty).last_hidden_state.expand(n, -1, -1)
    x, ts = z.clone(), torch.linspace(1, 0, a.steps + 1)
    for t, s in zip(ts, ts[1:]):
        v = teacher['unet'](x, t * 1000, h, return_dict=False)[0]
        if a.guidance != 1 and t > .3:               # guidance where the composition is decided
            u = teacher['unet'](x, t * 1000, h0, return_dict=False)[0]
            v = u + a.guidance * (v - u)
        x = x + (s - t) * v
    return ids.short(), z.half(), x.half()


class Disc(nn.Module):
    """Is this latent a scene of this caption? Three conv blocks; the caption by projection and by modulation."""

    def __init__(self, vocab, w=96):
        super().__init__()
        self.emb = nn.Embedding(vocab, 64)
        self.pos = nn.Parameter(torch.randn(16, 64) * .1)
        self.txt = nn.Sequential(nn.Flatten(), nn.Linear(16 * 64, 256), nn.SiLU(), nn.Linear(256, 3 * w))
        self.inp = nn.Conv2d(8, w, 3, padding=1)
        self.c = nn.ModuleList([nn.Conv2d(w, w, 3, padding=1), nn.Conv2d(w, w, 3, padding=1, stride=2), nn.Conv2d(w, w, 3, padding=1)])
        self.out = nn.Linear(w, 1)

    def forward(self, x, ids):
        m = self.txt(self.emb(ids) + self.pos).chunk(3, 1)
        h = self.inp(x)
        for c, s in zip(self.c, m):
            h = c(F.silu(F.group_norm(h, 8)) * (1 + s[:, :, None, None]))
        return self.out(F.silu(h).permute(0, 2, 3, 1)).mean((1, 2, 3)) + self.out(F.silu(h.amax((2, 3))))[:, 0]


if a.gan:
    disc = Disc(len(tok))
    dopt = torch.optim.AdamW(disc.parameters(), lr=4e-4, betas=(.5, .99), weight_decay=0)
    d = np.load(a.latents)
    real_z, real_ids = torch.from_numpy(d['z']), tokenize(tok, [str(c) for c in d['caps']])
    by = [np.flatnonzero(d['cats'] == k) for k in range(6)]

    def real(n):
        g = [by[rng.choice(6, p=W)] for _ in range(n)]
        g = np.array([q[rng.integers(len(q))] for q in g])
        return real_z[g, rng.integers(real_z.shape[1], size=n)].float(), real_ids[g]

I, Z, X = [], [], []
if a.pairs:
    p = torch.load(a.pairs)
    I, Z, X = list(p['ids'].split(128)), list(p['z'].split(128)), list(p['x'].split(128))
t0 = last = time.time()
total, step, acc, gen_time = a.minutes * 60, 0, [], 0
hold = make_pairs(256) if not I else (I.pop(), Z.pop(), X.pop())


def save():
    torch.save(dict(net=net.state_dict(), ema=ema.shadow), a.out + '/last.tmp')
    os.replace(a.out + '/last.tmp', a.out + '/last.pt')
    torch.save(dict(ids=torch.cat(I), z=torch.cat(Z), x=torch.cat(X)), a.out + '/pairs.tmp')
    os.replace(a.out + '/pairs.tmp', a.out + '/pairs.pt')
    m = make()
    ema.copy_to(m)
    with torch.inference_mode():
        z = hold[1].float()
        y = z - m['unet'](z, 1000, m['text'](hold[0].long()).last_hidden_state, return_dict=False)[0]
        log(step=step, hold_l2=F.mse_loss(y, hold[2].float()).item(), pairs=sum(map(len, I)))


while (el := time.time() - t0) < total:
    if (el < a.first * 60 or (el < a.until * total and gen_time < .5 * el + a.first * 30)) or not I:
        s = time.time()
        for q, v in zip((I, Z, X), make_pairs(128)):
            q.append(v)
        gen_time += time.time() - s
        if len(I) % 16 == 0:
            log(pairs=128 * len(I), per_s=round(128 / (time.time() - s), 1))
        continue
    frac = el / total
    for g in opt.param_groups:
        g['lr'] = float(a.lr * min(1, (step + 1) / 50) * (1 if frac < .5 else .5 + .5 * np.cos(np.pi * (frac - .5) / .5)) + 1e-5)
    b = rng.integers(len(I), size=a.batch)
    k = rng.integers(128, size=a.batch)
    ids = torch.stack([I[i][j] for i, j in zip(b, k)]).long()
    z = torch.stack([Z[i][j] for i, j in zip(b, k)]).float()
    x = torch.stack([X[i][j] for i, j in zip(b, k)]).float()
    y = z - net['unet'](z, 1000, net['text'](ids).last_hidden_state, return_dict=False)[0]
    rec = F.mse_loss(y, x)
    loss, extra = rec, {}
    if a.gan:
        rx, ri = real(a.batch)
        wrong = ri.roll(1, 0)
        noise = lambda v: v + .1 * torch.randn_like(v)
        dl = F.relu(1 - disc(noise(rx), ri)).mean() + .7 * F.relu(1 + disc(noise(y.detach()), ids)).mean() + .3 * F.relu(1 + disc(noise(rx), wrong)).mean()
        dopt.zero_grad()
        dl.backward()
        dopt.step()
        disc.requires_grad_(False)
        gl = -disc(noise(y), ids).mean()
        disc.requires_grad_(True)
        loss = rec + a.gan * gl
        extra = dict(d=dl.item(), g=gl.item())
    opt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1)
    opt.step()
    ema.update(net)
    step += 1
    acc.append(rec.item())
    if step % 20 == 0:
        log(step=step, l2=float(np.mean(acc)), el=round(el), **extra)
        acc = []
    if time.time() - last > 120:
        last = time.time()
        save()
save()
