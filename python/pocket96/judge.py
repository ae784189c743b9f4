"""The independent judge of the 96² world, and the labeller that takes its place wherever something is trained.

Both are small CNN detectors of the kind of ../pocket/evaluator.py (layers as plain data, one logit grid), trained on rendered scenes only. They share code and nothing else: other seeds, other
data streams, other widths. The judge is asked in measurements alone; no picture that a generator or the loop made, no gradient and no label ever goes from it into training or into it.

    python judge.py judge|labeller
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F

import data
import stage
import world as W
from evaluator import Evaluator, wrong_objects

CELLS, STRIDE = 12, 8


def config(width):
    conv = lambda name, i, o, s, k=3: {'type': 'conv2d', 'name': name, 'in': i, 'out': o, 'kernel': k, 'stride': s, 'padding': k // 2}
    layers, widths = [], [(3, 24, 2), (24, 48, 2), (48, width, 2), (width, width, 1), (width, width, 1), (width, width, 1), (width, width, 1)]
    for n, (i, o, s) in enumerate(widths):
        layers += [conv(f'conv{n}', i, o, s), {'type': 'group_norm', 'name': f'norm{n}', 'channels': o, 'groups': 8, 'eps': 1e-5}, {'type': 'silu'}]
    layers += [conv('head', width, 25, 1, 1)]
    return {
        'input': {'size': 96, 'channels': 3, 'layout': 'NCHW', 'transform': '2*x-1 of an image in [0,1]'}, 'layers': layers,
        'output': {'grid': CELLS, 'cell': STRIDE, 'channels': {'objectness': [0, 1], 'class': [1, 17], 'colour': [17, 25]}},
        'objects': list(W.OBJECTS), 'colours': list(W.COLOURS),
        'thresholds': {'objectness': .5, 'peak_radius': 1, 'relation_margin_px': W.RELATION_MARGIN, 'relation_cosine': W.RELATION_COSINE},
    }


def targets(parts, weights):
    """Objectness at the cell of an object's centre (-1 = do not care: its neighbours when the centre is near the border of the cell), class, colour."""
    n = len(parts)
    obj, cls, col = torch.zeros(n, CELLS, CELLS), torch.full((n, CELLS, CELLS), -1), torch.full((n, CELLS, CELLS), -1)
    for i, (scenes, ws) in enumerate(zip(parts, weights)):
        mass = {}
        for scene, a in zip(scenes, ws):
            for o, c, x, y, s in scene:
                key = (x + s / 2, y + s / 2, o, c)
                mass[key] = mass.get(key, 0) + a
        for (cx, cy, o, c), a in mass.items():
            x, y = int(cx // STRIDE), int(cy // STRIDE)
            for u, v in ((x + d, y + e) for d in (-1, 0, 1) for e in (-1, 0, 1)):
                inside = 0 <= u < CELLS and 0 <= v < CELLS
                if inside and obj[i, v, u] == 0 and max(abs(cx - (u + .5) * STRIDE), abs(cy - (v + .5) * STRIDE)) < 6:
                    obj[i, v, u] = -1
            if a >= .65:
                obj[i, y, x], cls[i, y, x], col[i, y, x] = (1 if o < W.NO else -1), (o if o < W.NO else -1), (c if not isinstance(c, tuple) and c < W.NC else -1)
            elif a > .35 and obj[i, y, x] == 0:
                obj[i, y, x] = -1
    return obj, cls, col


def batch(rng, n, soften):
    images, parts, weights = [], [], []
    for _ in range(n):
        spec, scene, theme = data.dense_scene(rng)
        image, other, a = data.render(scene, theme), None, 1.0
        r = rng.random()
        if r < .2:
            other = data.wrong_scene(rng, spec, scene)
            if other:
                a = float(rng.random())
                image = (a * image + (1 - a) * data.render(other, theme)).round().astype(np.uint8)
        elif r < .3:
            image = data.broken(rng, image, scene)
        images.append(image)
        parts.append([scene, other] if other else [scene])
        weights.append([a, 1 - a] if other else [1.0])
    return soften(stage.to_tensor(images), share=.6)[0], targets(parts, weights)


def loss_of(grid, t):
    obj, cls, col = t
    bce = F.binary_cross_entropy_with_logits(grid[:, 0], obj.clamp(min=0), reduction='none', pos_weight=torch.tensor(3.0))
    g = grid.permute(0, 2, 3, 1)
    return .5 * (bce * (obj >= 0)).sum() / len(obj) + F.cross_entropy(g[..., 1:17].flatten(0, 2), cls.flatten(), ignore_index=-1) + \
        F.cross_entropy(g[..., 17:25].flatten(0, 2), col.flatten(), ignore_index=-1)


def decode(grid, config):
    """[25,12,12] -> detections, best first, as ../pocket/evaluator.py decides it (peaks of objectness above 1/2)."""
    o = grid[0]
    best = F.max_pool2d(o[None, None], 3, 1, 1)[0, 0]
    out = []
    for y, x in ((o >= 0) & (o == best)).nonzero().tolist():
        c = grid[:, y, x]
        out.append(dict(object=config['objects'][int(c[1:17].argmax())], colour=config['colours'][int(c[17:25].argmax())], x=(x + .5) * STRIDE, y=(y + .5) * STRIDE, score=float(o[y, x])))
    return sorted(out, key=lambda d: -d['score'])


def verdict(found, prompt):
    """GenEval's rules, strict: exactly the requested objects, their colours, all relations. -> (right, reason)"""
    wrong = wrong_objects(found, prompt)
    if wrong:
        return False, wrong
    for r in prompt.get('relations') or ([prompt['relation']] if prompt.get('relation') else []):
        a, b = (next(d for d in found if d['object'] == prompt['objects'][r[k]]['name']) for k in ('a', 'b'))
        if r['rel'] not in W.holding(a['x'] - b['x'], a['y'] - b['y']):
            return False, f"{a['object']} is not {r['rel']} {b['object']}"
    return True, 'right'


def prompt_of(spec):
    rel = [dict(a=i, rel=W.RELATIONS[r], b=j) for i, r, j in spec.relations]
    return dict(objects=[dict(name=W.OBJECTS[o], color=W.COLOURS[c] if c >= 0 else None, count=n) for o, c, n in spec.groups], relations=rel)


@torch.no_grad()
def measure(model, n=40, split='heldout', seed=99, soften=None):
    """Per category: share of true scenes called right, share of slightly wrong scenes called wrong."""
    rng, rows = np.random.default_rng(seed), {}
    for cat in W.CATEGORIES:
        cases = []
        while len(cases) < n:
            _, spec, scene, theme = W.draw(rng, cat, split)
            wrong = data.wrong_scene(rng, spec, scene, split='any')
            if wrong:
                cases.append((prompt_of(spec), data.render(scene, theme), data.render(wrong, theme)))
        x = [stage.to_tensor([c[k] for c in cases]) for k in (1, 2)]
        x = [soften(v)[0] if soften else v for v in x]
        ok = [[verdict(decode(g, model.config), c[0])[0] for g, c in zip(model(v), cases)] for v in x]
        rows[cat] = (round(float(np.mean(ok[0])), 3), round(1 - float(np.mean(ok[1])), 3))
    return rows


def main(name):
    c = stage.CONFIG[name]
    torch.manual_seed(c['seed'])
    net, soften = Evaluator(config(128 if name == 'judge' else 112)), data.Soften(c['seed'])
    opt, ema = torch.optim.AdamW(net.parameters(), lr=c['lr'], betas=(.9, .98), weight_decay=.02), stage.Ema(net, .995)
    s = stage.Stage(name, c['steps'], c['seed'] + 1, dict(net=net, opt=opt, ema=ema, soften=soften))
    out = stage.WEIGHTS + '/evaluator' if name == 'judge' else s.dir + '/model'

    def snapshot():
        stage.half(ema.model).save(out)
        s.say(heldout=measure(ema.model, stage.few(12)))

    s.snapshot = snapshot
    for _ in s:
        opt.param_groups[0]['lr'] = c['lr'] * s.factor()
        x, t = batch(s.rng, c['batch'], soften)
        with stage.bfloat():
            grid = net(x)
        loss = loss_of(grid.float(), t)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        opt.step()
        ema.update(net)
        s.log(loss=loss)
    m = stage.half(ema.model)
    for split in ('train', 'heldout'):
        for kind, soft in (('clean', None), ('softened', data.Soften(5))):
            s.say(split=split, kind=kind, rows=measure(m, stage.few(60), split, soften=soft))
    s.finish()


if __name__ == '__main__':
    main(sys.argv[1])
