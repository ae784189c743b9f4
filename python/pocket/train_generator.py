"""Trains UNet + CLIP text encoder from scratch: flow matching with the closed-form coupling of coupling.py.

x_t = (1-t) x0 + t z, target v = z - x0, timestep 1000 t. The share of t = 1 (the single step that ships: x0 = z - v) grows from
a half to all; smaller t first teaches what the objects look like. `--share` sets a constant share (a multi-step model needs it).

    python train_generator.py --vae $POCKET_WORK/vae --tokenizer $POCKET_WORK/tokenizer_clip --out $POCKET_WORK/gen --minutes 40
"""
import argparse
import os
import time
import numpy as np
import torch
from diffusers import AutoencoderKL
from common import EMA, Log, to_tensor
from coupling import couple
from models import load_tokenizer, make_text, make_unet, tokenize
from muon import Muon
from scenes import CATEGORIES, _sample, allowed, caption, render_indices

ap = argparse.ArgumentParser()
for n in ('vae', 'tokenizer', 'out'):
    ap.add_argument('--' + n, required=True)
ap.add_argument('--minutes', type=float, default=40)
ap.add_argument('--threads', type=int, default=1)
ap.add_argument('--batch', type=int, default=64)
ap.add_argument('--fresh', type=int, default=24, help='new samples a step; the rest comes from a reservoir')
ap.add_argument('--reservoir', type=int, default=6144)
ap.add_argument('--lr', type=float, default=2e-3)
ap.add_argument('--muon', type=float, default=.02)
ap.add_argument('--share', type=float)
ap.add_argument('--decay', type=float, default=.5, help='fraction of the time after which the learning rate falls')
ap.add_argument('--init')
ap.add_argument('--weights', default='.5,1.2,1.1,1,1.2,1.3', help='how often each category is drawn')
ap.add_argument('--ema', type=float, default=.996)
ap.add_argument('--seed', type=int, default=2)
a = ap.parse_args()
torch.set_num_threads(a.threads)
torch.manual_seed(a.seed)
rng = np.random.default_rng(a.seed)
tok = load_tokenizer(a.tokenizer)
vae = AutoencoderKL.from_pretrained(a.vae).eval().requires_grad_(False)
scale = vae.config.scaling_factor
net = torch.nn.ModuleDict(dict(unet=make_unet(), text=make_text(tok)))
print({k: sum(p.numel() for p in m.parameters()) for k, m in net.items()})
opt = Muon(net, a.muon, a.lr)
ema = EMA(net, a.ema)
os.makedirs(a.out, exist_ok=True)
if a.init:
    c = torch.load(a.init + '/last.pt')
    net.load_state_dict(c['ema'])
    ema.shadow = {k: v.clone() for k, v in net.state_dict().items()}
    opt.load_state_dict(c['opt'])
log = Log(os.path.join(a.out, 'log.jsonl'))

weights = np.array([float(v) for v in a.weights.split(',')])
weights /= weights.sum()


@torch.inference_mode()
def fresh(n):
    """n coupled samples: token ids, latents of the scenes, noise, weight."""
    z = rng.standard_normal((n, 8, 8, 8)).astype(np.float32)
    images, caps = [], []
    for i in range(n):
        while True:
            cat = CATEGORIES[rng.choice(6, p=weights)]
            objects, spec = _sample(rng, cat)
            if allowed(objects):
                break
        images.append(render_indices(*couple(z[i], cat, spec)))
        caps.append(caption(cat, **spec))
    x = vae.encode(to_tensor(images)).latent_dist.mean * scale
    # white on pale ground is small in the latents and would be learnt last
    return tokenize(tok, caps), x, torch.from_numpy(z), torch.tensor([2.5 if ' white ' in c else 1.0 for c in caps])


def save():
    torch.save(dict(ema=ema.shadow, opt=opt.state_dict()), a.out + '/last.tmp')
    os.replace(a.out + '/last.tmp', a.out + '/last.pt')


res = [torch.cat(t) for t in zip(*(fresh(64) for _ in range(4)))]
t0 = last = time.time()
step, seen, total, acc, one = 0, 256, a.minutes * 60, [], []
while (el := time.time() - t0) < total:
    frac = el / total
    factor = min(1, (step + 1) / 40) * (1 if frac < a.decay else max(.03, (1 - frac) / (1 - a.decay)))
    new = fresh(a.fresh)
    k = torch.from_numpy(rng.integers(len(res[0]), size=a.batch - a.fresh))
    ids, x0, z, w = (torch.cat([q, r[k]]) for q, r in zip(new, res))
    if len(res[0]) < a.reservoir:
        res = [torch.cat([r, q]) for q, r in zip(new, res)]
    else:
        slot = torch.from_numpy(rng.integers(a.reservoir, size=a.fresh))
        for q, r in zip(new, res):
            r[slot] = q
    share = a.share if a.share is not None else min(1, .5 + .6 * frac)
    t = torch.where(torch.rand(a.batch) < share, 1.0, .15 + .85 * torch.rand(a.batch))
    tt = t[:, None, None, None]
    h = net['text'](ids).last_hidden_state
    v = net['unet']((1 - tt) * x0 + tt * z, t * 1000, h, return_dict=False)[0]
    per = (v - (z - x0)).pow(2).mean((1, 2, 3))
    opt.zero_grad()
    (w * per).mean().backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1)
    opt.step(factor)
    ema.update(net)
    step += 1
    acc.append(per.mean().item())
    one.append(per[t == 1].mean().item())
    if step % 20 == 0:
        log(step=step, rate=round(step * a.batch / (time.time() - t0), 1), loss=float(np.mean(acc)), one_step=float(np.mean(one)), factor=round(factor, 3))
        acc, one = [], []
    if time.time() - last > 90:
        last = time.time()
        save()
save()
