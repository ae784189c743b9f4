"""Prints the numbers of test/reno/optimizer.test.ts: torch's own optimisers on a small quadratic, in f64.

    python python/reference/optimizer_numbers.py

The gradient of 0.5*sum(a*(z-b)^2) is a*(z-b); `clip` runs torch.nn.utils.clip_grad_norm_ first, as ReNO does.
"""

import json

import torch

torch.set_default_dtype(torch.float64)
A = torch.tensor([1.0, 0.25, 3.0])
B = torch.tensor([0.5, -1.0, 2.0])
START = [0.2, 0.4, -0.6]


def run(make, clip):
    z = torch.nn.Parameter(torch.tensor(START))
    optimizer = make([z])
    out = []
    for _ in range(4):
        optimizer.zero_grad()
        (0.5 * (A * (z - B) ** 2).sum()).backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_([z], clip)
        optimizer.step()
        out.append([round(v, 12) for v in z.tolist()])
    return out


CASES = {
    "sgd nesterov": run(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True), None),
    "sgd heavy ball": run(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), None),
    "sgd nesterov clipped": run(lambda p: torch.optim.SGD(p, lr=5.0, momentum=0.9, nesterov=True), 0.1),
    "adam": run(lambda p: torch.optim.Adam(p, lr=0.5, eps=1e-2), None),
    "adam clipped": run(lambda p: torch.optim.Adam(p, lr=0.5, eps=1e-2), 0.1),
}
print(json.dumps(CASES, indent=1))
