"""Which scene goes with which noise: a deterministic coupling for every caption, so that one step is enough.

With independent noise and pictures, the best single step from pure noise is the blurred average of all scenes of a caption.
Couplings between noise and data (multisample and semi-discrete flow matching) take that average apart. Here the coupling is
in closed form: fixed linear read-outs of the noise score everything that a caption leaves open, and the admissible scene with
the best score is the one that belongs to this noise.

  where      mean over the 3x3 window of channel 0 (first object, and every object of a counting caption) or 1 (second object,
             given the first); a relation confines the two to opposite sides
  colour     channel c, window centre against its ring, for colour c (only if the caption does not say it)
  background mean of one of five channels over the whole latent

The noise stays exactly N(0, I); scenes that the held-out rule forbids are never admissible.
"""
import itertools
import numpy as np
from scenes import BACKGROUNDS, CELL, HELD_COLOR, HELD_RELATION, NC, RELATIONS, _FREE, _POS, canonical, relations_between

POS = np.array(_POS)
N = len(POS)
_REL = [[relations_between(ax * CELL, ay * CELL, bx * CELL, by * CELL) for bx, by in _POS] for ax, ay in _POS]
HOLDS = {r: np.array([[r in s for s in row] for row in _REL]) for r in RELATIONS}
# a relation confines both objects to opposite sides, so that each can be placed without knowing where the other is
_X, _Y = POS[:, 0], POS[:, 1]
_SIDE = {'left of': (_X < 2, _X > 3), 'right of': (_X > 3, _X < 2), 'above': (_Y < 2, _Y > 3), 'below': (_Y > 3, _Y < 2)}
SIDES = {r: _SIDE[r][0][:, None] & _SIDE[r][1] & HOLDS[r] & _FREE for r in RELATIONS}
SETS = {2: np.array([s for s in itertools.combinations(range(N), 2) if _FREE[s]])}
for _n in (3, 4):
    SETS[_n] = np.array([(*s, q) for s in SETS[_n - 1] for q in range(s[-1] + 1, N) if all(_FREE[q, i] for i in s)])
COLOR_OK = np.array([[(c, o) not in HELD_COLOR for c in range(NC)] for o in range(16)])
RING = np.full((3, 3), -1.0)
RING[1, 1] = 8
RING /= np.sqrt((RING ** 2).sum())


def couple(z, category, spec):
    """z [8,8,8] -> (objects [(object, colour, x, y)], background), the scene of this caption that belongs to z."""
    w = np.lib.stride_tricks.sliding_window_view(z, (3, 3), (1, 2))          # [8, 6, 6, 3, 3]
    where = w[:2].sum((3, 4)).reshape(2, N) / 3
    color = (w * RING).sum((3, 4)).reshape(8, N)
    bg = int(z[2:2 + len(BACKGROUNDS)].mean((1, 2)).argmax())
    names = spec['names']
    if category == 'counting':
        s = SETS[spec['n']]
        places = s[where[0][s].sum(1).argmax()]
        names = names * spec['n']
    elif len(names) == 1:
        places = [where[0].argmax()]
    else:
        a, b = names
        ok = _FREE if category != 'position' else SIDES[spec['rel']]
        for r in RELATIONS:
            if canonical(a, r, b) in HELD_RELATION:
                ok = ok & ~HOLDS[r]
        p = int(np.where(ok.any(1), where[0], -np.inf).argmax())             # the first object goes where it likes best,
        places = [p, int(np.where(ok[p], where[1], -np.inf).argmax())]        # the second where it then still may
    said = spec['colors'] if category in ('colors', 'color_attr') else None
    return [(o, said[k] if said else int(np.where(COLOR_OK[o], color[:, p], -np.inf).argmax()), *map(int, POS[p]))
            for k, (o, p) in enumerate(zip(names, places))], bg


if __name__ == '__main__':
    import time
    from scenes import CATEGORIES, allowed, sample_scene
    rng = np.random.default_rng(0)
    print({n: len(s) for n, s in SETS.items()})
    use, cols = np.zeros(N), np.zeros(8)
    t = time.time()
    for i in range(3000):
        _, _, meta = sample_scene(rng)
        objects, _ = couple(rng.standard_normal((8, 8, 8)), meta['category'], meta['spec'])
        assert allowed(objects), (meta, objects)
        for o, c, x, y in objects:
            use[y * 6 + x] += 1
            cols[c] += 1
    print(f'{3000 / (time.time() - t):.0f}/s', (use / use.mean()).reshape(6, 6).round(2), cols)
