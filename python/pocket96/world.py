"""Scenes, captions, truth and held-out prompts of the 96² world.

A scene is a list of objects (object, colour, x, y, size), x and y the px of the box's upper left corner, and a theme (background). One to four objects, any place, boxes
at least GAP px apart; the fewer objects, the larger they may be. A caption is a Spec: groups (object, colour or -1, count) and relations (i, relation, j) between groups.

Categories: GenEval's six, and six harder ones: three objects with colours, chains of two relations ("a cat left of a duck above a tree": the duck is above the tree),
counts with colours ("two red apples and a blue duck"), three in a row (the same relation twice), and coloured objects with one relation or two (two only up and down: texts have 16 tokens).

Held-out combinations are those of the 64² world (../pocket/scenes.py, same seed): no training picture shows and no training caption names one. Relations follow GenEval's rule.
"""
import json
import sys

import numpy as np

import art
from art import IMAGE, MARGIN, SIZES
from scenes import HELD_COLOR, HELD_COUNT, HELD_PAIR, HELD_RELATION, OPPOSITE, PLURALS, RELATIONS, canonical  # noqa: F401  (../pocket)

OBJECTS, COLOURS = tuple(art.OBJECTS), tuple(art.COLORS)
NO, NC, NT = len(OBJECTS), len(COLOURS), len(art.THEMES)
NUMBERS = {2: 'two', 3: 'three', 4: 'four'}
CATEGORIES = ('single_object', 'two_object', 'counting', 'colors', 'position', 'color_attr', 'three_colors', 'chain', 'count_color', 'row', 'color_position', 'color_chain')
WORDS = 14                                # in the longest caption: 16 tokens with first and last
GAP = 3
BORDER = 2
SIZES_OF = {1: (36, 40, 48, 56), 2: (28, 32, 36, 40), 3: (28, 32), 4: (24, 28)}
RELATION_MARGIN, RELATION_COSINE = 7.0, .5


class Spec:
    """A caption in terms of objects. groups: [(object, colour or -1, count)]; relations: [(i, relation index, j)]."""

    def __init__(self, groups, relations=()):
        self.groups, self.relations = [tuple(g) for g in groups], [tuple(r) for r in relations]

    def total(self):
        return sum(n for _, _, n in self.groups)

    def __eq__(self, other):
        return self.groups == other.groups and self.relations == other.relations


def phrase(group):
    o, c, n = group
    colour = COLOURS[c] + ' ' if c >= 0 else ''
    if n > 1:
        return f'{NUMBERS[n]} {colour}{PLURALS[o]}'
    word = colour + OBJECTS[o]
    return ('an ' if word[0] in 'aeiou' else 'a ') + word


def caption(spec):
    if spec.relations:
        body = phrase(spec.groups[0])
        for i, r, j in spec.relations:
            body += f' {RELATIONS[r]} {phrase(spec.groups[j])}'
    else:
        body = ' and '.join(phrase(g) for g in spec.groups)
    return 'a photo of ' + body


def category_of(spec):
    coloured, n = spec.groups[0][1] >= 0, len(spec.groups)
    if spec.relations:
        if len(spec.relations) == 1:
            return ('position', 'color_position')[coloured]
        return 'color_chain' if coloured else 'row' if spec.relations[0][1] == spec.relations[1][1] else 'chain'
    if any(m > 1 for *_, m in spec.groups):
        return 'count_color' if coloured else 'counting'
    return (('single_object', 'two_object', '')[n - 1], ('colors', 'color_attr', 'three_colors')[n - 1])[coloured]


_NAME = {**{n: i for i, n in enumerate(OBJECTS)}, **{n: i for i, n in enumerate(PLURALS)}}
_SIDES = ('left', 'right', 'above', 'below')


def parse(text):
    """caption -> Spec, and the word's place -> (kind, group or relation): what a word is about."""
    words, groups, relations, about, pending, colour, count = text.split(), [], [], {}, [], -1, 1
    back = {v: k for k, v in NUMBERS.items()}
    waiting = None
    for i, w in enumerate(words[3:], 3):
        if w in COLOURS:
            colour = COLOURS.index(w)
            pending.append((i, 'colour'))
        elif w in back:
            count = back[w]
            pending.append((i, 'count'))
        elif w in _NAME:
            k = len(groups)
            groups.append((_NAME[w], colour, count))
            for p, kind in [*pending, (i, 'object')]:
                about[p] = (kind, k)
            if waiting is not None:
                relations.append((k - 1, _SIDES.index(words[waiting]), k))
                about[waiting] = ('relation', len(relations) - 1)
                waiting = None
            pending, colour, count = [], -1, 1
        elif w in _SIDES:
            waiting = i
    return Spec(groups, relations), about


# ---------------------------------------------------------------- truth
def centre(o):
    return o[2] + o[4] / 2, o[3] + o[4] / 2


def holding(dx, dy):
    """GenEval's rule for centre(a) - centre(b), y downwards: the set of relations of a to b."""
    dx, dy = np.sign(dx) * max(abs(dx) - RELATION_MARGIN, 0), np.sign(dy) * max(abs(dy) - RELATION_MARGIN, 0)
    n = np.hypot(dx, dy)
    return set() if n == 0 else {r for r, v in zip(RELATIONS, (-dx, dx, -dy, dy)) if v / n > RELATION_COSINE}


def between(a, b):
    (ax, ay), (bx, by) = centre(a), centre(b)
    return holding(ax - bx, ay - by)


def errors(spec, scene):
    """How many things are wrong with the scene for the caption, 0 = right; and the truth of each group and relation."""
    want, have = {}, {}
    for o, _, m in spec.groups:
        want[o] = want.get(o, 0) + m
    for s in scene:
        have[s[0]] = have.get(s[0], 0) + 1
    n = sum(abs(want.get(o, 0) - have.get(o, 0)) for o in set(want) | set(have))
    coloured = []
    for o, c, m in spec.groups:
        ok = c < 0 or sum(s[0] == o and s[1] == c for s in scene) >= m
        coloured.append(ok)
        n += bool(have.get(o, 0)) and not ok
    related = []
    for i, r, j in spec.relations:
        a, b = ([s for s in scene if s[0] == spec.groups[k][0]] for k in (i, j))
        ok = bool(a and b) and RELATIONS[r] in between(a[0], b[0])
        related.append(ok)
        n += bool(a and b) and not ok
    return n, coloured, related


def allowed(scene):
    """No held-out combination shows; objects of NO and up (blobs) and colours of NC and up (tints) name nothing."""
    scene = [s for s in scene if s[0] < NO]
    counts = {}
    for i, s in enumerate(scene):
        colours = s[1][:2] if isinstance(s[1], tuple) else (s[1],)
        if any((c, s[0]) in HELD_COLOR for c in colours):
            return False
        counts[s[0]] = counts.get(s[0], 0) + 1
        for t in scene[i + 1:]:
            if s[0] == t[0]:
                continue
            if (min(s[0], t[0]), max(s[0], t[0])) in HELD_PAIR or any(canonical(s[0], r, t[0]) in HELD_RELATION for r in between(s, t)):
                return False
    return not any((n, o) in HELD_COUNT for o, n in counts.items())


def sayable(spec):
    """The caption names no held-out combination and no object twice."""
    names = [g[0] for g in spec.groups]
    if len(set(names)) < len(names) or any((c, o) in HELD_COLOR or (n, o) in HELD_COUNT for o, c, n in spec.groups):
        return False
    if any((min(a, b), max(a, b)) in HELD_PAIR for i, a in enumerate(names) for b in names[i + 1:]):
        return False
    return not any(canonical(names[i], RELATIONS[r], names[j]) in HELD_RELATION for i, r, j in spec.relations)


def names_heldout(spec):
    """Whether the caption names a held-out combination (single objects have none)."""
    return not sayable(spec)


# ---------------------------------------------------------------- drawing
def place(rng, n, relations=(), sizes=None, taken=(), tries=10_000):
    """n boxes (x, y, size) that keep clear of each other and of `taken`, and for which the relations clearly hold. Many tries at once; None if none fits."""
    k = min(4, n + len(taken))
    while tries > 0:
        many = 48 if relations or k > 2 else 12
        tries -= many
        s = np.tile(sizes, (many, 1)) if sizes else rng.choice(SIZES_OF[k], (many, n))
        xy = rng.integers(BORDER, (IMAGE - s - MARGIN + 1)[..., None], (many, n, 2))
        if len(taken):
            t = np.array(taken)
            s, xy = np.concatenate([np.tile(t[:, 2], (many, 1)), s], 1), np.concatenate([np.tile(t[:, :2], (many, 1, 1)), xy], 1)
        for i, r, j in relations:                                                       # propose what may hold
            axis, sign = r // 2, (1, -1, 1, -1)[r]
            straight = len(relations) > 1 and relations[0][1] == relations[1][1]
            if straight and i == 0:                                                     # three in a row need the whole width
                s[:] = SIZES_OF[4][0]
                xy[:, 0, axis] = rng.integers(BORDER, BORDER + 16, many) if sign > 0 else IMAGE - MARGIN - SIZES_OF[4][0] - rng.integers(0, 16, many)
            xy[:, j, axis] = xy[:, i, axis] + sign * rng.integers(24, 40 if straight else 64, many)
            xy[:, j, 1 - axis] = xy[:, i, 1 - axis] + rng.integers(-28, 29, many)
        c = xy + s[..., None] / 2
        ok = (xy >= BORDER).all((1, 2)) & (xy <= IMAGE - s[..., None] - MARGIN).all((1, 2))
        for i in range(len(taken), s.shape[1]):
            for j in range(i):
                ok &= np.abs(c[:, i] - c[:, j]).max(-1) >= (s[:, i] + s[:, j]) / 2 + GAP
        for i, r, j in relations:
            ok &= clearly(r, *(c[:, i] - c[:, j]).T)
        if ok.any():
            m = int(ok.argmax())
            return [(int(x), int(y), int(z)) for (x, y), z in zip(xy[m, len(taken):], s[m, len(taken):])]
    return None


def free(cx, cy, s, others):
    """Where an object of side s around the centres cx, cy (arrays) lies within the picture and clear of the other objects."""
    h = s / 2
    ok = (cx - h >= BORDER) & (cy - h >= BORDER) & (cx + h <= IMAGE - MARGIN) & (cy + h <= IMAGE - MARGIN)
    for _, _, x, y, t in others:
        ok &= np.maximum(np.abs(cx - (x + t / 2)), np.abs(cy - (y + t / 2))) >= (s + t) / 2 + GAP
    return ok


def clearly(rel, dx, dy):
    """The relation's axis dominates centre(a) - centre(b): what captions of true pictures mean."""
    along, across = ((-dx, dy), (dx, dy), (-dy, dx), (dy, dx))[rel]
    return (along >= 22) & (along >= 1.3 * np.abs(across))


def draw_spec(rng, category):
    o = [int(v) for v in rng.permutation(NO)[:3]]
    c = [int(v) for v in rng.permutation(NC)[:3]]                                       # colours of one caption differ
    if category == 'single_object':
        return Spec([(o[0], -1, 1)])
    if category == 'colors':
        return Spec([(o[0], c[0], 1)])
    if category == 'counting':
        return Spec([(o[0], -1, int(rng.integers(2, 5)))])
    if category == 'count_color':
        if rng.random() < .5:
            return Spec([(o[0], c[0], int(rng.integers(2, 5)))])
        n, m = ((2, 1), (1, 2), (2, 2), (3, 1))[rng.integers(4)]
        return Spec([(o[0], c[0], n), (o[1], c[1], m)])
    k = {'two_object': 2, 'position': 2, 'color_attr': 2, 'color_position': 2}.get(category, 3)
    groups = [(o[i], c[i] if 'color' in category else -1, 1) for i in range(k)]
    return Spec(groups, _draw_relations(rng, category))


def _draw_relations(rng, category):
    r, s = (int(v) for v in rng.permutation(4)[:2])
    if category == 'color_chain':
        return [(0, int(rng.integers(2, 4)), 1), (1, int(rng.integers(2, 4)), 2)]
    return {'position': [(0, r, 1)], 'color_position': [(0, r, 1)], 'chain': [(0, r, 1), (1, s, 2)], 'row': [(0, r, 1), (1, r, 2)]}.get(category, [])


def fill(rng, spec, free_colours=True):
    """A scene for the caption: what it leaves open is drawn."""
    names = [(o, c) for o, c, n in spec.groups for _ in range(n)]
    boxes = place(rng, len(names), spec.relations)
    return [(o, c if c >= 0 else int(rng.integers(NC)), *b) for (o, c), b in zip(names, boxes)]


def draw(rng, category=None, split='train'):
    """-> caption, spec, scene, theme. 'train' obeys the held-out rule; 'heldout': the caption names a held-out combination; 'any' ignores the rule."""
    while True:
        spec = draw_spec(rng, category or CATEGORIES[rng.integers(len(CATEGORIES))])
        if split == 'train' and not sayable(spec) or split == 'heldout' and len(spec.groups) + spec.total() > 2 and sayable(spec):
            continue
        if split == 'heldout' and category == 'colors' and sayable(spec):
            continue
        for _ in range(20):
            scene = fill(rng, spec)
            if split != 'train' or allowed(scene):
                return caption(spec), spec, scene, int(rng.integers(NT))


# ---------------------------------------------------------------- held-out prompts
def heldout_prompts(seed=11):
    """20 to 24 a category; all but the single objects name a held-out combination."""
    rng, out = np.random.default_rng(seed), []

    def add(spec):
        rel = [dict(a=i, rel=RELATIONS[r], b=j) for i, r, j in spec.relations]
        out.append(dict(id=len(out), category=category_of(spec), prompt=caption(spec),
                        objects=[dict(name=OBJECTS[o], color=COLOURS[c] if c >= 0 else None, count=n) for o, c, n in spec.groups],
                        relation=rel[0] if len(rel) == 1 else None, **({'relations': rel} if len(rel) > 1 else {})))

    for o in [*range(NO), 0, 4, 8, 12]:
        add(Spec([(o, -1, 1)]))
    for a, b in sorted(HELD_PAIR):
        add(Spec([(a, -1, 1), (b, -1, 1)] if rng.random() < .5 else [(b, -1, 1), (a, -1, 1)]))
    for n, o in sorted(HELD_COUNT) * 3:
        add(Spec([(o, -1, n)]))
    held, facts = sorted(HELD_COLOR), sorted(HELD_RELATION)
    for k in sorted(rng.permutation(len(held))[:24]):
        add(Spec([(held[k][1], held[k][0], 1)]))
    for k, i in enumerate(sorted(rng.permutation(len(facts))[:24])):
        a, r, b = facts[i]
        add(Spec([(b, -1, 1), (a, -1, 1)], [(0, (1, 3)[r], 1)]) if k % 2 else Spec([(a, -1, 1), (b, -1, 1)], [(0, (0, 2)[r], 1)]))

    def others(n, taken, colours):
        """n more (object, colour) that add no held-out combination."""
        while True:
            o, c = rng.permutation(NO)[:n], rng.permutation(NC)[:n]
            names = [*taken, *map(int, o)]
            if len(set(names)) == len(names) and not set(map(int, c)) & set(colours) and all((int(q), int(p)) not in HELD_COLOR for p, q in zip(o, c)) and \
                    not any((min(a, b), max(a, b)) in HELD_PAIR for i, a in enumerate(names) for b in names[i + 1:]):
                return [(int(p), int(q)) for p, q in zip(o, c)]

    for k in sorted(rng.permutation(len(held))[:24]):
        c, o = held[k]
        groups = [(o, c, 1), *((p, q, 1) for p, q in others(1, [o], [c]))]
        add(Spec(groups if rng.random() < .5 else groups[::-1]))
    for k in sorted(rng.permutation(len(held))[:24]):
        c, o = held[k]
        groups = [(o, c, 1), *((p, q, 1) for p, q in others(2, [o], [c]))]
        add(Spec([groups[i] for i in rng.permutation(3)]))
    for i in sorted(rng.permutation(len(facts))[:24]):
        a, r, b = facts[i]
        (p, _), second = others(1, [a, b], [])[0], [q for q in range(4) if q != (0, 2)[r]][rng.integers(3)]
        add(Spec([(a, -1, 1), (b, -1, 1), (p, -1, 1)], [(0, (0, 2)[r], 1), (1, second, 2)]))
    for k in sorted(rng.permutation(len(held))[:24]):
        c, o = held[k]
        while True:
            n = int(rng.integers(2, 5))
            if (n, o) not in HELD_COUNT:
                break
        if n < 4 and rng.random() < .6:
            p, q = others(1, [o], [c])[0]
            add(Spec([(o, c, n), (p, q, 1)]))
        else:
            add(Spec([(o, c, n)]))
    for i in sorted(rng.permutation(len(facts))[:24]):
        a, r, b = facts[i]
        (p, _), side = others(1, [a, b], [])[0], (0, 2)[r]
        add(Spec([(a, -1, 1), (b, -1, 1), (p, -1, 1)], [(0, side, 1), (1, side, 2)]))
    for category, n in (('color_position', 1), ('color_chain', 2)):
        for k in sorted(rng.permutation(len(held))[:24]):
            c, o = held[k]
            groups = [(o, c, 1), *((p, q, 1) for p, q in others(n, [o], [c]))]
            add(Spec([groups[i] for i in rng.permutation(n + 1)], _draw_relations(rng, category)))
    return out


def write_prompts(path):
    with open(path, 'w') as f:
        f.write('[\n' + ',\n'.join(json.dumps(p) for p in heldout_prompts()) + '\n]\n')


if __name__ == '__main__':
    import time
    from PIL import Image
    rng, t, n = np.random.default_rng(0), time.time(), 1500
    for k in range(n):
        text, spec, scene, theme = draw(rng)
        back, _ = parse(text)
        assert back == spec and errors(spec, scene)[0] == 0 and allowed(scene) and category_of(spec) in CATEGORIES, (text, scene)
    print(f'{n / (time.time() - t):.0f} scenes/s')
    t = time.time()
    for k in range(300):
        art.paint(scene, theme)
    print(f'{300 / (time.time() - t):.0f} pictures/s')
    ps = heldout_prompts()
    print(len(ps), {c: sum(p['category'] == c for p in ps) for c in CATEGORIES}, max(len(p['prompt'].split()) for p in ps) + 2, 'tokens at most')
    for p in ps[::20]:
        print(p['prompt'])
    rows = []
    for cat in CATEGORIES:
        row = []
        for _ in range(12):
            text, spec, scene, theme = draw(rng, cat)
            row.append(np.pad(art.paint(scene, theme), ((1, 1), (1, 1), (0, 0))))
        print(text)
        rows.append(np.concatenate(row, 1))
    Image.fromarray(np.concatenate(rows)).save(sys.argv[1])
