"""Stage 1: the AutoencoderKL, f = 8, 12 latent channels.

L1 weighted towards objects and pale or thin parts, L1 of finite differences at two scales (edges), a light KL; in the last part a patch discriminator (hinge, weight balanced
by gradient norms at the decoder's last layer as in VQGAN) with feature matching, so that edges are crisp where L1 alone leaves them soft.
"""
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import nn

import art
import stage
import world

C = stage.CONFIG['vae']
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


def batch(rng, n):
    """-> pictures in [-1,1], their bare backgrounds."""
    images, grounds = [], []
    for _ in range(n):
        _, _, scene, theme = world.draw(rng, CATEGORIES[rng.integers(len(CATEGORIES))])
        images.append(art.paint(scene, theme))
        grounds.append(art.GROUNDS[theme])
    return stage.to_tensor(images) * 2 - 1, torch.from_numpy(np.stack(grounds)).permute(0, 3, 1, 2) / 127.5 - 1


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


@torch.no_grad()
def report(s, model):
    r = np.random.default_rng(99)
    x, _ = batch(r, stage.few(16) * 3)
    z = torch.cat([model.encode(b).latent_dist.mean for b in x.split(16)])
    y = torch.cat([model.decode(b).sample for b in z.split(16)])
    model.register_to_config(scaling_factor=float(1 / z.std()))
    model.save_pretrained(s.dir + '/model')
    s.say(psnr=round(-10 * np.log10(F.mse_loss(y.clamp(-1, 1) / 2, x / 2).item()), 2), latent_std=round(z.std().item(), 3))
    stage.sheet(torch.stack([x[:24], y[:24]], 1).flatten(0, 1) / 2 + .5, 12, s.dir + '/sheet.png')


def main():
    torch.manual_seed(stage.CONFIG['seed'])
    net, disc = make(), Discriminator()
    opt = torch.optim.AdamW(net.parameters(), lr=C['lr'], betas=(.9, .99), weight_decay=0)
    opt_d = torch.optim.AdamW(disc.parameters(), lr=4e-4, betas=(.5, .9), weight_decay=0)
    ema = stage.Ema(net, .998)
    s = stage.Stage('vae', C['steps'], stage.CONFIG['seed'] + 1, dict(net=net, disc=disc, opt=opt, opt_d=opt_d, ema=ema))
    s.snapshot = lambda: report(s, ema.model)
    last = net.decoder.conv_out.weight
    for _ in s:
        for g in opt.param_groups:
            g['lr'] = C['lr'] * s.factor(100)
        x, ground = batch(s.rng, C['batch'])
        with stage.bfloat():
            moments = net.quant_conv(net.encoder(x))
        post = DiagonalGaussianDistribution(moments.float())
        with stage.bfloat():
            y = net.decode(post.sample()).sample.float()
        base, d = reconstruction(y, x, weight_map(x, ground))
        kl = post.kl().mean() / post.mean[0].numel()
        loss = base + C['kl'] * kl
        sharp = s.fraction() > C['adversarial_from']
        if sharp:
            loss = loss + adversarial(disc, x, y, base, last)
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1)
        opt.step()
        ema.update(net)
        if s.fraction() > C['adversarial_from'] - .05:                # the discriminator learns a little before it is listened to
            ld = hinge(disc, x, y.detach())
            opt_d.zero_grad()
            ld.backward()
            opt_d.step()
            s.log(disc=ld)
        s.log(base=base, l1=d.abs().mean(), kl=kl)
    s.finish()


if __name__ == '__main__':
    main()
