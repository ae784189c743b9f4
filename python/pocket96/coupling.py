"""Which scene of a caption belongs to which noise, in closed form (as ../pocket/coupling.py, for places off the lattice, several sizes, up to four objects).

Fixed linear read-outs of z [12, 12, 12], all standard normal and independent enough, say what a caption leaves open:

  size        mean of channel k over the latent, for the k-th group, in steps of equal probability
  where       3x3 window means of channel k: the best cell that is free and fits, and from it to the centre of mass of exp(SHARP mean) over its neighbours; objects of one group one after the other.
              Where two neighbours are nearly as good, both lead to the same place between them, so that the place changes smoothly with z
  colour      means of channels 4..11 over the latent, for colours 0..7: the largest for the first group that leaves it open, the next for the next
  background  mean of channels 3..7 and 10 over the latent

z stays exactly N(0, I). Relations confine objects one after the other; scenes that the held-out rule forbids are passed over for the next best place.
"""
import math

import numpy as np

import world as W
from art import IMAGE

CELLS = 12
_C = (np.arange(1, CELLS - 1) + .5) * 8                            # px of the centres of windows' middle cells
CX, CY = (a.ravel() for a in np.meshgrid(_C, _C))                  # [100], row-major
COLOUR_OK = np.array([[(c, o) not in W.HELD_COLOR for c in range(W.NC)] for o in range(W.NO)])
SIDE = 44
SHARP = 3.0


def _phi(v):
    return .5 * (1 + math.erf(v / math.sqrt(2)))


def _around(mean):
    """Window means [10, 10] -> x, y [100] of the centre of mass around each cell, in px."""
    e = np.pad(np.exp(SHARP * (mean - mean.max())), 1)
    near = np.lib.stride_tricks.sliding_window_view(e, (3, 3))                        # [10, 10, 3, 3]
    whole = near.sum((2, 3))
    x, y = (near[..., 2] - near[..., 0]).sum(2) / whole, (near[..., 2, :] - near[..., 0, :]).sum(2) / whole
    return CX + 8 * x.ravel(), CY + 8 * y.ravel()


def _sides(relations):
    """Group -> test on cells: a relation confines both objects to opposite sides, so that neither waits for the other."""
    if not relations:
        return {}
    i, r, j = relations[0]
    axis = (CX, CX, CY, CY)[r] if r in (0, 2) else IMAGE - (CX, CX, CY, CY)[r]
    if len(relations) == 1:
        return {i: axis < SIDE, j: axis > IMAGE - SIDE}
    if relations[1][1] == r:                                        # three in a row need the whole width
        return {i: axis < 24, j: (axis > 36) & (axis < 60)}
    return {i: axis < SIDE}


def palette(z):
    """Named colours for what a caption leaves open, the likeliest first."""
    return np.argsort(-z[4:12].mean((1, 2)))


def couple(z, spec):
    """-> scene [(object, colour, x, y, size)] or None (about one in a thousand has no admissible scene), theme."""
    w = np.lib.stride_tricks.sliding_window_view(z, (3, 3), (1, 2))                   # [12, 10, 10, 3, 3]
    mean = (w.sum((3, 4)) / 3).reshape(z.shape[0], -1)
    whole = z.mean((1, 2)) * CELLS
    theme = int(whole[[3, 4, 5, 6, 7, 10]].argmax())
    options = W.SIZES_OF[min(4, spec.total())]
    wish = [min(len(options) - 1, int(_phi(whole[k]) * len(options))) for k in range(len(spec.groups))]
    field = mean.reshape(-1, CELLS - 2, CELLS - 2)
    around = [_around(field[k]) for k in range(len(spec.groups))]
    order, colours = palette(z), []
    for o, c, _ in spec.groups:
        colours.append(c if c >= 0 else next(int(q) for q in order if COLOUR_OK[o][q] and q not in colours))
    for largest in range(len(options) - 1, -2, -1):                                   # smaller if there is no room
        scene = _search(spec, [options[min(k, largest)] if largest >= 0 else 24 for k in wish], colours, around, mean)
        if scene:
            break
    return scene, theme


def _search(spec, sizes, colours, around, mean, nodes=400):
    """Objects one after the other at their best admissible cells; back to the next best when a later one finds none."""
    order = [k for k, (_, _, n) in enumerate(spec.groups) for _ in range(n)]
    sides, related = _sides(spec.relations), {j: (i, r) for i, r, j in spec.relations}
    left = [nodes]

    def cells(chosen):
        k = len(chosen)
        g = order[k]
        cx, cy = around[g]
        ok = W.free(cx, cy, sizes[g], chosen)
        if g in sides:
            ok &= sides[g]
        if g in related:
            i, r = related[g]
            a = chosen[order.index(i)]
            ok &= W.clearly(r, a[2] + a[4] / 2 - cx, a[3] + a[4] / 2 - cy)
        p = np.flatnonzero(ok)
        return p[np.argsort(-mean[g, p], kind='stable')]

    def go(chosen):
        if len(chosen) == len(order):
            return chosen
        g = order[len(chosen)]
        (cx, cy), s, o = around[g], sizes[g], spec.groups[g][0]
        for p in cells(chosen):
            left[0] -= 1
            if left[0] < 0:
                return None
            thing = (o, colours[g], round(cx[p] - s / 2), round(cy[p] - s / 2), s)
            if any(W.canonical(*pair) in W.HELD_RELATION for t in chosen if t[0] != o for r in W.between(t, thing) for pair in [(t[0], r, o)]):
                continue
            found = go(chosen + [thing])
            if found:
                return found
        return None

    return go([])


if __name__ == '__main__':
    import sys
    import time
    from PIL import Image
    import art
    rng, t, n, lost, bad, sizes = np.random.default_rng(0), time.process_time(), 600, {}, 0, {}
    use = np.zeros((12, 12))
    for _ in range(n):
        text, spec, _, _ = W.draw(rng)
        scene, theme = couple(rng.standard_normal((12, 12, 12)).astype(np.float32), spec)
        if scene is None:
            lost[W.category_of(spec)] = lost.get(W.category_of(spec), 0) + 1
            continue
        bad += W.errors(spec, scene)[0] > 0 or not W.allowed(scene)
        for o in scene:
            use[min(11, (o[3] + o[4] // 2) // 8), min(11, (o[2] + o[4] // 2) // 8)] += 1
            sizes[o[4]] = sizes.get(o[4], 0) + 1
    print(f'{n / (time.process_time() - t):.0f}/s of CPU with drawing, without a scene {lost}, wrong {bad}, sizes {sizes}')
    print((use / use.mean()).round(1))
    rows = []
    for cat in W.CATEGORIES:
        row = []
        text, spec, _, _ = W.draw(rng, cat)
        print(text)
        while len(row) < 12:
            scene, theme = couple(rng.standard_normal((12, 12, 12)).astype(np.float32), spec)
            if scene:
                row.append(np.pad(art.paint(scene, theme), ((1, 1), (1, 1), (0, 0))))
        rows.append(np.concatenate(row, 1))
    Image.fromarray(np.concatenate(rows)).save(sys.argv[1])
