"""Golden values of the judge for other implementations: python evaluator_fixture.py WEIGHTS/evaluator OUT_DIR

Writes pocket_evaluator.safetensors (images [8,3,64,64] f32 in [0,1], grid [8,25,8,8] f32) and .json (prompt,
detections and verdict of each image). Right, wrong, softened and blended pictures, all six categories.
"""
import json
import os
import sys

import numpy as np
import torch
from safetensors.torch import save_file

import rewards_data as D
from evaluator import Evaluator, decode, verdict
from evaluator_train import prompt_of


def main(folder, out):
    torch.set_num_threads(1)
    model, rng, soften = Evaluator.load(folder), np.random.default_rng(2), D.Soften(2)
    images, cases = [], []
    for i, cat in enumerate((*D.S.CATEGORIES, "color_attr", "position")):
        image, caption, spec, scene, bg = D.draw(rng, cat, "heldout")
        if i in (1, 3, 6):  # slightly wrong
            image = D.render(D.wrong_scene(rng, spec, scene, split="any"), bg)
        images.append(image)
        cases.append((caption, spec))
    x = D.to_tensor(images)
    x[4:] = soften(x[4:], share=1.0)[0]
    wrong = D.to_tensor([D.render(D.wrong_scene(rng, cases[7][1], scene, split="any"), bg)])
    x[7] = 0.6 * x[7] + 0.4 * wrong[0]
    with torch.no_grad():
        grid = model(x)
    found = [decode(g, model.config) for g in grid]
    rows = []
    for (caption, spec), d in zip(cases, found):
        right, reason = verdict(d, prompt_of(spec), model.config)
        rows.append({"prompt": caption, **prompt_of(spec), "detections": d, "right": right, "reason": reason})
        print(caption, "|", right, reason)
    save_file({"images": x.contiguous(), "grid": grid.contiguous()}, os.path.join(out, "pocket_evaluator.safetensors"))
    with open(os.path.join(out, "pocket_evaluator.json"), "w") as f:
        json.dump({"cases": rows}, f, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:3])
