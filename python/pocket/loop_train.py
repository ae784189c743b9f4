"""Hardens one reward against the loop: its weights learn to order the pictures that the loop found (loop_harvest.py), beside rendered groups.

    python loop_train.py --reward image_reward --weights WEIGHTS --harvest DIR [DIR ...] --steps 300 --checkpoint F --out WEIGHTS2/image_reward

Starts from the reward in WEIGHTS. Every step sees --groups rendered groups (rewards_pairs.py) and as many groups of the harvest: three pictures of
one ascent and a rendered picture of the same caption (grade 0). All pairs of different grade are ranked (Bradley-Terry, as in rewards_ir.py). The length is
in steps and everything is seeded, the checkpoint holds optimiser and random states: the same command resumes, and gives the same weights.
"""
import argparse
import copy
import glob
import os
import shutil
import time

import numpy as np
import torch
import torch.nn.functional as F
from transformers import CLIPModel

import rewards_data as D
import rewards_ir
from blip import ImageReward
from rewards_clip import CAP
from rewards_ir import bradley_terry
from rewards_pairs import S, Tokens, group
from rewards_train import Average, Optimiser, round_half


class Harvest:
    """Pictures of ascents by caption, with their grades."""

    def __init__(self, folders):
        self.by = []
        for path in sorted(p for f in folders for p in glob.glob(f + '/[0-9]*.npz') if '.tmp' not in p):
            d = np.load(path)
            images, captions, grade = d['images'], d['captions'], d['grade']
            for c in dict.fromkeys(captions.tolist()):
                k = np.flatnonzero(captions == c)
                self.by.append((c, images[k], grade[k]))
        if not self.by:
            raise SystemExit(f'No shard of loop_harvest.py lies in {folders}: run it first.')

    def group(self, rng):
        """-> images [4 uint8], caption, grades [4]; the first is a rendered true picture."""
        caption, images, grade = self.by[rng.integers(len(self.by))]
        image, _ = true_picture(rng, caption)
        pick = rng.permutation(len(images))[:3]
        if np.ptp(grade[pick]) < .12:                       # one more try for pictures that differ
            pick = rng.permutation(len(images))[:3]
        return [image] + [images[j] for j in pick], caption, [0.0] + [float(grade[j]) for j in pick]


def true_picture(rng, caption):
    """A rendered scene for which a training caption holds, without held-out combinations."""
    spec = D.parse(caption)
    names, colours = [o[0] for o in spec.objects], [o[1] for o in spec.objects]
    category = 'counting' if spec.objects[0][2] > 1 else 'position' if spec.relation >= 0 else 'color_attr' if len(names) == 2 and colours[0] >= 0 else \
        'two_object' if len(names) == 2 else 'colors' if colours[0] >= 0 else 'single_object'
    objects, bg = S.sample_for(rng, category, dict(names=names, colors=colours, n=spec.objects[0][2], rel=D.RELATIONS[spec.relation] if spec.relation >= 0 else None))
    return D.render(objects, bg), objects


class Clip(torch.nn.Module):
    def __init__(self, folder):
        super().__init__()
        self.model = CLIPModel.from_pretrained(folder, dtype=torch.float32)

    def forward(self, images, owner, ids, mask):
        f = [t if torch.is_tensor(t) else t.pooler_output for t in (self.model.get_image_features(images), self.model.get_text_features(ids))]
        e, c = (F.normalize(t, dim=-1) for t in f)
        return self.model.logit_scale.clamp(max=CAP).exp() * (e[owner] * c).sum(-1)


class Ranker(torch.nn.Module):
    def __init__(self, folder):
        super().__init__()
        self.model = ImageReward.load(folder).train()
        self.std = self.model.config['std']
        self.mean = self.model.config['mean']

    def forward(self, images, owner, ids, mask):
        v = self.model.blip.visual_encoder(images)[owner]
        return self.model.mlp(self.model.blip.text_encoder(ids, mask, v)[:, 0])[:, 0]


def batch(rng, groups, soften, tokens, harvest):
    """-> pictures, and per row (caption, picture): owner, ids, mask, caption number, grade; rows of the harvest come last."""
    gs = [group(rng, 4) for _ in range(groups)]
    x, level = soften(D.to_tensor([im[0] for g in gs for im in g.images]), share=.6)
    owner, cap, grade, captions = [], [], [], []
    for i, g in enumerate(gs):
        for c, (text, _) in enumerate(g.captions):
            for j in range(4):
                owner.append(i * 4 + j), cap.append(i * 2 + c), captions.append(text)
                grade.append(g.grade(c, j) + .3 * float(level[i * 4 + j]))
    rows = len(owner)
    images = []
    for i in range(groups):
        ims, text, values = harvest.group(rng)
        for j in range(4):
            owner.append((groups + i) * 4 + j), cap.append(groups * 2 + i), captions.append(text), grade.append(values[j])
        images += ims
    y = D.to_tensor(images)
    y = (y + .01 * torch.randn(y.shape, generator=soften.g)).clamp(0, 1)
    ids, mask = tokens(captions)
    return torch.cat([x, y]), torch.tensor(owner), ids, mask, torch.tensor(cap), torch.tensor(grade), rows


def ship(a, average, tokens):
    """f16-rounded weights with the tokenizer of the reward that they come from."""
    m = round_half(copy.deepcopy(average.model.model)).eval()
    source = f'{a.weights}/{a.reward}'
    os.makedirs(a.out, exist_ok=True)
    for f in os.listdir(source):
        if f != 'model.safetensors':
            shutil.copy(f'{source}/{f}', a.out)
    if a.reward == 'image_reward':
        rewards_ir.normalise(m, tokens, D.Soften(3))
        m.save(a.out)
        return
    with torch.no_grad():
        m.logit_scale.clamp_(max=CAP)
    config = open(f'{source}/config.json').read()
    copy.deepcopy(m).half().save_pretrained(a.out)
    with open(a.out + '/config.json', 'w') as f:                # save_pretrained writes defaults of its own version into it
        f.write(config)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--reward', choices=('clip', 'hps', 'image_reward'), required=True)
    p.add_argument('--weights', required=True)
    p.add_argument('--harvest', nargs='+', required=True)
    p.add_argument('--steps', type=int, default=300)
    p.add_argument('--groups', type=int, default=6)
    p.add_argument('--lr', type=float, default=3e-4)
    p.add_argument('--muon', type=float, default=.003)
    p.add_argument('--seed', type=int, default=91)
    p.add_argument('--checkpoint', required=True)
    p.add_argument('--out', required=True)
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    tokens = Tokens(f'{a.weights}/{a.reward}', 20 if a.reward == 'image_reward' else 16)
    rng, soften, harvest = np.random.default_rng(a.seed), D.Soften(a.seed), Harvest(a.harvest)
    net = (Ranker if a.reward == 'image_reward' else Clip)(f'{a.weights}/{a.reward}')
    opt, average, log, step, last = Optimiser(net, a.lr, a.muon), Average(net, .98), D.Loss(), 0, time.time()

    def save():
        torch.save(dict(net=net.state_dict(), average=average.model.state_dict(), n=average.n, adam=opt.adam.state_dict(), muon=list(opt.muon.buf.values()), step=step,
                        rng=rng.bit_generator.state, soften=soften.g.get_state(), torch=torch.get_rng_state()), a.checkpoint + '.tmp')
        os.replace(a.checkpoint + '.tmp', a.checkpoint)

    if os.path.exists(a.checkpoint):
        c = torch.load(a.checkpoint, weights_only=False)
        net.load_state_dict(c['net']), average.model.load_state_dict(c['average']), opt.adam.load_state_dict(c['adam'])
        for b, v in zip(opt.muon.buf.values(), c['muon']):
            b.copy_(v)
        average.n, step, rng.bit_generator.state = c['n'], c['step'], c['rng']
        soften.g.set_state(c['soften']), torch.set_rng_state(c['torch'])
    while step < a.steps:
        x, owner, ids, mask, cap, grade, rows = batch(rng, a.groups, soften, tokens, harvest)
        score = net(D.preprocess(x), owner, ids, mask)
        r, right = bradley_terry(score[:rows], grade[:rows], cap[:rows], owner[:rows])
        h, found = bradley_terry(score[rows:], grade[rows:], cap[rows:], owner[rows:])
        opt.step(r + h, min(1, (step + 1) / 20) * max(.02, min(1, 2 * (1 - step / a.steps))))
        average.update(net)
        step += 1
        log.add(rendered=r.item(), harvest=h.item(), ordered_rendered=right.item(), ordered_harvest=found.item())
        if step % 25 == 0:
            print(f'{a.reward} step {step} {time.time() - last:.0f} s {log.flush()}', flush=True)
            last = time.time()
            save()
    ship(a, average, tokens)


if __name__ == '__main__':
    main()
