"""Golden values of this world's networks for other implementations: python fixtures.py WEIGHTS OUT_DIR

Writes what ../pocket/{rewards_fixture,evaluator_fixture,reno_loop}.py write for the 64² world, under the same names: pocket_rewards, pocket_evaluator and pocket_loop (.safetensors and .json).
"""
import argparse
import json
import os
import sys

import numpy as np
import torch
from safetensors.torch import save_file

import data
import judge
import reno_loop
import rewards_fixture
import stage
import world as W
from evaluator import Evaluator, decode

LOOP_PROMPT, LOOP_SEED = 'a photo of a red cat and a blue car', 43       # chosen by ../reference/loop_conditioning.py: f32 and f64 differ by 2.5e-6


def rewards(weights, out):
    """A clean picture, and one as a weak generator might draw it."""
    rng, soften = np.random.default_rng(4), data.Soften(4)
    prompts = ['a photo of a red cat and a blue car', 'a photo of a duck above a tree']
    specs = [W.parse(p)[0] for p in prompts]
    scenes = [W.fill(rng, s) for s in specs]
    wrong = data.wrong_scene(rng, specs[1], scenes[1], split='any')
    images = stage.to_tensor([data.render(s, i) for i, s in enumerate(scenes)])
    images[1:] = soften(.55 * images[1:] + .45 * stage.to_tensor([data.render(wrong, 1)]), share=1.0)[0]
    rewards_fixture.write(weights, out, prompts, images)


def evaluator(weights, out):
    """A picture of each category; some slightly wrong, some softened."""
    model, rng, soften = Evaluator.load(weights + '/evaluator'), np.random.default_rng(2), data.Soften(2)
    images, cases = [], []
    for i, category in enumerate(W.CATEGORIES):
        text, spec, scene, theme = W.draw(rng, category, 'heldout')
        shown = data.wrong_scene(rng, spec, scene, split='any') if i % 3 == 1 else scene
        images.append(data.render(shown or scene, theme))
        cases.append((text, judge.prompt_of(spec)))
    x = stage.to_tensor(images)
    x[5:] = soften(x[5:], share=1.0)[0]
    with torch.no_grad():
        grid = model(x)
    rows = []
    for (text, prompt), g in zip(cases, grid):
        found = decode(g, model.config)
        right, reason = judge.verdict(found, prompt)
        relations = prompt.pop('relations')
        asked = dict(relation=relations[0] if len(relations) == 1 else None, **(dict(relations=relations) if len(relations) > 1 else {}))
        rows.append(dict(prompt=text, **prompt, **asked, detections=found, right=right, reason=reason))
        print(text, '|', right, reason)
    save_file(dict(images=x.contiguous(), grid=grid.contiguous()), os.path.join(out, 'pocket_evaluator.safetensors'))
    with open(os.path.join(out, 'pocket_evaluator.json'), 'w') as f:
        json.dump(dict(cases=rows), f, indent=1)


def loop(weights, out):
    """The first iterations of one run."""
    settings = ('lr', 'clip', 'reg', 'momentum', 'adam_eps', 'iters', 'optim', 'w')
    reno_loop.golden(argparse.Namespace(weights=weights, out=out, prompt=LOOP_PROMPT, seed=LOOP_SEED, **dict.fromkeys(settings)))


if __name__ == '__main__':
    for part in (rewards, evaluator, loop):
        part(*sys.argv[1:3])
