"""The independent judge of pocket scenes: a small CNN detector and the pure decision rule on its grid.

It shares nothing with the rewards (own layers, own seed, own data stream), so that a reward that is
fooled by a picture does not fool the judge as well. docs/pocket-rewards.md states the rule in words.
"""
import json
import math
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

OBJECTNESS, CLASSES, COLOURS = 1, 16, 8


def default_config(objects, colours):
    """Every layer as plain data: what TypeScript needs to run the network without reading this file."""
    conv = lambda name, i, o, s, k=3: {"type": "conv2d", "name": name, "in": i, "out": o, "kernel": k, "stride": s, "padding": k // 2}
    norm = lambda name, c: {"type": "group_norm", "name": name, "channels": c, "groups": 8, "eps": 1e-5}
    layers, widths = [], [(3, 24, 2), (24, 48, 2), (48, 96, 2), (96, 128, 1), (128, 128, 1)]
    for n, (i, o, s) in enumerate(widths):
        layers += [conv(f"conv{n}", i, o, s), norm(f"norm{n}", o), {"type": "silu"}]
    layers += [conv("head", 128, OBJECTNESS + CLASSES + COLOURS, 1, 1)]
    return {
        "input": {"size": 64, "channels": 3, "layout": "NCHW", "transform": "2*x-1 of an image in [0,1]"},
        "layers": layers,
        "output": {"grid": 8, "cell": 8, "channels": {"objectness": [0, 1], "class": [1, 17], "colour": [17, 25]}},
        "objects": list(objects),
        "colours": list(colours),
        "thresholds": {"objectness": 0.5, "peak_radius": 1, "relation_margin_px": 4.8, "relation_cosine": 0.5},
    }


class Evaluator(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        for l in config["layers"]:
            if l["type"] == "conv2d":
                self.add_module(l["name"], nn.Conv2d(l["in"], l["out"], l["kernel"], l["stride"], l["padding"]))
            elif l["type"] == "group_norm":
                self.add_module(l["name"], nn.GroupNorm(l["groups"], l["channels"], l["eps"]))

    def forward(self, image):
        """image [N,3,64,64] in [0,1] -> grid [N,25,8,8] of raw logits."""
        x = image * 2 - 1
        for l in self.config["layers"]:
            x = F.silu(x) if l["type"] == "silu" else getattr(self, l["name"])(x)
        return x

    @staticmethod
    def load(folder):
        with open(os.path.join(folder, "config.json")) as f:
            m = Evaluator(json.load(f))
        m.load_state_dict({k: v.float() for k, v in load_file(os.path.join(folder, "model.safetensors")).items()})
        return m.eval()

    def save(self, folder):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(self.config, f, indent=1)
        save_file({k: v.half().contiguous() for k, v in self.state_dict().items()}, os.path.join(folder, "model.safetensors"))


def decode(grid, config):
    """One image's grid [25,8,8] -> detections [{object, colour, x, y, score}], best objectness first.

    A cell is a detection iff its objectness probability reaches the threshold and no cell within
    `peak_radius` (Chebyshev) has a larger logit (of equal logits the first in row-major order stays).
    """
    g = grid.tolist() if hasattr(grid, "tolist") else grid
    n, cell, t = config["output"]["grid"], config["output"]["cell"], config["thresholds"]
    floor = torch.logit(torch.tensor(t["objectness"], dtype=torch.float64)).item()
    found = []
    for y in range(n):
        for x in range(n):
            v = g[0][y][x]
            if v < floor:
                continue
            r = t["peak_radius"]
            peak = True
            for yy in range(max(0, y - r), min(n, y + r + 1)):
                for xx in range(max(0, x - r), min(n, x + r + 1)):
                    w = g[0][yy][xx]
                    if w > v or (w == v and (yy, xx) < (y, x)):
                        peak = False
            if peak:
                best = lambda lo, hi: max(range(lo, hi), key=lambda c: g[c][y][x]) - lo
                found.append({
                    "object": config["objects"][best(1, 1 + CLASSES)],
                    "colour": config["colours"][best(1 + CLASSES, 1 + CLASSES + COLOURS)],
                    "x": (x + 0.5) * cell, "y": (y + 0.5) * cell, "score": v,
                })
    found.sort(key=lambda d: -d["score"])
    return found


def relations_between(a, b, thresholds):
    """GenEval's rule: the relations of a to b. Offsets shrink by a margin; then direction cosines beyond 0.5 count,
    so that of two diagonal neighbours e.g. both "left of" and "above" hold."""
    shrink = lambda v: math.copysign(max(abs(v) - thresholds["relation_margin_px"], 0.0), v)
    dx, dy = shrink(a["x"] - b["x"]), shrink(a["y"] - b["y"])
    n, t = math.hypot(dx, dy), thresholds["relation_cosine"]
    if n == 0:
        return set()
    return {r for r, v in (("left of", -dx), ("right of", dx), ("above", -dy), ("below", dy)) if v / n > t}


def verdict(detections, prompt, config):
    """GenEval's rules, strict: exactly the requested objects, their colours, their relation.

    prompt: {objects: [{name, color|null, count}], relation: null | {a, rel, b}} as in heldout_prompts.json.
    Returns (right, reason)."""
    wrong = wrong_objects(detections, prompt)
    if wrong:
        return False, wrong
    rel = prompt.get("relation")
    if rel:
        a, b = (next(d for d in detections if d["object"] == prompt["objects"][rel[k]]["name"]) for k in ("a", "b"))
        holds = rel["rel"] in relations_between(a, b, config["thresholds"])
        if not holds:
            return False, f"{a['object']} is not {rel['rel']} {b['object']}"
    return True, "right"


def wrong_objects(detections, prompt):
    """The first number of objects, or of objects in a colour, that is not the requested one, in words; None where all are right."""
    want = {}
    for o in prompt["objects"]:
        want[o["name"]] = want.get(o["name"], 0) + o["count"]
    have = {}
    for d in detections:
        have[d["object"]] = have.get(d["object"], 0) + 1
    for name in sorted(set(want) | set(have)):
        if want.get(name, 0) != have.get(name, 0):
            return f"{name}: expected {want.get(name, 0)}, found {have.get(name, 0)}"
    for o in prompt["objects"]:
        if o.get("color"):
            n = sum(d["object"] == o["name"] and d["colour"] == o["color"] for d in detections)
            if n < o["count"]:
                return f"{o['color']} {o['name']}: expected {o['count']}, found {n}"
    return None
