"""Scenes, captions, held-out combinations and held-out prompts of the pocket models.

A scene is a 64x64 RGB picture: a flat background and 1..4 stamps of 24x24 px on an 8-px lattice (the cells of the
f=8 autoencoder), never overlapping. Captions use GenEval's six categories and wording.

Held-out rule (seeded, the same for every network): a *training* picture never shows, and a training caption never
names, a held-out (colour, object), unordered object pair, (object, relation, object) or (count, object).
"""
import json
import os
import numpy as np
from sprites import BACKGROUNDS, COLORS as _COLORS, OBJECTS as _OBJECTS, SIZE, load_bank

IMAGE = 64
CELL = 8
SPAN = SIZE // CELL                 # an object covers SPAN x SPAN cells
GRID = IMAGE // CELL - SPAN + 1     # 6 positions a side
OBJECTS = tuple(_OBJECTS)
COLORS = tuple(_COLORS)
PLURALS = tuple({'butterfly': 'butterflies'}.get(o, o + 's') for o in OBJECTS)
NUMBERS = {2: 'two', 3: 'three', 4: 'four'}
RELATIONS = ('left of', 'right of', 'above', 'below')
OPPOSITE = {'left of': 'right of', 'right of': 'left of', 'above': 'below', 'below': 'above'}
CATEGORIES = ('single_object', 'two_object', 'counting', 'colors', 'position', 'color_attr')
WORDS = tuple(dict.fromkeys(('a', 'an', 'photo', 'of', 'and', 'left', 'right', 'above', 'below', *NUMBERS.values(), *COLORS, *OBJECTS, *PLURALS)))
NO, NC = len(OBJECTS), len(COLORS)


def _heldout(seed=2024):
    """The four held-out sets, as index tuples. Colours and objects are held out evenly."""
    rng = np.random.default_rng(seed)
    quota = [2] * 10 + [1] * 6       # 26 of 128 (colour, object)
    while True:
        rng.shuffle(quota)
        color = {(int(c), o) for o in range(NO) for c in rng.choice(NC, quota[o], replace=False)}
        per = np.bincount([c for c, _ in color], minlength=NC)
        if per.max() <= 4 and per.min() >= 2:
            break
    allpairs = [(a, b) for a in range(NO) for b in range(a + 1, NO)]
    while True:                      # 24 of 120 object pairs, every object in 2..4 of them
        pick = rng.choice(len(allpairs), 24, replace=False)
        pair = {allpairs[i] for i in pick}
        per = np.bincount(np.array(list(pair)).ravel(), minlength=NO)
        if per.max() <= 4 and per.min() >= 2:
            break
    # facts in canonical form: (a, 0, b) "a left of b", (a, 1, b) "a above b"; only between pairs seen in training
    facts = [(a, r, b) for a in range(NO) for b in range(NO) for r in (0, 1) if a != b and (min(a, b), max(a, b)) not in pair]
    relation = {facts[i] for i in rng.choice(len(facts), round(.2 * len(facts)), replace=False)}
    counts = [(n, o) for n in NUMBERS for o in range(NO)]
    while True:                      # 7 of 48
        count = {counts[i] for i in rng.choice(len(counts), 7, replace=False)}
        if len({o for _, o in count}) == 7 and min(np.bincount([n for n, _ in count], minlength=5)[2:]) >= 2:
            break
    return color, pair, relation, count


HELD_COLOR, HELD_PAIR, HELD_RELATION, HELD_COUNT = _heldout()


def canonical(a, rel, b):
    """(object, relation word, object) -> held-out fact."""
    return {'left of': (a, 0, b), 'right of': (b, 0, a), 'above': (a, 1, b), 'below': (b, 1, a)}[rel]


def relations_between(ax, ay, bx, by, size=SIZE):
    """GenEval's rule: the set of relations that a (centre ax, ay) has to b; pixels, y downwards."""
    dx, dy = ax - bx, ay - by
    dx = np.sign(dx) * max(abs(dx) - .1 * 2 * size, 0)
    dy = np.sign(dy) * max(abs(dy) - .1 * 2 * size, 0)
    n = np.hypot(dx, dy)
    out = set()
    if n == 0:
        return out
    if dx / n < -.5:
        out.add('left of')
    if dx / n > .5:
        out.add('right of')
    if dy / n < -.5:
        out.add('above')
    if dy / n > .5:
        out.add('below')
    return out


def allowed(objects):
    """No held-out combination shows. objects: [(object, colour, x, y)] indices, cells."""
    for o, c, _, _ in objects:
        if (c, o) in HELD_COLOR:
            return False
    counts = {}
    for o, *_ in objects:
        counts[o] = counts.get(o, 0) + 1
    if any((n, o) in HELD_COUNT for o, n in counts.items()):
        return False
    for i, (a, _, ax, ay) in enumerate(objects):
        for b, _, bx, by in objects[i + 1:]:
            if a == b:
                continue
            if (min(a, b), max(a, b)) in HELD_PAIR:
                return False
            for rel in relations_between(ax * CELL, ay * CELL, bx * CELL, by * CELL):
                if canonical(a, rel, b) in HELD_RELATION:
                    return False
    return True


# ---------------------------------------------------------------- rendering
_bank = None


def bank():
    global _bank
    if _bank is None:
        b = load_bank().astype(np.float32)
        alpha = b[..., 3:] / 255
        _bank = (b[..., :3] * alpha, 1 - alpha)
    return _bank


def _render(objects, bg):
    rgb, keep = bank()
    im = np.empty((IMAGE, IMAGE, 3), np.float32)
    im[:] = BACKGROUNDS[bg]
    for o, c, x, y in objects:
        s = im[y * CELL:y * CELL + SIZE, x * CELL:x * CELL + SIZE]
        s *= keep[o, c]
        s += rgb[o, c]
    return (im + .5).astype(np.uint8)


def render(meta):
    return _render([(OBJECTS.index(o['name']), COLORS.index(o['color']), o['x'], o['y']) for o in meta['objects']], meta['bg'])


# ---------------------------------------------------------------- placing
_POS = [(x, y) for y in range(GRID) for x in range(GRID)]
_FREE = np.array([[abs(a[0] - b[0]) >= SPAN or abs(a[1] - b[1]) >= SPAN for b in _POS] for a in _POS])


def place(rng, n):
    while True:
        free, out = np.ones(len(_POS), bool), []
        for _ in range(n):
            idx = np.flatnonzero(free)
            if not len(idx):
                break
            p = int(idx[rng.integers(len(idx))])
            out.append(_POS[p])
            free &= _FREE[p]
        if len(out) == n:
            return out


def place_relation(rng, rel):
    """Unambiguous: the relation's axis dominates."""
    while True:
        (ax, ay), (bx, by) = place(rng, 2)
        if relations_between(ax * CELL, ay * CELL, bx * CELL, by * CELL) == {rel}:
            return [(ax, ay), (bx, by)]


# ---------------------------------------------------------------- captions
def article(word):
    return ('an ' if word[0] in 'aeiou' else 'a ') + word


def caption(category, names, colors=(), n=1, rel=None):
    o = [OBJECTS[i] for i in names]
    c = [COLORS[i] for i in colors]
    if category == 'single_object':
        body = article(o[0])
    elif category == 'two_object':
        body = f'{article(o[0])} and {article(o[1])}'
    elif category == 'counting':
        body = f'{NUMBERS[n]} {PLURALS[names[0]]}'
    elif category == 'colors':
        body = article(f'{c[0]} {o[0]}')
    elif category == 'position':
        body = f'{article(o[0])} {rel} {article(o[1])}'
    else:
        body = f'{article(f"{c[0]} {o[0]}")} and {article(f"{c[1]} {o[1]}")}'
    return 'a photo of ' + body


def _sample(rng, category):
    o = int(rng.integers(NO))
    p = int((o + 1 + rng.integers(NO - 1)) % NO)
    c, d = int(rng.integers(NC)), int(rng.integers(NC))
    if category in ('single_object', 'colors'):
        return [(o, c, *place(rng, 1)[0])], dict(names=[o], colors=[c])
    if category == 'counting':
        n = int(rng.integers(2, 5))
        return [(o, int(rng.integers(NC)), *q) for q in place(rng, n)], dict(names=[o], n=n)
    rel = None
    if category == 'position':
        rel = RELATIONS[rng.integers(4)]
        q = place_relation(rng, rel)
    else:
        q = place(rng, 2)
        if category == 'color_attr' and c == d:
            d = int((c + 1 + rng.integers(NC - 1)) % NC)
    return [(o, c, *q[0]), (p, d, *q[1])], dict(names=[o, p], colors=[c, d], rel=rel)


def _meta(objects, bg, category, cap, spec):
    return dict(category=category, caption=cap, bg=bg, spec=spec, objects=[
        dict(name=OBJECTS[o], color=COLORS[c], x=x, y=y, cx=x * CELL + SIZE / 2, cy=y * CELL + SIZE / 2) for o, c, x, y in objects])


def sample_scene(rng, category=None, split='train'):
    """-> (uint8 [64,64,3], caption, meta). split 'train' obeys the held-out rule; 'any' ignores it (tests only)."""
    category = category or CATEGORIES[rng.integers(len(CATEGORIES))]
    while True:
        objects, spec = _sample(rng, category)
        if split != 'train' or allowed(objects):
            break
    bg = int(rng.integers(len(BACKGROUNDS)))
    cap = caption(category, **spec)
    return _render(objects, bg), cap, _meta(objects, bg, category, cap, spec)



def sample_for(rng, category, spec, split='train'):
    """Another scene for the same caption: what the caption leaves open is drawn again. -> (objects, bg)"""
    names, fixed = spec['names'], category in ('colors', 'color_attr')
    while True:
        if category == 'counting':
            objects = [(names[0], int(rng.integers(NC)), *q) for q in place(rng, spec['n'])]
        else:
            q = place_relation(rng, spec['rel']) if category == 'position' else place(rng, len(names))
            objects = [(o, spec['colors'][k] if fixed else int(rng.integers(NC)), *q[k]) for k, o in enumerate(names)]
        if split != 'train' or allowed(objects):
            return objects, int(rng.integers(len(BACKGROUNDS)))


def render_indices(objects, bg):
    return _render(objects, bg)


# ---------------------------------------------------------------- slightly wrong scenes
_WRONG = {
    'single_object': ('object', 'extra', 'double'), 'two_object': ('object', 'missing', 'extra', 'double'),
    'counting': ('count', 'count', 'object'), 'colors': ('color', 'color', 'object', 'extra'),
    'position': ('relation', 'relation', 'object', 'missing'),
    'color_attr': ('swap', 'color', 'color', 'object', 'missing'),
}


def _corrupt(rng, objects, meta, what):
    objects, spec = list(objects), meta['spec']
    i = int(rng.integers(len(objects)))
    o, c, x, y = objects[i]
    named = set(spec['names'])
    other = int((o + 1 + rng.integers(NO - 1)) % NO)
    if what == 'object':
        if other in named:
            return None
        objects[i] = (other, c, x, y)
    elif what == 'color':
        objects[i] = (o, int((c + 1 + rng.integers(NC - 1)) % NC), x, y)
    elif what == 'swap':
        (a, c, *p), (b, d, *q) = objects
        objects = [(a, d, *p), (b, c, *q)]
    elif what == 'missing':
        objects.pop(i)
    elif what in ('extra', 'double'):
        if what == 'extra' and other in named:
            return None
        q = [p for p in _POS if all(abs(p[0] - r[2]) >= SPAN or abs(p[1] - r[3]) >= SPAN for r in objects)]
        if not q:
            return None
        objects.append((other if what == 'extra' else o, int(rng.integers(NC)), *q[rng.integers(len(q))]))
    elif what == 'relation':
        rel = RELATIONS[rng.integers(4)]
        (a, c, *_), (b, d, *_) = objects
        p, q = place_relation(rng, rel)
        if rel == spec['rel']:
            return None
        objects = [(a, c, *p), (b, d, *q)]
    else:  # count: another number of the same object (kept in place where possible)
        n = int(rng.integers(1, 5))
        if n == len(objects):
            return None
        if n < len(objects):
            objects = [objects[k] for k in rng.permutation(len(objects))[:n]]
        else:
            objects = [(o, int(rng.integers(NC)) if k >= len(objects) else objects[k][1], *q) for k, q in enumerate(place(rng, n))]
    return objects


def corrupt(rng, meta, split='train'):
    """-> (image, what): the same scene, slightly wrong with respect to its caption; obeys the held-out rule too."""
    objects = [(OBJECTS.index(o['name']), COLORS.index(o['color']), o['x'], o['y']) for o in meta['objects']]
    kinds = _WRONG[meta['category']]
    while True:
        what = kinds[rng.integers(len(kinds))]
        wrong = _corrupt(rng, objects, meta, what)
        if wrong and (split != 'train' or allowed(wrong)):
            return _render(wrong, meta['bg']), what


# ---------------------------------------------------------------- held-out prompts
def heldout_prompts(seed=7):
    rng = np.random.default_rng(seed)
    out = []

    def add(category, names, colors=(None, None), n=1, rel=None):
        spec = dict(names=names, colors=[c for c in colors if c is not None], n=n, rel=rel)
        out.append(dict(
            id=len(out), category=category, prompt=caption(category, **spec),
            objects=[dict(name=OBJECTS[o], color=None if colors[k] is None else COLORS[colors[k]], count=n) for k, o in enumerate(names)],
            relation=None if rel is None else dict(a=0, rel=rel, b=1)))

    for o in [*range(NO), 0, 4, 8, 12]:             # no combination to hold out; repeats differ by their noise
        add('single_object', [o])
    for a, b in sorted(HELD_PAIR):
        add('two_object', [a, b] if rng.random() < .5 else [b, a])
    for n, o in sorted(HELD_COUNT) * 3:
        add('counting', [o], n=n)
    held = sorted(HELD_COLOR)
    for k in sorted(rng.permutation(len(held))[:24]):
        add('colors', [held[k][1]], (held[k][0], None))
    facts = sorted(HELD_RELATION)
    for k, i in enumerate(sorted(rng.permutation(len(facts))[:24])):
        a, r, b = facts[i]
        if k % 2:
            add('position', [b, a], rel=('right of', 'below')[r])
        else:
            add('position', [a, b], rel=('left of', 'above')[r])
    for k in sorted(rng.permutation(len(held))[:24]):  # a held-out (colour, object) with a seen one, in either order
        c, o = held[k]
        while True:
            d, p = int(rng.integers(NC)), int(rng.integers(NO))
            if p != o and d != c and (d, p) not in HELD_COLOR and (min(o, p), max(o, p)) not in HELD_PAIR:
                break
        add('color_attr', *(([o, p], (c, d)) if rng.random() < .5 else ([p, o], (d, c))))
    return out


def is_heldout(text, _cache={}):
    """Whether a prompt is one of the held-out prompts that name a held-out combination."""
    if not _cache:
        _cache.update({p['prompt']: True for p in heldout_prompts() if p['category'] != 'single_object'})
    return text in _cache


if __name__ == '__main__':
    import sys
    import time
    from PIL import Image
    target = sys.argv[1]                              # where heldout_prompts.json goes
    prompts = heldout_prompts()
    with open(os.path.join(target, 'heldout_prompts.json'), 'w') as f:
        f.write('[\n' + ',\n'.join(json.dumps(p) for p in prompts) + '\n]\n')
    rng = np.random.default_rng(0)
    t = time.time()
    n = 6000
    for _ in range(n):
        im, cap, meta = sample_scene(rng)
        assert not is_heldout(cap), cap
    print(f'{len(prompts)} prompts; {n / (time.time() - t):.0f} scenes/s')
    t = time.time()
    for _ in range(2000):
        corrupt(rng, meta)
    print(f'{2000 / (time.time() - t):.0f} corruptions/s')
    if len(sys.argv) > 2:                             # contact sheet: a row a category, right | wrong
        rows = []
        for cat in CATEGORIES:
            row = []
            for _ in range(6):
                im, cap, meta = sample_scene(rng, cat)
                assert np.array_equal(im, render(meta))
                bad, what = corrupt(rng, meta)
                row += [im, bad]
                print(cap, '|', what)
            rows.append(np.concatenate([np.pad(i, ((1, 1), (1, 1), (0, 0))) for i in row], 1))
        sheet = np.concatenate(rows)
        Image.fromarray(sheet).resize((sheet.shape[1] * 2, sheet.shape[0] * 2), 0).save(sys.argv[2])
