"""PyTorch on the CPU, f32, all cores: answers the lines of JSON that commands/bench/serve_engine.ts describes."""

import json
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

GROUP_NORM_EPS = 1e-5
SAMPLES = 4096


class Cannot(Exception):
    """The row is out of reach; the message says why."""


def seeded(name, count):
    """commands/bench/row.ts, `seeded`."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & 0xFFFFFFFF
    h = np.arange(count, dtype=np.uint32) + np.uint32(seed)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return (h >> np.uint32(8)).astype(np.float32) / np.float32(2**23) - np.float32(1)


def sampled(values):
    flat = values.detach().contiguous().reshape(-1)
    count = min(len(flat), SAMPLES)
    return flat[[i * len(flat) // count for i in range(count)]].tolist()


def first(x):
    """[N,H,W,C] as PyTorch's channels-last NCHW: no copy."""
    return x.permute(0, 3, 1, 2)


def last(x):
    return x.permute(0, 2, 3, 1)


def heads(x, count):
    """[N,T,heads*D] → [N,heads,T,D]."""
    n, t, c = x.shape
    return x.reshape(n, t, count, c // count).transpose(1, 2).contiguous()


def joined(x):
    n, h, t, d = x.shape
    return x.transpose(1, 2).reshape(n, t, h * d)


def computation(row, x):
    """The row as a function of nothing; inputs are put into the layouts PyTorch likes here, outside the time."""
    kind = row["kind"]
    if kind == "matmul":
        return lambda: {"y": x["a"] @ x["b"]}
    if kind == "conv2d":
        image, weight = first(x["x"]), x["w"].to(memory_format=torch.channels_last)
        return lambda: {"y": last(F.conv2d(image, weight, padding=1))}
    if kind == "conv2d_backward_input":
        dy, weight = first(x["dy"]), x["w"].to(memory_format=torch.channels_last)
        n, h, w, c = row["outputs"]["dx"]
        return lambda: {"dx": last(torch.nn.grad.conv2d_input((n, c, h, w), weight, dy, padding=1))}
    if kind in ("attention", "attention_gradient"):
        q, k, v = (heads(x[name], row["heads"]) for name in "qkv")
        if kind == "attention":
            return lambda: {"y": joined(F.scaled_dot_product_attention(q, k, v))}
        dy = heads(x["dy"], row["heads"])

        def forward_and_backward():
            leaves = [t.detach().requires_grad_() for t in (q, k, v)]
            y = F.scaled_dot_product_attention(*leaves)
            grads = torch.autograd.grad(y, leaves, dy)
            return dict(zip(("y", "dq", "dk", "dv"), map(joined, (y, *grads))))

        return forward_and_backward
    if kind in ("group_norm", "group_norm_gradient"):
        image, groups = first(x["x"]), row["groups"]

        def normal(image):
            return F.group_norm(image, groups, x["gamma"], x["beta"], GROUP_NORM_EPS)

        if kind == "group_norm":
            return lambda: {"y": last(normal(image))}
        dy = first(x["dy"])

        def forward_and_backward():
            leaf = image.detach().requires_grad_()
            y = normal(leaf)
            return {"y": last(y), "dx": last(torch.autograd.grad(y, leaf, dy)[0])}

        return forward_and_backward
    if kind == "iteration":
        sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "network"))
        from torch_network import iteration

        return iteration(row, x)
    raise Cannot(f"no row of kind {kind} here")


class Session:
    def __init__(self):
        self.compute = None
        self.results = {}

    def answer(self, request):
        return getattr(self, request["ask"])(request)

    def open(self, _):
        torch.set_num_threads(os.cpu_count() or 1)
        return {"version": f"PyTorch {torch.__version__}", "adapter": f"{torch.get_num_threads()} CPU threads"}

    def prepare(self, request):
        row = request["row"]
        if request["attempt"] > 0:
            raise Cannot("no other way")
        inputs = {
            name: torch.from_numpy(seeded(name, int(np.prod(shape)))).reshape(shape)
            for name, shape in row["inputs"].items()
        }
        self.compute = computation(row, inputs)
        self._run(1)
        return {name: sampled(values) for name, values in self.results.items()}

    def run(self, request):
        wall, cpu = time.perf_counter(), time.process_time()
        self._run(request["repeats"])
        each = 1000 / request["repeats"]
        return {"wall": (time.perf_counter() - wall) * each, "cpu": (time.process_time() - cpu) * each}

    def _run(self, repeats):
        for _ in range(repeats):
            self.results = self.compute()

    def release(self, _):
        self.compute, self.results = None, {}


def main():
    session = Session()
    for line in sys.stdin:
        try:
            reply = {"value": session.answer(json.loads(line))}
        except Exception as error:  # the driver decides what a failure means
            reply = {"error": f"{error}", "cannot": isinstance(error, Cannot)}
        print(f"@ {json.dumps(reply)}", flush=True)


main()
