"""Sheet of one-step pictures of an exported generator: python preview.py WEIGHTS OUT.png [heldout|train] [steps]"""
import json
import sys
import numpy as np
import torch
from common import sheet
from reno_loop import Pocket, start_noise

torch.set_num_threads(1)
m = Pocket(sys.argv[1], ())
if sys.argv[3:4] == ['train']:
    from scenes import CATEGORIES, sample_scene
    rng = np.random.default_rng(5)
    prompts = [sample_scene(rng, CATEGORIES[i // 12])[1] for i in range(72)]
    ids = list(range(1000, 1072))
else:
    ps = json.load(open(sys.argv[1] + '/heldout_prompts.json'))
    ps = [[p for p in ps if p['category'] == c][:12] for c in dict.fromkeys(p['category'] for p in ps)]
    ps = [p for q in ps for p in q]
    prompts, ids = [p['prompt'] for p in ps], [p['id'] for p in ps]
c = m.condition(prompts)
z = start_noise(m.noise_shape, ids, 0)
with torch.no_grad():
    n = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    ts = torch.linspace(1, 0, n + 1)
    for t, s in zip(ts, ts[1:]):
        z = z + (s - t) * m.unet(z, t * 1000, c['hidden'], return_dict=False)[0]
    sheet(m.decode(z), 12, sys.argv[2])
for i in range(0, len(prompts), 12):
    print(' | '.join(p[11:] for p in prompts[i:i + 12]))
