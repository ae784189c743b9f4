"""What FastestDet finds by onnxruntime and OpenCV, for test/commands/prompt_bench/coco_detector.test.ts.

    pip install onnxruntime opencv-python-headless
    python python/reference/coco_detector.py ../shared/data/weights/FastestDet.onnx PICTURE parity/detector

PICTURE: skimage/data/coffee.png of the package scikit-image (CC0, by Rachel Michetti). A square of it is kept with 5 bits a channel,
so that the file is small. Boxes by the rules of FastestDet's utils/tool.py (handle_preds), written here once more with numpy.
"""
import json
import sys

import cv2
import numpy as np
import onnxruntime

SIZE, LEAST, OVERLAP = 352, 0.25, 0.45


def boxes(f):
    """[x1, y1, x2, y2, score, class], the best first; non-maximum suppression within each class."""
    score, kind = f[0] * f[5:].max(0), f[5:].argmax(0)
    y, x = np.nonzero(score > LEAST)
    cx, cy = (x + np.tanh(f[1, y, x])) / f.shape[2], (y + np.tanh(f[2, y, x])) / f.shape[1]
    w, h = (1 / (1 + np.exp(-f[i, y, x])) for i in (3, 4))
    found = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, score[y, x], kind[y, x]], 1)
    kept = []
    for b in found[np.argsort(-found[:, 4], kind="stable")]:
        def overlap(a):
            lo, hi = np.maximum(a[:2], b[:2]), np.minimum(a[2:4], b[2:4])
            common = np.prod(np.maximum(0, hi - lo))
            return common / (np.prod(a[2:4] - a[:2]) + np.prod(b[2:4] - b[:2]) - common)
        if not any(a[5] == b[5] and overlap(a) > OVERLAP for a in kept):
            kept.append(b)
    return kept


def main(model, picture, out):
    image = cv2.imread(picture)[20:380, 110:470] & 0xF8
    cv2.imwrite(f"{out}/coffee.png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    x = (cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)[None] / 255).astype("float32")
    session = onnxruntime.InferenceSession(model)
    output = session.run([], {session.get_inputs()[0].name: x})[0][0]
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)
    resized = {str(n): cv2.resize(small, (n, n), interpolation=cv2.INTER_AREA).ravel().tolist() for n in (3, 5, 9, 16)}
    # The scores of all other cells stay below the threshold when their numbers are left out.
    cells = [(int(i), output[:, i // 22, i % 22].astype(float).round(6).tolist()) for i in np.nonzero((output[0] > 0.2).ravel())[0]]
    json.dump({
        "input": {"sample": x.ravel()[::1499].round(6).tolist(), "every": 1499},
        "cells": cells,
        "boxes": [[round(float(v), 5) for v in b] for b in boxes(output)],
        "resize": {"from": small.ravel().tolist(), "to": resized},
    }, open(f"{out}/coffee.json", "w"))


main(*sys.argv[1:])
