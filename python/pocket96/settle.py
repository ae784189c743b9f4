"""The scene that a network means with a noise, near the coupled one.

coupling.py decides a scene by exact places and by comparisons that may be close; a network that reads them a little wrong is punished by L2 for every px and answers with blur. So meant() takes among the scenes
of noises near z the one that the network's own layout (generator.Layout) holds most likely, gives its open colours the likeliest of the first colours of z, and moves its objects within REACH px and one size.
The caption's truth stays, and what is left to learn is to draw it. As in implicit maximum likelihood estimation (Li and Malik 2018, arXiv 1809.09087) the target is the admissible one nearest to what is generated.
"""
import numpy as np

import world as W
from coupling import CELLS, COLOUR_OK, couple, palette
from semantic import CELL, THEME_CODES

REACH, STEP = 12, 3
MOVES = np.arange(-REACH, REACH + 1, STEP)
PULL = .05                                     # how much the coupled place is worth per cell, for a move of 6 px
TRIES = 24
NEAR, SPREAD = 4, .35                          # noises around z, and the share of fresh noise in them
OPEN = 3                                       # open colours are among so many of the eight, those that z prefers
_AT = (np.arange(CELLS) + .5) * CELL


def meant(rng, z, spec, scene, theme, latent, told):
    """Coupled scene and theme of z -> those near them that the network means with latent [12, 12, 12] and told [17 + 8 + 2, 12, 12], the logits of object and colour and the place within the object of each cell."""
    told = told.astype(np.float32)
    obj, col, place = _likely(told[:W.NO + 1]), _likely(told[W.NO + 1:W.NO + 1 + W.NC]), told[W.NO + 1 + W.NC:]
    scenes, themes = _near(rng, z, spec, scene, theme)
    ground = latent[:5, obj.argmax(0) == W.NO]
    scene = _likeliest(scenes, obj, col, place)
    scene = _recolour(spec, scene, col, palette(z))
    return _settle(spec, scene, obj, col, place), max(themes, key=lambda t: (THEME_CODES[t] @ ground).sum())


def _likely(logits):
    """log softmax over the first axis."""
    m = logits - logits.max(0)
    return m - np.log(np.exp(m).sum(0))


def _near(rng, z, spec, scene, theme):
    """-> scenes [scene, ...] and themes of z and of NEAR noises around it."""
    scenes, themes = [scene], [theme]
    for _ in range(NEAR):
        other, background = couple(np.sqrt(1 - SPREAD ** 2) * z + SPREAD * rng.standard_normal(z.shape, dtype=np.float32), spec)
        if other and W.allowed(other):
            scenes.append(other), themes.append(background)
    return scenes, themes


def _box(x, y, s):
    """-> the cells within a box, and for their rows and columns the place within it."""
    v, u = ((_AT - a - s / 2) / (s / 2) for a in (y, x))
    i, j = np.flatnonzero(np.abs(v) < 1), np.flatnonzero(np.abs(u) < 1)
    return np.ix_(i, j), v[i][:, None], u[j]


def _likeliest(scenes, obj, col, place):
    """The one of several scenes that the layout fits best."""
    def cost(scene):
        out = 0
        for o, c, x, y, s in scene:
            box, v, u = _box(x, y, s)
            out += (.5 * obj[W.NO][box] - 1.5 * obj[o][box] - col[c][box] + (place[0][box] - u) ** 2 + (place[1][box] - v) ** 2).sum()
        return out

    return min(scenes, key=cost)


def _recolour(spec, scene, col, order):
    """-> the scene, its open colours the likeliest of the first OPEN admissible ones of `order`."""
    taken = []
    for g, c, _ in spec.groups:
        if c < 0:
            cells = [_box(*thing[2:])[0] for thing in scene if thing[0] == g]
            c = max([int(q) for q in order if COLOUR_OK[g][q] and q not in taken][:OPEN], key=lambda q: sum(col[q][box].sum() for box in cells))
            scene = [(o, c if o == g else q, *box) for o, q, *box in scene]
        taken.append(c)
    return scene


def _costs(own, place, s, cx, cy):
    """Sum over the cells of a box of side s around each moved centre of own [12, 12] and the squared error of `place` [2, 12, 12] -> [moves y, moves x]."""
    v, u = ((_AT - (c + MOVES)[:, None]) / (s / 2) for c in (cy, cx))                  # [moves, 12]
    iy, ix = ((np.abs(a) < 1).astype(np.float32) for a in (v, u))
    out = iy @ (own + (place ** 2).sum(0)) @ ix.T
    out -= 2 * (iy @ place[0] @ (ix * u).T + (iy * v) @ place[1] @ ix.T)
    return out + iy.sum(1)[:, None] * (ix * u * u).sum(1) + (iy * v * v).sum(1)[:, None] * ix.sum(1)


def _settle(spec, scene, obj, col, place):
    """-> the scene, its objects moved to where the layout has them; itself where nothing near it is better."""
    options = W.SIZES_OF[min(4, spec.total())]
    pull = PULL * (MOVES[:, None] ** 2 + MOVES ** 2) / 36
    scene = list(scene)
    for k, (o, c, x, y, s) in enumerate(scene):
        cx, cy = x + s / 2, y + s / 2
        base, rows = .5 * obj[W.NO] - 1.5 * obj[o], []
        at = options.index(s) if s in options else None
        for size in ([s] if at is None else options[max(0, at - 1):at + 2]):
            cost = _costs(base - col[c], place, size, cx, cy) + (size / 8) ** 2 * pull
            px, py = np.meshgrid(np.round(cx + MOVES - size / 2), np.round(cy + MOVES - size / 2))
            ok = W.free(px + size / 2, py + size / 2, size, scene[:k] + scene[k + 1:])
            rows += [(v, (o, c, int(a), int(b), size)) for v, a, b in zip(cost[ok], px[ok], py[ok])]
        rows.sort(key=lambda r: r[0])
        for _, thing in rows[:TRIES]:
            if thing == scene[k]:
                break
            moved = scene[:k] + [thing] + scene[k + 1:]
            if W.errors(spec, moved)[0] == 0 and W.allowed(moved) and _clear(spec, moved):
                scene = moved
                break
    return scene


def _clear(spec, scene):
    """Relations hold as clearly as in every true picture."""
    where = {o: W.centre((o, c, x, y, s)) for o, c, x, y, s in scene}
    for i, r, j in spec.relations:
        a, b = where[spec.groups[i][0]], where[spec.groups[j][0]]
        if not W.clearly(r, a[0] - b[0], a[1] - b[1]):
            return False
    return True
