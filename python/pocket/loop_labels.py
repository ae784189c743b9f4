"""Honest labels for pictures that the loop found: the rendered scene that fits a picture best, and how well it fits.

No network takes part, neither a reward nor the evaluator. Every 24x24 window (lattice places, shifted by up to 2 px) is compared
with every stamp on the picture's own background; places are chosen greedily by the squared error that a stamp explains.
The grade of a picture for a caption is what rewards_pairs.py calls a grade: the number of errors, 0 = right, with fractions

  errors   of the fitted scene (rewards_data.errors), where the error of a colour is gradual: 1/2 if the named colour fits as well
           as the best other colour, 0 or 1 if one of them fits better by MARGIN of the stamp's energy
  doubt    0..1, squared error that no stamp explains, relative to the stamps' energy: pale, smeared and half-finished objects
"""
import numpy as np
import torch
import torch.nn.functional as F

import rewards_data as D
import scenes as S
from sprites import BACKGROUNDS, load_bank

PRESENT = 0.4   # a stamp must explain this share of its own energy to count as shown
MARGIN = 0.25
SHIFTS = (-2, 0, 2)
PAD = 2
STARTS = np.array(sorted({x * S.CELL + s for x in range(S.GRID) for s in SHIFTS}))   # left edges in px, -2..42


class Fitter:
    def __init__(self):
        b = torch.from_numpy(load_bank().astype(np.float32)) / 255
        self.rgb, self.alpha = (b[..., :3] * b[..., 3:]).flatten(0, 1), b[..., 3:].flatten(0, 1)   # [128, 24, 24, 3|1]
        self.grounds = torch.tensor(BACKGROUNDS, dtype=torch.float32) / 255

    def ground(self, x):
        """The picture's own background: the median of the pixels nearest to one of the five backgrounds; and which of them."""
        p = x.flatten(1).T
        d = (p[:, None] - self.grounds).square().sum(-1)
        which = int(d.argmin(1)[d.amin(1) < .02].bincount(minlength=5).argmax()) if (d.amin(1) < .02).any() else int(d.mean(0).argmin())
        near = p[d[:, which] < .02]
        return (near.median(0).values if len(near) > 64 else self.grounds[which]), which

    def __call__(self, x, most=6):
        """x [3,64,64] in [0,1] -> (found [(object, colour, x px, y px, residual, residual of each colour [8])], unexplained, background)."""
        ground, which = self.ground(x)
        stamps = (self.rgb + (1 - self.alpha) * ground).flatten(1)                       # [128, 1728]
        empty = ground.repeat(576)
        energy = (stamps - empty).square().sum(1)
        y = F.pad(x - ground[:, None, None], (PAD,) * 4)
        w = y.unfold(1, 24, 1).unfold(2, 24, 1)[:, STARTS + PAD][:, :, STARTS + PAD]     # [3, n, n, 24, 24]
        n = len(STARTS)
        w = w.permute(1, 2, 3, 4, 0).reshape(n * n, -1)
        own = w.square().sum(1)
        error = own[:, None] - 2 * w @ (stamps - empty).T + energy                       # squared error of the stamp in this window
        gain = own[:, None] - error
        gain = torch.where(gain > PRESENT * energy, gain, torch.zeros(()))
        found, total, explained = [], y.square().sum().item(), 0.0
        px = torch.from_numpy(STARTS)
        for _ in range(most):
            k = int(gain.argmax())
            p, s = divmod(k, gain.shape[1])
            if gain[p, s] <= 0:
                break
            iy, ix = divmod(p, n)
            found.append((s // 8, s % 8, int(px[ix]), int(px[iy]), (error[p, s] / energy[s]).item(), (error[p, s // 8 * 8:s // 8 * 8 + 8] / energy[s // 8 * 8:s // 8 * 8 + 8]).tolist()))
            explained += gain[p, s].item()
            clash = ((px[:, None] - px[iy]).abs() < 20) & ((px[None, :] - px[ix]).abs() < 20)
            gain[clash.flatten()] = 0
        typical = energy.median().item()
        return found, max(0.0, total - explained) / (typical * max(1, len(found))), which


def scene_of(found):
    """In cells, as rewards_data has scenes; places are fractions here."""
    return [(o, c, x / S.CELL, y / S.CELL) for o, c, x, y, *_ in found]


def grade(spec, found, unexplained):
    """-> (grade, errors alone)."""
    scene = scene_of(found)
    hard = D.errors(spec, scene)[0]
    soft = float(hard)
    for o, c, m in spec.objects:
        same = [f for f in found if f[0] == o]
        if c < 0 or not same:
            continue
        soft -= sum(f[1] == c for f in same) < m                                        # errors() counted one if it is wrong
        off = sorted(.5 + (f[5][c] - min(r for k, r in enumerate(f[5]) if k != c)) / (2 * MARGIN) for f in same)
        soft += min(1.0, max(0.0, off[min(m, len(off)) - 1]))
    doubt = max([f[4] for f in found], default=1.0)
    return soft + min(1.0, max(doubt, unexplained)), hard


if __name__ == '__main__':
    # on rendered scenes the fit is exact; on damaged ones it should seldom go wrong
    rng, fit, soften = np.random.default_rng(3), Fitter(), D.Soften(3)
    for name, damage in (('clean', None), ('softened', soften)):
        ok, doubts = 0, []
        for _ in range(200):
            image, caption, spec, scene, bg = D.draw(rng)
            x = D.to_tensor([image])
            x = damage(x, share=1.0)[0] if damage else x
            found, rest, _ = fit(x[0])
            g, hard = grade(spec, found, rest)
            ok += hard == 0
            doubts.append(g)
        print(name, 'fitted scene right for its caption:', ok / 200, 'grades', np.percentile(doubts, [10, 50, 90]).round(3))
