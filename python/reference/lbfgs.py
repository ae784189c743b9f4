"""Where torch.optim.LBFGS evaluates: the points and losses of small problems in f64, for test/reno/lbfgs.test.ts.

    python python/reference/lbfgs.py > parity/lbfgs.json

As the ReNO reference makes it: max_iter=10, history_size=3, strong_wolfe. Every evaluation of the closure is kept, without
the first of each later `step()`, which repeats the point where the one before ended.
"""
import json
import sys

import torch

torch.set_default_dtype(torch.float64)


def rosenbrock(z):
    return (100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum()


def reno(z):
    """A bounded reward with many bumps and the regulariser of the norm, as of noise with 40 values."""
    reward = torch.sin(3 * z).mul(torch.linspace(0.5, 1.5, z.numel())).sum() / 8 + torch.tanh(z[:-1] * z[1:]).sum() / 4
    return reward + 0.01 * (0.5 * z.square().sum() - (z.numel() - 1) * z.norm().log())


def run(loss, start, lr, steps):
    z = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.LBFGS([z], lr=lr, max_iter=10, history_size=3, line_search_fn="strong_wolfe")
    calls = []

    def closure():
        optimizer.zero_grad()
        value = loss(z)
        value.backward()
        calls.append((z.detach().clone(), value.item()))
        return value

    for step in range(steps):
        before = len(calls)
        optimizer.step(closure)
        if step > 0:
            del calls[before]
    return {"start": start.tolist(), "lr": lr, "points": [[round(v, 13) for v in p.tolist()[:4]] for p, _ in calls],
            "losses": [value for _, value in calls]}


if __name__ == "__main__":
    g = torch.Generator().manual_seed(0)
    noise = torch.randn(40, generator=g)
    cases = {
        "rosenbrock": run(rosenbrock, torch.tensor([-1.2, 1.0, 0.7, -0.4, 0.3]), 1, 7),
        "rosenbrock, lr 5": run(rosenbrock, torch.tensor([-1.2, 1.0, 0.7, -0.4, 0.3]), 5, 7),
        "reno": run(reno, noise, 1, 5),
        "reno, lr 0.1": run(reno, noise, 0.1, 5),
    }
    for name, case in cases.items():
        print(name, len(case["losses"]), case["losses"][0], min(case["losses"]), file=sys.stderr)
    json.dump(cases, sys.stdout)
