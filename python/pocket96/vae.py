"""Stage 1: the AutoencoderKL, f = 8, 12 latent channels, between pictures and the latents of semantic.py.

The decoder paints given latents. They get noise and up to LEAK of another scene, of which the picture shows nothing: one step of the generator is never quite sure, and a decoder that saw true latents alone answers
with blur. Between two colours it paints the hue between them, so that a gradient sees which way a colour turns. The encoder learns to read them off the picture; nothing else here needs it, so it is trained every ENCODER-th step.

The decoder's loss: L1 weighted towards objects and pale or thin parts, L1 of finite differences at two scales (edges), a light KL; in the last part a patch discriminator (hinge, weight balanced
by gradient norms at the decoder's last layer as in VQGAN) with feature matching, so that edges are crisp where L1 alone leaves them soft.
"""
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import nn

import art
import semantic
import stage
import world

C = stage.CONFIG['vae']
LEAK, NOISE, ENCODER = .25, .4, 5
HUES = .5                                                                                          # share of pictures with colours between two
CATEGORIES = ('single_object', 'colors', 'two_object', 'color_attr', 'three_colors', 'counting')   # what the picture shows matters, not its caption


def make():
    return AutoencoderKL(in_channels=3, out_channels=3, latent_channels=stage.CONFIG['latent'][0], sample_size=art.IMAGE, block_out_channels=C['channels'], layers_per_block=1,
                         norm_num_groups=8, down_block_types=('DownEncoderBlock2D',) * 4, up_block_types=('UpDecoderBlock2D',) * 4, scaling_factor=1.0)


class Discriminator(nn.Module):
    """Overlapping patches of 22 px; returns logits and features."""

    def __init__(self, width=32):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3, width, 4, 2, 1), nn.Conv2d(width, 2 * width, 4, 2, 1), nn.Conv2d(2 * width, 2 * width, 3, 1, 1), nn.Conv2d(2 * width, 1, 3, 1, 1)])
        self.norms = nn.ModuleList([nn.Identity(), nn.GroupNorm(8, 2 * width), nn.GroupNorm(8, 2 * width)])

    def forward(self, x):
        features = []
        for conv, norm in zip(self.layers, self.norms):
            x = F.leaky_relu(norm(conv(x)), .2)
            features.append(x)
        return self.layers[-1](x), features


def weight_map(x, grounds):
    """x in [-1,1], the bare background beside it: objects count more, the paler the more."""
    contrast = (x - grounds).abs().amax(1, keepdim=True)
    return 1 + (contrast > .03) * (1.5 / contrast.clamp_min(.12)).clamp(2, 6)


def reconstruction(y, x, w):
    d = y - x
    edge = 0
    for k in (1, 2):
        e = F.avg_pool2d(d, k) if k > 1 else d
        edge = edge + (e[..., 1:] - e[..., :-1]).abs().mean() + (e[..., 1:, :] - e[..., :-1, :]).abs().mean()
    return (w * d.abs()).mean() + (w * d * d).mean() + .5 * edge, d


def other_colours(rng, scene):
    """-> the scene with some colours exchanged."""
    return [(o, int(rng.integers(world.NC)) if rng.random() < .7 else c, *box) for o, c, *box in scene]


def hues(scene, other, share):
    """-> the scene with the hues between its colours (`share` of them) and the other's."""
    return [(o, (q, c, share), *box) for (o, c, *box), (_, q, *_) in zip(scene, other)]


def batch(rng, n):
    """-> latents, pictures in [-1,1], their bare backgrounds."""
    scenes, themes = zip(*(world.draw(rng, CATEGORIES[rng.integers(len(CATEGORIES))])[2:] for _ in range(n)))
    others, shares = zip(*((other_colours(rng, s), rng.uniform(.2, 1) if rng.random() < HUES else 1.0) for s in scenes))
    images = [art.paint(hues(*mix), theme) for *mix, theme in zip(scenes, others, shares, themes)]
    grounds = np.stack([art.GROUNDS[t] for t in themes])
    a = torch.tensor(shares, dtype=torch.float32).view(-1, 1, 1, 1)
    latents = a * semantic.latents(scenes, themes) + (1 - a) * semantic.latents(others, themes)
    return latents, stage.to_tensor(images) * 2 - 1, torch.from_numpy(grounds).permute(0, 3, 1, 2) / 127.5 - 1


def unsure(z):
    """Latents as a generator tells them: some of another scene in them, and noise."""
    leak, noise = (m * torch.rand(len(z), 1, 1, 1) for m in (LEAK, NOISE))
    return (1 - leak) * z + leak * z.roll(1, 0) + noise * torch.randn_like(z)


def hinge(disc, real, fake):
    with stage.bfloat():
        a, b = disc(real)[0].float(), disc(fake)[0].float()
    return (F.relu(1 - a) + F.relu(1 + b)).mean()


def adversarial(disc, x, y, base, last):
    """Generator's term, balanced against the gradient of `base` at the weight `last`."""
    with stage.bfloat():
        logit, ours = disc(y)
        with torch.no_grad():
            theirs = disc(x)[1]
    match = sum((a.float() - b.float()).abs().mean() for a, b in zip(ours, theirs))
    g = -logit.float().mean()
    with torch.enable_grad():
        n1 = torch.autograd.grad(base, last, retain_graph=True)[0].norm()
        n2 = torch.autograd.grad(g, last, retain_graph=True)[0].norm()
    return .4 * (n1 / (n2 + 1e-6)).clamp(0, 1).detach() * g + .3 * match


def paint(net, z):
    with stage.bfloat():
        return net.decode(z).sample.float()


def read(net, x):
    with stage.bfloat():
        return net.quant_conv(net.encoder(x)).float()


@torch.no_grad()
def report(s, model):
    z, x, _ = batch(np.random.default_rng(99), stage.few(16) * 3)
    y = torch.cat([model.decode(b).sample for b in z.split(16)])
    moved = torch.cat([model.encode(b).latent_dist.mean for b in x.split(16)])
    model.save_pretrained(s.dir + '/model')
    s.say(psnr=round(-10 * np.log10(F.mse_loss(y.clamp(-1, 1) / 2, x / 2).item()), 2), encoder=round(F.mse_loss(moved, z).item(), 4))
    stage.sheet(torch.stack([x[:24], y[:24], paint(model, unsure(z[:24]))], 1).flatten(0, 1) / 2 + .5, 12, s.dir + '/sheet.png')


def main():
    torch.manual_seed(stage.CONFIG['seed'])
    net, disc = make(), Discriminator()
    opt = torch.optim.AdamW([*net.decoder.parameters(), *net.post_quant_conv.parameters()], lr=C['lr'], betas=(.9, .99), weight_decay=0)
    opt_e = torch.optim.AdamW([*net.encoder.parameters(), *net.quant_conv.parameters()], lr=C['lr'], betas=(.9, .99), weight_decay=0)
    opt_d = torch.optim.AdamW(disc.parameters(), lr=4e-4, betas=(.5, .9), weight_decay=0)
    ema = stage.Ema(net, .998)
    s = stage.Stage('vae', C['steps'], stage.CONFIG['seed'] + 1, dict(net=net, disc=disc, opt=opt, opt_e=opt_e, opt_d=opt_d, ema=ema))
    s.snapshot = lambda: report(s, ema.model)
    last = net.decoder.conv_out.weight
    for step in s:
        for o in (opt, opt_e):
            o.param_groups[0]['lr'] = C['lr'] * s.factor(100)
        z, x, ground = batch(s.rng, C['batch'])
        y = paint(net, unsure(z))
        base, d = reconstruction(y, x, weight_map(x, ground))
        loss = base
        if s.fraction() > C['adversarial_from']:
            loss = loss + adversarial(disc, x, y, base, last)
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.decoder.parameters(), 1)
        opt.step()
        if step % ENCODER == 0:
            mean, logvar = read(net, x).chunk(2, 1)
            told = F.mse_loss(mean, z) + 1e-3 * (logvar + 6).pow(2).mean()             # latents are exact: a small variance everywhere
            opt_e.zero_grad()
            told.backward()
            torch.nn.utils.clip_grad_norm_(net.encoder.parameters(), 1)
            opt_e.step()
            s.log(encoder=told)
        ema.update(net)
        if s.fraction() > C['adversarial_from'] - .05:                # the discriminator learns a little before it is listened to
            ld = hinge(disc, x, y.detach())
            opt_d.zero_grad()
            ld.backward()
            opt_d.step()
            s.log(disc=ld)
        s.log(base=base, l1=d.abs().mean())
    s.finish()


if __name__ == '__main__':
    main()
