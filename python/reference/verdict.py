"""Random small grids and what python/pocket/evaluator.py decides about them, for test/reno/verdict.test.ts.

    python python/reference/verdict.py POCKET_SOURCE_FOLDER > parity/verdict.json

Logits are small integers, so that ties happen; grids are 4×4, prompts are drawn so that all outcomes occur.
"""
import json
import random
import sys

import torch

sys.path.insert(0, sys.argv[1])
from evaluator import CLASSES, COLOURS, decode, default_config, verdict  # noqa: E402

RELATIONS = ["left of", "right of", "above", "below"]


def prompt_for(r, found, objects, colours):
    """Mostly what is there, sometimes changed, so that right and every kind of wrong occur."""
    names = {}
    for d in found:
        names.setdefault(d["object"], []).append(d["colour"])
    listed = [{"name": n, "color": c[0] if len(set(c)) == 1 and r.random() < 0.5 else None, "count": len(c)} for n, c in names.items()]
    change = r.random()
    if listed and change < 0.15:
        listed[0]["count"] += 1
    elif listed and change < 0.3:
        listed[0]["color"] = r.choice(colours)
    elif change < 0.4:
        listed.append({"name": r.choice(objects), "color": None, "count": 1})
    relation = {"a": 0, "rel": r.choice(RELATIONS), "b": 1} if len(listed) == 2 else None
    return {"objects": listed, "relation": relation}


def main():
    r = random.Random(7)
    objects, colours = [f"object{i:02}" for i in range(CLASSES)], [f"colour{i}" for i in range(COLOURS)]
    config = default_config(objects, colours)
    config["output"]["grid"] = 4
    cases = []
    for _ in range(60):
        grid = [[[r.randint(-6, 3) for _ in range(4)] for _ in range(4)]]
        grid += [[[r.randint(-2, 2) for _ in range(4)] for _ in range(4)] for _ in range(CLASSES + COLOURS)]
        found = decode(torch.tensor(grid, dtype=torch.float32), config)
        prompt = prompt_for(r, found, objects, colours)
        right, reason = verdict(found, prompt, config)
        flat = [grid[c][y][x] for y in range(4) for x in range(4) for c in range(len(grid))]
        cases.append({"grid": flat, "detections": found, "prompt": prompt, "right": right, "reason": reason})
    json.dump({"config": config, "cases": cases}, sys.stdout, separators=(",", ":"))
    print(sum(c["right"] for c in cases), sorted({c["reason"].split(":")[0][:20] for c in cases}), file=sys.stderr)


if __name__ == "__main__":
    main()
