"""Stages: the three rewards. As ../pocket/rewards_{clip,ir}.py, for this world.

    python rewards.py clip|hps|image_reward

clip and image_reward start from the 64² world's weights (the same networks with the same number of patches, words and objects); all three keep its helper losses: per patch which object, which colour,
where within the object, on the class token how many of each object and where a lone one is.

clip          contrastive over the batch, with a slightly wrong picture and caption of every pair as extra negatives, and ranked within groups
hps           from clip: ranking of pictures of one caption (HPSv2's loss over all pairs of different grade)
image_reward  BLIP-like; ranking, image-text matching, and the truth of every word on its own token

All three rank groups with bindings and relations in them: colours exchanged, hues between two colours, objects that changed places, one object too many, captions with two objects exchanged.
"""
import copy
import math
import os
import shutil
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPConfig, CLIPModel

import data
import stage
import world as W
from blip import MED, ImageReward
from rewards_clip import CAP
from rewards_ir import bradley_terry
from rewards_pairs import Tokens

SIDE, PATCH = stage.CONFIG['reward_image'], stage.CONFIG['reward_patch']
GRID = SIDE // PATCH
VISION = dict(image_size=SIDE, patch_size=PATCH, width=128, depth=4, heads=4, mlp=512, layer_norm_eps=1e-6)


class Dense(nn.Module):
    """Heads on patches and class token that are thrown away with the end of training."""

    def __init__(self):
        super().__init__()
        self.patch, self.count, self.place = nn.Linear(128, 17 + 8 + 2), nn.Linear(128, 16 * 5), nn.Linear(128, 16 * 2)

    def forward(self, tokens):
        return self.patch(tokens[:, 1:]), self.count(tokens[:, 0]).view(-1, 16, 5), self.place(tokens[:, 0]).view(-1, 16, 2)


def dense_labels(scenes):
    n = len(scenes)
    cls, col, off = (v.flatten(1, 2) for v in data.cell_labels(scenes, GRID))
    count, place = np.zeros((n, 16), np.int64), np.full((n, 16, 2), np.nan, np.float32)
    for i, s in enumerate(scenes):
        for o, _, x, y, size in s:
            if o < 16:
                count[i, o] = min(4, count[i, o] + 1)
                place[i, o] = ((x + size / 2) / 48 - 1, (y + size / 2) / 48 - 1)
    place[count != 1] = np.nan
    return cls, col, off, torch.from_numpy(count), torch.from_numpy(place)


def dense_loss(out, scenes, weight):
    """weight [N]: 1 where the picture shows exactly this scene; less in a blend."""
    (patch, count, place), (cls, col, off, cnt, where) = out, dense_labels(scenes)
    n = len(scenes)
    a = F.cross_entropy(patch[..., :17].reshape(-1, 17), cls.flatten(), reduction='none', ignore_index=-1).view(n, -1) * torch.where(cls == 16, .5, 1.5)
    b = F.cross_entropy(patch[..., 17:25].reshape(-1, 8), col.flatten(), reduction='none', ignore_index=-1).view(n, -1)
    c = ((patch[..., 25:] - off) ** 2).sum(-1) * (cls < 16)
    d = F.cross_entropy(count.reshape(-1, 5), cnt.flatten(), reduction='none').view(n, 16)
    on = ~where[..., 0].isnan()
    e = torch.where(on, ((place - where.nan_to_num()) ** 2).sum(-1), torch.zeros(()))
    return ((a.mean(1) + 2 * b.mean(1) + 2 * c.mean(1) + 2 * d.mean(1) + 4 * e.sum(1) / on.sum(1).clamp(min=1)) * weight).mean()


def start_of(name):
    """The 64² world's weights for this world's patches: as many of them, PATCH px wide instead of 8. The kernel is resized so that a smooth picture gives the same response."""
    old = load_file(f'{stage.START}/{name}/model.safetensors')
    return {k: F.interpolate(v.float(), (PATCH, PATCH), mode='bilinear') * (v.shape[-1] / PATCH) ** 2 if v.ndim == 4 else v.float() for k, v in old.items()}


# ---------------------------------------------------------------- clip and hps
def clip_config(tokens):
    sp = tokens.t.token_to_id
    bos, eos = sp('<|startoftext|>'), sp('<|endoftext|>')
    common = dict(hidden_size=128, intermediate_size=512, projection_dim=128, num_attention_heads=4, hidden_act='gelu')
    text = dict(vocab_size=tokens.size, num_hidden_layers=3, max_position_embeddings=16, layer_norm_eps=1e-5, bos_token_id=bos, eos_token_id=eos, pad_token_id=eos, **common)
    return CLIPConfig(text_config=text, vision_config=dict(num_hidden_layers=4, image_size=SIDE, patch_size=PATCH, **common), projection_dim=128, logit_scale_init_value=math.log(14))


class Clip(nn.Module):
    def __init__(self, tokens):
        super().__init__()
        self.model, self.dense = CLIPModel(clip_config(tokens)), Dense()

    def image(self, x):
        """-> normalised embeddings, dense predictions"""
        v = self.model.vision_model
        t = v.post_layernorm(v.encoder(inputs_embeds=v.pre_layrnorm(v.embeddings(x))).last_hidden_state)
        return F.normalize(self.model.visual_projection(t[:, 0]), dim=-1), self.dense(t)

    def text(self, ids):
        return F.normalize(self.model.text_projection(self.model.text_model(input_ids=ids).pooler_output), dim=-1)

    def scale(self):
        return self.model.logit_scale.clamp(max=CAP).exp()

    def score(self, x, owner, ids, mask):
        e, d = self.image(x)
        return self.scale() * (e[owner] * self.text(ids)).sum(-1), d


class Ranker(nn.Module):
    """image_reward with its helper heads."""

    def __init__(self, tokens):
        super().__init__()
        self.model = ImageReward(dict(vision=VISION, med_config={**MED, 'vocab_size': tokens.size}, mean=0.0, std=1.0))
        self.match, self.dense = nn.Linear(128, 1), Dense()
        self.words = nn.ModuleList(nn.Linear(128, 5 + 1 + 2 + 8) for _ in range(3))                 # count, yes, place, colour

    def all(self, x, owner, ids, mask):
        t = self.model.blip.visual_encoder(x)
        states = self.model.blip.text_encoder(ids, mask, t[owner], all_layers=True)
        h = states[-1][:, 0]
        return self.model.mlp(h)[:, 0], self.match(h)[:, 0], [f(s) for f, s in zip(self.words, states)], self.dense(t)

    def score(self, x, owner, ids, mask):
        s, _, _, d = self.all(x, owner, ids, mask)
        return s, d


def make(name):
    """-> a reward with its helper heads, untrained, and its tokenizer."""
    tokens = Tokens(f'{stage.TOKENIZERS}/{name}', 20 if name == 'image_reward' else 16)
    return (Ranker if name == 'image_reward' else Clip)(tokens), tokens


def rows_of(groups, k, level):
    """Every caption of a group with every of its pictures: owner, caption number, grade, caption, (spec, scene) or None in a blend, +1 right, -1 wrong, 0 unclear."""
    owner, cap, grade, texts, truth, clean = [], [], [], [], [], []
    for i, g in enumerate(groups):
        for c, (text, spec) in enumerate(g.captions):
            for j in range(k):
                e, l = g.grade(c, j), float(level[i * k + j])
                owner.append(i * k + j), cap.append(2 * i + c), grade.append(e + .3 * l), texts.append(text)
                plain = g.images[j][3] == 1
                truth.append((spec, g.images[j][1]) if plain else None)
                clean.append((plain and l < .6) * (1 if e == 0 else -1))
    return torch.tensor(owner), torch.tensor(cap), torch.tensor(grade), texts, truth, torch.tensor(clean)


def clip_loss(net, gs, k, x, level, tokens):
    """Ranking within groups, and the contrastive loss over right pictures and captions, with the wrong ones as negatives (pairs that happen to be true are left out)."""
    owner, cap, grade, texts, _, _ = rows_of(gs, k, level)
    e, d = net.image(data.preprocess(x))
    c = net.text(tokens([g.captions[j][0] for g in gs for j in (0, 1)])[0])                          # [2n]
    s = net.scale() * (e[owner] * c[cap]).sum(-1)
    rank, right = bradley_terry(s, grade, cap, owner)
    n = len(gs)
    logits = net.scale() * c @ e.view(n, k, -1)[:, :2].transpose(0, 1).reshape(2 * n, -1).T          # [2n captions (right, wrong of a group), 2n pictures (all right, all wrong)]
    scenes = [g.images[j][1] for j in (0, 1) for g in gs]
    true = torch.tensor([[data.errors(g.captions[j][1], sc)[0] == 0 for sc in scenes] for g in gs for j in (0, 1)])
    own = torch.zeros_like(true)
    own[torch.arange(n) * 2, torch.arange(n)] = True
    logits = logits.masked_fill(true & ~own, -1e4)
    y = torch.arange(n)
    contrast = F.cross_entropy(logits[::2], y) + F.cross_entropy(logits[:, :n].T, 2 * y)
    return contrast, rank, right, d


def train_clip(name):
    c, k, seed = stage.CONFIG[name], 4, stage.CONFIG['seed'] + dict(clip=51, hps=61)[name]
    torch.manual_seed(seed)
    (net, tokens), soften = make(name), data.Soften(seed)
    if name == 'clip':
        net.model.load_state_dict(start_of('clip'))
    else:
        net.load_state_dict(torch.load(stage.ROOT + '/clip/checkpoint.pt', weights_only=False)['ema']['model'])
    opt, ema = stage.Opt(net, c['lr'], c['muon']), stage.Ema(net, .99)
    s = stage.Stage(name, c['steps'], seed, dict(net=net, opt=opt, ema=ema, soften=soften))
    s.snapshot = lambda: ship(name, ema.model, tokens, s)
    for _ in s:
        gs = [data.group(s.rng, k) for _ in range(c['groups'])]
        x, level = soften(stage.to_tensor([im[0] for g in gs for im in g.images]), share=.6)
        contrast, rank, right, d = clip_loss(net, gs, k, x, level, tokens)
        dense = dense_loss(d, [im[1] for g in gs for im in g.images], torch.tensor([float(im[3] == 1) for g in gs for im in g.images]))
        opt.step((contrast + rank if name == 'clip' else .2 * contrast + 2 * rank) + .2 * dense, s.factor())
        ema.update(net)
        s.log(contrast=contrast, rank=rank, ordered=right, dense=dense, scale=net.scale())
    s.finish()


# ---------------------------------------------------------------- image_reward
def word_labels(texts, truth, shape):
    """Per token: count of the named object, truth of colour, number and relation words, place and colour of a lone object; on a relation word the displacement of its two objects."""
    count, yes, place, colour = torch.full(shape, -1), torch.full(shape, -1.0), torch.full((*shape, 2), float('nan')), torch.full(shape, -1)
    for r, (text, pair) in enumerate(zip(texts, truth)):
        if pair is None:
            continue
        spec, scene = pair
        _, coloured, related = data.errors(spec, scene)
        for pos, (kind, k) in W.parse(text)[1].items():
            p = pos + 1
            if kind == 'relation':
                i, _, j = spec.relations[k]
                a, b = ([s for s in scene if s[0] == spec.groups[v][0]] for v in (i, j))
                yes[r, p] = float(related[k])
                if len(a) == 1 and len(b) == 1:
                    place[r, p] = torch.tensor([(u - v) / 48 for u, v in zip(W.centre(a[0]), W.centre(b[0]))])
                continue
            same = [s for s in scene if s[0] == spec.groups[k][0]]
            if kind == 'colour':
                yes[r, p] = float(coloured[k] and len(same) > 0)
            elif kind == 'count':
                yes[r, p] = float(len(same) == spec.groups[k][2])
            else:
                count[r, p] = min(4, len(same))
                if len(same) == 1:
                    place[r, p] = torch.tensor([v / 48 - 1 for v in W.centre(same[0])])
                    if not isinstance(same[0][1], tuple) and same[0][1] < 8:
                        colour[r, p] = same[0][1]
    return count, yes, place, colour


def word_loss(word, labels, layer):
    """The first layer can only know what an object is like; whether words hold is asked from the second on."""
    count, yes, place, colour = labels
    on = ~place[..., 0].isnan()
    if not layer:
        on = on & (count >= 0)
    k = yes >= 0
    out = F.cross_entropy(word[..., :5].flatten(0, 1), count.flatten(), ignore_index=-1) + 4 * ((word[..., 6:8][on] - place[on]) ** 2).mean()
    if (colour >= 0).any():
        out = out + F.cross_entropy(word[..., 8:].flatten(0, 1), colour.flatten(), ignore_index=-1)
    truth = F.binary_cross_entropy_with_logits(word[..., 5][k], yes[k]) if k.any() else 0 * out
    return out + (2 * truth if layer else 0), truth


def train_image_reward():
    c, k, seed = stage.CONFIG['image_reward'], 4, stage.CONFIG['seed'] + 71
    torch.manual_seed(seed)
    (net, tokens), soften = make('image_reward'), data.Soften(seed)
    net.model.load_state_dict(start_of('image_reward'))
    opt, ema = stage.Opt(net, c['lr'], c['muon']), stage.Ema(net, .99)
    s = stage.Stage('image_reward', c['steps'], seed, dict(net=net, opt=opt, ema=ema, soften=soften))
    s.snapshot = lambda: ship('image_reward', ema.model, tokens, s)
    for _ in s:
        gs = [data.group(s.rng, k) for _ in range(c['groups'])]
        x, level = soften(stage.to_tensor([im[0] for g in gs for im in g.images]), share=.6)
        owner, cap, grade, texts, truth, clean = rows_of(gs, k, level)
        ids, mask = tokens(texts)
        score, match, words, d = net.all(data.preprocess(x), owner, ids, mask)
        rank, right = bradley_terry(score, grade, cap, owner)
        on = clean != 0
        itm = F.binary_cross_entropy_with_logits(match[on], (clean[on] > 0).float(), pos_weight=torch.tensor(2.0))
        labels = word_labels(texts, truth, ids.shape)
        w = [word_loss(v, labels, i) for i, v in enumerate(words)]
        dense = dense_loss(d, [im[1] for g in gs for im in g.images], torch.tensor([float(im[3] == 1) for g in gs for im in g.images]))
        opt.step(1.5 * rank + itm + .4 * sum(v[0] for v in w) + .5 * w[2][1] + .1 * dense, s.factor())
        ema.update(net)
        s.log(rank=rank, ordered=right, itm=itm, words=w[2][0], yes=w[2][1], dense=dense)
    s.finish()


# ---------------------------------------------------------------- measuring and shipping
@torch.no_grad()
def ordered(net, tokens, n=40, split='train', seed=5, soften=None):
    """Share of pairs, by category, in which the right picture scores above a slightly wrong one of the same caption."""
    rng, rows = np.random.default_rng(seed), {}
    for cat in W.CATEGORIES:
        good, bad, texts = [], [], []
        while len(good) < n:
            text, spec, scene, theme = W.draw(rng, cat, split)
            w = data.wrong_scene(rng, spec, scene, split=split, tint_share=0)
            if w:
                good.append(data.render(scene, theme)), bad.append(data.render(w, theme)), texts.append(text)
        x = stage.to_tensor(good + bad)
        x = soften(x)[0] if soften else x
        s, _ = net.score(data.preprocess(x), torch.arange(2 * n), *tokens(texts + texts))
        rows[cat] = round((s[:n] > s[n:]).float().mean().item(), 3)
    return rows


@torch.no_grad()
def normalise(net, tokens):
    """mean and std of image_reward's raw score over right and slightly wrong, clean and softened pictures."""
    rng, images, texts, soften = np.random.default_rng(77), [], [], data.Soften(3)
    for _ in range(stage.few(150)):
        text, spec, scene, theme = W.draw(rng)
        w = data.wrong_scene(rng, spec, scene)
        images += [data.render(scene, theme), data.render(w or scene, theme)]
        texts += [text] * 2
    x = stage.to_tensor(images)
    s = torch.cat([net.score(data.preprocess(v), torch.arange(len(x)), *tokens(texts))[0] for v in (x, soften(x)[0])])
    net.model.config.update(mean=round(s.mean().item(), 6), std=round(s.std().item(), 6))


def ship(name, average, tokens, s, out=None, n=24):
    """f16-rounded weights, in the layout of weights/pocket, with their tokenizer."""
    net, out = stage.half(average), out or f'{stage.WEIGHTS}/{name}'
    os.makedirs(out, exist_ok=True)
    if name == 'image_reward':
        normalise(net, tokens)
        net.model.save(out)
    else:
        with torch.no_grad():
            net.model.logit_scale.clamp_(max=CAP)
        copy.deepcopy(net.model).half().save_pretrained(out)
    for f in ('tokenizer.json', 'tokenizer_config.json', 'vocab.json', 'merges.txt', 'vocab.txt'):
        if os.path.exists(f'{stage.TOKENIZERS}/{name}/{f}'):
            shutil.copy(f'{stage.TOKENIZERS}/{name}/{f}', out)
    n = stage.few(n)
    s.say(train=ordered(net, tokens, n), heldout=ordered(net, tokens, n, 'heldout'))


if __name__ == '__main__':
    name = sys.argv[1]
    train_image_reward() if name == 'image_reward' else train_clip(name)
