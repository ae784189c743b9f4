"""Stage 2: the one-step generator, UNet and CLIP text encoder.

Flow matching from the 64² world's weights to the latents of semantic.py, with the coupling of coupling.py, target z - x0; the share of t = 1 (the step that ships) grows from .7 to all. From the last block's
features a head that is thrown away tells for each cell of the latent which object is there, in which colour, and where within it: L2 alone teaches slowly which of two places is meant. Coupled scenes move to
where this head means them (settle.py).
"""
import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizerFast

import data
import semantic
import stage
import world
from coupling import couple
from muon import Muon
from settle import meant
from slips import slipped

C, SHAPE, LENGTH = stage.CONFIG['generator'], tuple(stage.CONFIG['latent']), 16
WEIGHTS = dict(single_object=.5, two_object=1, counting=1.2, colors=1, position=1.2, color_attr=1.2, three_colors=1, chain=.75, row=.75, count_color=1, color_position=1, color_chain=1)


def make_unet():
    n = len(C['unet'])
    u = UNet2DConditionModel(
        sample_size=SHAPE[1], in_channels=SHAPE[0], out_channels=SHAPE[0], block_out_channels=C['unet'], layers_per_block=1, down_block_types=('CrossAttnDownBlock2D',) * n,
        up_block_types=('CrossAttnUpBlock2D',) * n, mid_block_type='UNetMidBlock2DCrossAttn', cross_attention_dim=128, norm_num_groups=16, attention_head_dim=tuple(C['heads']),
        use_linear_projection=True)
    torch.nn.init.zeros_(u.conv_out.weight)
    return u


def make_text(tokenizer):
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=128, intermediate_size=512, num_hidden_layers=C['text_layers'], num_attention_heads=4, max_position_embeddings=LENGTH,
        hidden_act='quick_gelu', projection_dim=128, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id))


def tokenizer():
    return CLIPTokenizerFast.from_pretrained(stage.TOKENIZERS + '/generator/tokenizer')


def ids_of(tok, texts):
    return tok(texts, padding='max_length', max_length=LENGTH, truncation=True, return_tensors='pt').input_ids


class Feed:
    """Coupled samples: caption, the Spec of the picture (slips.py), noise, scene, theme."""

    def __init__(self, tok):
        self.tok = tok
        self.share = np.array(list(WEIGHTS.values())) / sum(WEIGHTS.values())

    def __call__(self, rng, n):
        texts, specs, zs, scenes, themes = [], [], [], [], []
        while len(texts) < n:
            text, spec, _, _ = world.draw(rng, list(WEIGHTS)[rng.choice(len(self.share), p=self.share)])
            z = rng.standard_normal(SHAPE).astype(np.float32)
            spec = slipped(rng, z, spec)
            scene, theme = couple(z, spec)
            if scene is None or not world.allowed(scene):
                continue
            texts.append(text), specs.append(spec), zs.append(z), scenes.append(scene), themes.append(theme)
        return ids_of(self.tok, texts), torch.from_numpy(np.stack(zs)), specs, scenes, themes


class Layout(torch.nn.Module):
    """The scene at every cell of the latent, from the UNet's last features: object or none, colour, place within the object."""

    def __init__(self, unet):
        super().__init__()
        self.head, self.features = torch.nn.Conv2d(C['unet'][0], world.NO + 1 + world.NC + 2, 1), None
        unet.conv_norm_out.register_forward_hook(self.keep)

    def keep(self, module, args, out):
        self.features = out

    def told(self):
        """[n, objects + none + colours + place, 12, 12] of the latest pass of the UNet."""
        return self.head(self.features)

    def loss(self, labels):
        obj, col, place = labels
        where, colour, at = self.told().split((world.NO + 1, world.NC, 2), 1)
        on = obj < world.NO
        a = torch.nn.functional.cross_entropy(where, obj, reduction='none') * torch.where(on, 1.5, .5)
        b = torch.nn.functional.cross_entropy(colour, col, ignore_index=-1)
        return a.mean() + .5 * b + .5 * (((at.permute(0, 2, 3, 1) - place) ** 2).sum(-1) * on).mean()


def make_net(tok):
    torch.manual_seed(stage.CONFIG['seed'] + 20)
    return torch.nn.ModuleDict(dict(unet=make_unet(), text=make_text(tok)))


@torch.no_grad()
def begin_with_pocket64(net):
    """Takes over the 64² world's weights. Its coupling reads channels 0 to 7 as this one's does, so the UNet knows how a place is chosen; only the way to the new latents is learnt from nothing, and the
    text encoder's further layer, which adds nothing at first."""
    old = load_file(stage.START + '/generator/unet/diffusion_pytorch_model.safetensors')
    first, known = net['unet'].conv_in.weight, old.pop('conv_in.weight').float()
    first[:, known.shape[1]:] *= .1
    first[:, :known.shape[1]] = known
    left = net['unet'].load_state_dict({k: v.float() for k, v in old.items() if not k.startswith('conv_out')}, strict=False)
    for layer in net['text'].encoder.layers[2:]:
        for last in (layer.self_attn.out_proj, layer.mlp.fc2):
            torch.nn.init.zeros_(last.weight), torch.nn.init.zeros_(last.bias)
    words = load_file(stage.START + '/generator/text_encoder/model.safetensors')
    lack = net['text'].load_state_dict({k.removeprefix('text_model.'): v.float() for k, v in words.items()}, strict=False)
    new = [k for k in left.missing_keys if not k.startswith('conv_')] + [k for k in lack.missing_keys if '.layers.2.' not in k and 'position_ids' not in k]
    if new or left.unexpected_keys or lack.unexpected_keys:
        raise SystemExit(f'{stage.START}/generator is not the 64² world of README.md: {[*new, *left.unexpected_keys, *lack.unexpected_keys][:4]} do not fit')


@torch.no_grad()
def picture_sheet(s, net, auto):
    """One-step pictures of held-out prompts, 12 a category."""
    ps = world.heldout_prompts()
    texts = [p['prompt'] for c in world.CATEGORIES for p in [q for q in ps if q['category'] == c][:12]]
    z = torch.randn(len(texts), *SHAPE, generator=torch.Generator().manual_seed(7))
    y = []
    for k in range(0, len(texts), 12):
        h = net['text'](ids_of(tokenizer(), texts[k:k + 12])).last_hidden_state
        x = z[k:k + 12] - net['unet'](z[k:k + 12], 1000, h, return_dict=False)[0]
        y.append(auto.decode(x).sample / 2 + .5)
    stage.sheet(torch.cat(y), 12, s.dir + '/sheet.png')


def train():
    tok = tokenizer()
    net, feed = make_net(tok), Feed(tok)
    begin_with_pocket64(net)
    layout = Layout(net['unet'])
    opt, ema = Muon(torch.nn.ModuleList([net, layout]), C['muon'], C['lr']), stage.Ema(net, .997)
    ends = [*net['unet'].conv_out.parameters(), *layout.parameters()]                # what is new: learnt alone at first, so that it does not spoil the rest
    opt_ends = torch.optim.Adam(ends, lr=.004)
    keep = Reservoir(C['reservoir'])
    s = stage.Stage('generator', C['steps'], stage.CONFIG['seed'] + 21, dict(net=net, layout=layout, opt=opt, opt_ends=opt_ends, ema=ema), every=300)
    if stage.done('vae'):
        s.snapshot = lambda: picture_sheet(s, ema.model, AutoencoderKL.from_pretrained(stage.ROOT + '/vae/model').eval())
    if s.begun:                                              # the reservoir is not kept: it is drawn again
        s.rng = np.random.default_rng((stage.CONFIG['seed'] + 21, s.begun))

    def fresh(n):
        ids, z, specs, scenes, themes = feed(s.rng, n)
        if s.step > C['settle_from']:
            with torch.no_grad():
                x = z - net['unet'](z, 1000, net['text'](ids).last_hidden_state, return_dict=False)[0]
            scenes, themes = zip(*(meant(s.rng, *v) for v in zip(z.numpy(), specs, scenes, themes, x.numpy(), layout.told().detach().numpy())))
        return ids, semantic.latents(scenes, themes), z, *data.cell_labels(scenes, SHAPE[1])

    for step in s:
        ends_alone = step < C['ends_alone']
        net.requires_grad_(not ends_alone)
        for p in ends:
            p.requires_grad_(True)
        new = fresh(C['fresh'] if len(keep) else C['batch'])
        ids, x0, z, *labels = keep.mix(s.rng, new, C['batch'])
        n = len(z)
        share = min(1, .7 + .6 * s.fraction())
        t = torch.where(torch.rand(n) < share, 1.0, .15 + .85 * torch.rand(n))
        tt = t[:, None, None, None]
        h = net['text'](ids).last_hidden_state
        v = net['unet']((1 - tt) * x0 + tt * z, t * 1000, h, return_dict=False)[0]
        weight = 1 + C['objects'] * (labels[0] < world.NO)[:, None]
        per = (weight * (v - (z - x0)).pow(2)).sum((1, 2, 3)) / (weight.sum((1, 2, 3)) * len(v[0]))
        opt.zero_grad()
        told = layout.loss(labels)
        (per.mean() + C['layout'] * told).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1)
        if ends_alone:
            opt_ends.step()
        else:
            opt.step(s.factor() * min(1, (step - C['ends_alone'] + 1) / 100))
        ema.update(net)
        s.log(layout=told, loss=per.mean(), one_step=per[t == 1].mean() if (t == 1).any() else float('nan'))
    s.finish()


class Reservoir:
    """Earlier samples, used again: half of each batch."""

    def __init__(self, size):
        self.size, self.data, self.filled = size, None, 0

    def __len__(self):
        return self.filled

    def mix(self, rng, new, batch):
        n = len(new[0])
        if self.data is None:
            self.data = [torch.empty(self.size, *v.shape[1:], dtype=v.dtype) for v in new]
        out = new
        if self.filled:
            k = torch.from_numpy(rng.integers(self.filled, size=batch - n))
            out = [torch.cat([q, r[k]]) for q, r in zip(new, self.data)]
        free = np.arange(self.filled, min(self.size, self.filled + n))
        slot = torch.from_numpy(np.concatenate([free, rng.integers(self.size, size=n - len(free))]))
        for q, r in zip(new, self.data):
            r[slot] = q
        self.filled += len(free)
        return out


if __name__ == '__main__':
    train()
