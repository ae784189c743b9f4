"""Trains the AutoencoderKL (f=8, 8 latent channels) on scenes.

Loss: foreground-weighted L1 + L2 + L1 of finite differences (edges), KL so light that it only bounds the latents' scale.
Objects are stamps aligned with the latent cells, so a few minutes of one core suffice.

    python train_vae.py --minutes 12 --out $POCKET_WORK/vae1
    python train_vae.py --minutes 8 --init $POCKET_WORK/vae1 --out $POCKET_WORK/vae2 --batch 24 --lr 1.5e-3 --kl 1e-4
    python train_vae.py --minutes 12 --init $POCKET_WORK/vae2 --out $POCKET_WORK/vae3 --decoder-only --batch 24 --lr 1.2e-3
"""
import argparse
import os
import time
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from common import EMA, Log, scene_batch, sheet, to_tensor

ap = argparse.ArgumentParser()
ap.add_argument('--minutes', type=float, default=12)
ap.add_argument('--out', required=True)
ap.add_argument('--threads', type=int, default=1)
ap.add_argument('--batch', type=int, default=32)
ap.add_argument('--lr', type=float, default=2e-3)
ap.add_argument('--kl', type=float, default=3e-4)
ap.add_argument('--latent', type=int, default=8)
ap.add_argument('--bf16', type=int, default=0)
ap.add_argument('--last', type=int, default=1)
ap.add_argument('--bench', type=int, default=0)
ap.add_argument('--init')
ap.add_argument('--decoder-only', action='store_true', help='polish the decoder for a generator that is already being trained: encoder and scale stay')
ap.add_argument('--noise', type=float, default=.06, help='latent noise while polishing, relative to the latents')
a = ap.parse_args()
torch.set_num_threads(a.threads)
torch.manual_seed(1)
rng = np.random.default_rng(1)

ch = (16, 16, 32, 64)
vae = AutoencoderKL.from_pretrained(a.init) if a.init else AutoencoderKL(
    in_channels=3, out_channels=3, latent_channels=a.latent, sample_size=64, block_out_channels=ch, layers_per_block=1, norm_num_groups=8,
    down_block_types=('DownEncoderBlock2D',) * 4, up_block_types=('UpDecoderBlock2D',) * 4, scaling_factor=1.0)
print({k: sum(p.numel() for p in getattr(vae, k).parameters()) for k in ('encoder', 'decoder')})
if a.last:
    vae.to(memory_format=torch.channels_last)
if a.decoder_only:
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
opt = torch.optim.AdamW([p for p in vae.parameters() if p.requires_grad], lr=a.lr, betas=(.9, .99), weight_decay=0)
ema = EMA(vae, .998)
os.makedirs(a.out, exist_ok=True)
log = Log(os.path.join(a.out, 'log.jsonl'))
cats = ('single_object', 'colors', 'two_object', 'position', 'color_attr', 'counting', 'counting', 'counting')


@torch.no_grad()
def snapshot(final=False):
    """EMA weights with the measured scaling factor -> a.out, and a sheet of reconstructions."""
    m = AutoencoderKL.from_config(vae.config)
    ema.copy_to(m)
    m.eval()
    r = np.random.default_rng(99)
    x = to_tensor(scene_batch(r, 128)[0])
    z = torch.cat([m.encode(b).latent_dist.mean for b in x.split(32)])
    y = torch.cat([m.decode(b).sample for b in z.split(32)])
    m.register_to_config(scaling_factor=vae.config.scaling_factor if a.decoder_only else float(1 / z.std()))
    m.save_pretrained(a.out + '.tmp')
    if os.path.exists(a.out + '/config.json'):
        for f in os.listdir(a.out + '.tmp'):
            os.replace(f'{a.out}.tmp/{f}', f'{a.out}/{f}')
    else:
        for f in os.listdir(a.out + '.tmp'):
            os.rename(f'{a.out}.tmp/{f}', f'{a.out}/{f}')
    mse = F.mse_loss(y.clamp(-1, 1) / 2, x / 2).item()
    log(psnr=-10 * np.log10(mse), latent_std=z.std().item(), channel_std=[round(v, 3) for v in z.std((0, 2, 3)).tolist()],
        channel_mean=[round(v, 3) for v in z.mean((0, 2, 3)).tolist()])
    sheet(torch.stack([x[:24], y[:24]], 1).flatten(0, 1) / 2 + .5, 12, a.out + '/sheet.png')


t0 = last = time.time()
step, total = 0, a.minutes * 60
acc = np.zeros(4)
while True:
    el = time.time() - t0
    if el > total or (a.bench and step == a.bench):
        break
    x = to_tensor(scene_batch(rng, a.batch, cats)[0])
    frac = el / total
    for g in opt.param_groups:
        g['lr'] = float(a.lr * min(1, (step + 1) / 100) * (.5 + .5 * np.cos(np.pi * frac)) + 1e-5)
    if a.last:
        x = x.contiguous(memory_format=torch.channels_last)
    with torch.autocast('cpu', torch.bfloat16, enabled=bool(a.bf16)):
        with torch.set_grad_enabled(not a.decoder_only):
            post = vae.encode(x).latent_dist
        z = post.mean + torch.randn_like(post.mean) * torch.rand(len(x), 1, 1, 1) * a.noise / vae.config.scaling_factor if a.decoder_only else post.sample()
        y = vae.decode(z).sample
    y = y.float()
    contrast = (x - x[..., :1, :1]).abs().amax(1, keepdim=True)   # to the corner, which is nearly always background
    w = 1 + (contrast > .02) * (2 / contrast.clamp_min(.1)).clamp(2, 6)  # pale objects on pale ground count more
    d = y - x
    l1, l2 = (w * d.abs()).mean(), (w * d * d).mean()
    edge = (d[..., 1:] - d[..., :-1]).abs().mean() + (d[..., 1:, :] - d[..., :-1, :]).abs().mean()
    kl = 0 * l1 if a.decoder_only else post.kl().mean() / post.mean[0].numel()
    loss = l1 + l2 + .5 * edge + a.kl * kl
    opt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(vae.parameters(), 1)
    opt.step()
    ema.update(vae)
    step += 1
    acc += [l1.item(), l2.item(), edge.item(), kl.item()]
    if step % 50 == 0:
        log(step=step, rate=round(step * a.batch / (time.time() - t0), 1), l1=acc[0] / 50, l2=acc[1] / 50, edge=acc[2] / 50, kl=acc[3] / 50)
        acc[:] = 0
    if not a.bench and time.time() - last > 90:
        last = time.time()
        snapshot()
if not a.bench:
    snapshot(True)
else:
    print('rate', step * a.batch / (time.time() - t0))
