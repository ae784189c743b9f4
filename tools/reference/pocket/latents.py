"""Caches AE latents of training scenes, grouped by caption, for the teacher.

A group is one caption with `--per` scenes. Low-variety categories get several groups a caption.

    python latents.py --vae $POCKET_WORK/vae --out $POCKET_WORK/latents.npz --groups 4000
"""
import argparse
import time
import numpy as np
import torch
from diffusers import AutoencoderKL
from common import to_tensor
from scenes import CATEGORIES, caption, render_indices, sample_for, sample_scene

ap = argparse.ArgumentParser()
ap.add_argument('--vae', required=True)
ap.add_argument('--out', required=True)
ap.add_argument('--groups', type=int, default=2400)
ap.add_argument('--per', type=int, default=32)
a = ap.parse_args()
torch.set_num_threads(1)
rng = np.random.default_rng(11)
vae = AutoencoderKL.from_pretrained(a.vae).eval()
scale = vae.config.scaling_factor
share = dict(single_object=.04, two_object=.16, counting=.1, colors=.12, position=.22, color_attr=.36)
order = rng.permutation(np.concatenate([[i] * round(a.groups * share[c]) for i, c in enumerate(CATEGORIES)])).astype(int)
z, caps, cats = [], [], []
t0 = time.time()
for k, ci in enumerate(order):
    cat = CATEGORIES[ci]
    _, cap, meta = sample_scene(rng, cat)
    x = to_tensor([render_indices(*sample_for(rng, cat, meta['spec'])) for _ in range(a.per)])
    with torch.inference_mode():
        z.append((vae.encode(x).latent_dist.mean * scale).half().numpy())
    caps.append(cap)
    cats.append(ci)
    if (k + 1) % 250 == 0 or k + 1 == len(order):
        print(k + 1, len(set(caps)), f'{(k + 1) * a.per / (time.time() - t0):.0f}/s', flush=True)
        np.savez(a.out.replace('.npz', '.tmp.npz'), z=np.stack(z), caps=np.array(caps), cats=np.array(cats))
        import os
        os.replace(a.out.replace('.npz', '.tmp.npz'), a.out)
