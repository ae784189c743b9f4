"""How well rewards pick right pictures: best-of-N accuracy by the evaluator for several reward weights, from one set of candidates.

    python study.py WEIGHTS [N]
"""
import json
import sys
import torch
from evaluator import Evaluator, decode, verdict
from reno_loop import Pocket, start_noise, table, take

torch.set_num_threads(1)
root, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 16
prompts = json.load(open(root + '/heldout_prompts.json'))
m, e = Pocket(root), Evaluator.load(root + '/evaluator')
c = m.condition([p['prompt'] for p in prompts])
ids, loss, right = [p['id'] for p in prompts], {}, []
with torch.no_grad():
    for k in range(n):
        ok = []
        for s in range(0, len(ids), 64):
            sl = slice(s, s + 64)
            im = m.generate(start_noise(m.noise_shape, ids[sl], 0, k), take(c, sl))
            ok += [verdict(decode(g, e.config), p, e.config)[0] for g, p in zip(e(im), prompts[sl])]
            for r, v in m.losses(im, take(c, sl)).items():
                loss.setdefault(r, []).append(v)
        right.append(torch.tensor(ok))
right = torch.stack(right).float()
per = -(-len(ids) // 64)
loss = {r: torch.cat(v).view(n, -1) for r, v in loss.items()}
print('spread within a prompt', {r: round(v.std(0).mean().item(), 4) for r, v in loss.items()}, 'mean', {r: round(v.mean().item(), 3) for r, v in loss.items()})
print('single', round(right.mean().item(), 3), 'oracle', round(right.amax(0).mean().item(), 3))
for w in ((5, .01, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (5, .05, 1), (10, .05, 1), (20, .1, 1), (20, .1, 0), (5, .1, .3), (40, .05, 1)):
    total = w[0] * loss['hps'] + w[1] * loss['clip'] + w[2] * loss['image_reward']
    pick = total.argmin(0)
    ok = right[pick, torch.arange(len(ids))]
    print(w, table(prompts, [bool(v) for v in ok]))
