"""Trains the two CLIP-shaped rewards, in transformers' own CLIPModel.

    python rewards_clip.py --stage clip --minutes 12 --trunk WORK/trunk.pt --tokenizer DIR --out weights/pocket/clip --checkpoint F
    python rewards_clip.py --stage hps  --minutes 8 --start F --tokenizer DIR --out weights/pocket/hps --checkpoint G

clip: contrastive over the batch, with a slightly wrong picture and a slightly wrong caption of every pair as extra
negatives; pairs that happen to be true are left out of the denominators. hps: fine-tuned from clip on preferences,
softmax over two pictures of one caption (HPSv2's loss), all pairs of different grade. Both keep a little of the
trunk's dense loss, whose heads are thrown away.
"""
import argparse
import copy
import math
import os
import shutil
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPConfig, CLIPModel

import rewards_data as D
from rewards_pairs import Tokens, group
from rewards_train import Average, Clock, Optimiser, round_half
from rewards_trunk import labels, loss_of

CAP = math.log(60)


def config(vocab, eos, bos):
    text = dict(vocab_size=vocab, hidden_size=128, intermediate_size=512, projection_dim=128, num_hidden_layers=3, num_attention_heads=4,
                max_position_embeddings=16, hidden_act="gelu", layer_norm_eps=1e-5, bos_token_id=bos, eos_token_id=eos, pad_token_id=eos)
    vision = dict(hidden_size=128, intermediate_size=512, projection_dim=128, num_hidden_layers=4, num_attention_heads=4, image_size=56,
                  patch_size=8, hidden_act="gelu", layer_norm_eps=1e-5)
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=128, logit_scale_init_value=math.log(14))


@torch.no_grad()
def from_trunk(model, trunk, sample):
    """BLIP's ViT layout -> CLIP's. The patch bias moves into the position table; the pre-norm, which BLIP lacks,
    starts as the average inverse of what it does (gain = typical deviation, bias = typical mean)."""
    v, w = model.vision_model, {k[6:]: x for k, x in trunk.items() if k.startswith("trunk.")}
    e = v.embeddings
    e.patch_embedding.weight.copy_(w["patch_embed.proj.weight"])
    pos = w["pos_embed"][0].clone()
    pos[1:] += w["patch_embed.proj.bias"]
    e.position_embedding.weight.copy_(pos)
    e.class_embedding.copy_(w["cls_token"][0, 0])
    for i, layer in enumerate(v.encoder.layers):
        p = f"blocks.{i}."
        for j, name in enumerate(("q_proj", "k_proj", "v_proj")):
            m = getattr(layer.self_attn, name)
            m.weight.copy_(w[p + "attn.qkv.weight"][j * 128:(j + 1) * 128])
            m.bias.copy_(w[p + "attn.qkv.bias"][j * 128:(j + 1) * 128])
        for a, b in ((layer.self_attn.out_proj, "attn.proj"), (layer.mlp.fc1, "mlp.fc1"), (layer.mlp.fc2, "mlp.fc2"), (layer.layer_norm1, "norm1"), (layer.layer_norm2, "norm2")):
            a.weight.copy_(w[p + b + ".weight"])
            a.bias.copy_(w[p + b + ".bias"])
    v.post_layernorm.weight.copy_(w["norm.weight"])
    v.post_layernorm.bias.copy_(w["norm.bias"])
    x = v.embeddings(sample)
    v.pre_layrnorm.weight.fill_(x.std(-1).mean())
    v.pre_layrnorm.bias.fill_(x.mean())


class Training(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.patch_head, self.count_head, self.place_head = nn.Linear(128, 27), nn.Linear(128, 80), nn.Linear(128, 32)
        self.place = None

    def image(self, x):
        """-> normalised embeddings, dense predictions"""
        v = self.model.vision_model
        t = v.post_layernorm(v.encoder(inputs_embeds=v.pre_layrnorm(v.embeddings(x))).last_hidden_state)
        e = self.model.visual_projection(t[:, 0])
        self.place = self.place_head(t[:, 0]).view(-1, 16, 2)
        return F.normalize(e, dim=-1), self.patch_head(t[:, 1:]), self.count_head(t[:, 0]).view(-1, 16, 5)

    def text(self, ids):
        t = self.model.text_model(input_ids=ids).pooler_output
        return F.normalize(self.model.text_projection(t), dim=-1)

    def scale(self):
        return self.model.logit_scale.clamp(max=CAP).exp()


def true_pairs(specs, scenes):
    """[captions, pictures] bool: the caption happens to hold."""
    return torch.tensor([[D.errors(s, c)[0] == 0 for c in scenes] for s in specs])


def place_loss(place, scenes):
    """Where every lone object is, asked of the class token: a relation is the difference of two places."""
    want = torch.full(place.shape, float("nan"))
    for i, s in enumerate(scenes):
        for o, c, x, y in s:
            if o < 16 and sum(t[0] == o for t in s) == 1:
                want[i, o] = torch.tensor([x - 2.5, y - 2.5]) / 2.5
    on = ~want[..., 0].isnan()
    return ((place[on] - want[on]) ** 2).mean()


def dense_loss(t, patch, count, groups, k):
    scenes = [im[1] for g in groups for im in g.images[:k]]
    pure = torch.tensor([float(im[3] == 1) for g in groups for im in g.images[:k]])
    return loss_of(patch, count, labels(scenes), pure) + 4 * place_loss(t.place[pure > 0], [s for s, q in zip(scenes, pure) if q > 0])


def clip_step(t, rng, n, soften, tokens):
    gs = [group(rng, 2) for _ in range(n)]
    images = [g.images[j][0] for j in (0, 1) for g in gs]
    x, _ = soften(D.to_tensor(images), share=0.5)
    e, patch, count = t.image(D.preprocess(x))
    ids, _ = tokens([g.captions[j][0] for j in (0, 1) for g in gs])
    c = t.text(ids)
    logits = t.scale() * c @ e.T  # [2n captions, 2n pictures]
    specs, scenes = ([g.captions[j][1] for j in (0, 1) for g in gs], [g.images[j][1] for j in (0, 1) for g in gs])
    true = true_pairs(specs, scenes)
    eye = torch.eye(2 * n, dtype=torch.bool)
    logits = logits.masked_fill(true & ~eye, -1e4)
    y = torch.arange(n)
    hard = logits[:n].diag() > logits[:n, n:].diag()
    loss = F.cross_entropy(logits[:n], y) + F.cross_entropy(logits[:, :n].T, y)
    ordered = [im for j in (0, 1) for im in [g.images[j] for g in gs]]
    dense = loss_of(patch, count, labels([im[1] for im in ordered]), torch.ones(2 * n)) + 4 * place_loss(t.place, [im[1] for im in ordered])
    # the slightly wrong picture and caption once more on their own: in a large batch they would drown
    pair = F.softplus(-(logits[:n].diag() - t.scale() * (c[:n] * e[n:]).sum(-1))).mean() + F.softplus(-(logits[:n].diag() - t.scale() * (c[n:] * e[:n]).sum(-1))).mean()
    return loss * 0.5 + pair, dense, hard.float().mean()


def hps_step(t, rng, n, soften, tokens, k=4):
    gs = [group(rng, k) for _ in range(n)]
    x, level = soften(D.to_tensor([im[0] for g in gs for im in g.images]), share=0.6)
    e, patch, count = t.image(D.preprocess(x))
    c = t.text(tokens([g.captions[j][0] for g in gs for j in (0, 1)])[0])
    s = t.scale() * torch.einsum("gcd,gid->gci", c.view(n, 2, -1), e.view(n, k, -1))
    grade = torch.tensor([[[g.grade(j, i) for i in range(k)] for j in (0, 1)] for g in gs]) + 0.3 * level.view(n, 1, k)
    d = grade[:, :, None, :] - grade[:, :, :, None]
    use = d > 0.12
    m = F.softplus(-(s[:, :, :, None] - s[:, :, None, :]))
    w = use * d.clamp(0, 1).sqrt()
    # the same picture with the right and the wrong caption
    flip = F.softplus(-(s[:, 0, 0] - s[:, 1, 0])).mean()
    dense = dense_loss(t, patch, count, gs, k)
    return (m * w).sum() / w.sum() + 0.5 * flip, dense, ((s[:, :, :, None] > s[:, :, None, :]) & use).sum() / use.sum()


def evaluate(t, tokens, n=128, split="train", seed=5, soften=None):
    """Pairwise accuracy per category: right picture above slightly wrong picture of the same caption."""
    rng, rows = np.random.default_rng(seed), {}
    for cat in D.S.CATEGORIES:
        good, bad, caps = [], [], []
        while len(good) < n:
            image, caption, spec, scene, bg = D.draw(rng, cat, split)
            w = D.wrong_scene(rng, spec, scene, split=split, tint_share=0)
            if w:
                good.append(image), bad.append(D.render(w, bg)), caps.append(caption)
        x, y = D.to_tensor(good), D.to_tensor(bad)
        if soften:
            x, y = soften(x)[0], soften(y)[0]
        with torch.no_grad():
            e, c = t.image(D.preprocess(torch.cat([x, y])))[0], t.text(tokens(caps)[0])
            rows[cat] = ((c * e[:n]).sum(-1) > (c * e[n:]).sum(-1)).float().mean().item()
    return rows


def ship(average, out, tokenizer):
    t = copy.deepcopy(average.model)
    with torch.no_grad():
        t.model.logit_scale.clamp_(max=CAP)
    m = round_half(t.model)
    copy.deepcopy(m).half().save_pretrained(out)
    for f in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"):
        shutil.copy(os.path.join(tokenizer, f), out)
    return t


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--stage", choices=("clip", "hps"), required=True)
    p.add_argument("--minutes", type=float, default=12)
    p.add_argument("--trunk", default="")
    p.add_argument("--start", default="")
    p.add_argument("--tokenizer", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--vae", default="")
    p.add_argument("--seed", type=int, default=51)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--batch", type=int, default=0, help="captions a step")
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--muon", type=float, default=0.01)
    p.add_argument("--hold", action="store_true", help="no cooling: another run continues from the checkpoint")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    rng, soften, tokens = np.random.default_rng(a.seed), D.Soften(a.seed, D.autoencoder(a.vae)), Tokens(a.tokenizer, 16)
    special = tokens.t.token_to_id
    t = Training(CLIPModel(config(tokens.size, special("<|endoftext|>"), special("<|startoftext|>"))))
    if a.trunk:
        trunk = torch.load(a.trunk)
        from_trunk(t.model, trunk, D.preprocess(D.to_tensor([D.draw(rng)[0] for _ in range(32)])))
        for h in ("patch_head", "count_head"):
            getattr(t, h).load_state_dict({k[len(h) + 1:]: v for k, v in trunk.items() if k.startswith(h)})
    if a.start:
        t.load_state_dict(torch.load(a.start), strict=False)
    opt = Optimiser(t, a.lr, a.muon)
    average, clock, log, last = Average(t, 0.99), Clock(a.minutes, 50, a.hold), D.Loss(), time.time()
    step, n = (clip_step, a.batch or 32) if a.stage == "clip" else (hps_step, a.batch or 16)
    while not clock.done():
        loss, dense, acc = step(t, rng, n, soften, tokens)
        opt.step(loss + 0.2 * dense, clock.factor())
        average.update(t)
        log.add(loss=loss.item(), dense=dense.item(), acc=acc.item(), scale=t.scale().item())
        if time.time() - last > 60:
            last = time.time()
            torch.save(average.model.state_dict(), a.checkpoint)
            print(f"{clock.fraction():.2f} step {clock.step} {log.flush()}", {k: round(v, 3) for k, v in evaluate(average.model, tokens, 64).items()}, flush=True)
            if clock.fraction() > 0.3:
                ship(average, a.out, a.tokenizer)
    torch.save(average.model.state_dict(), a.checkpoint)
    t = ship(average, a.out, a.tokenizer)
    for split in ("train", "heldout"):
        print(split, evaluate(t, tokens, 300, split), flush=True)


if __name__ == "__main__":
    main()
