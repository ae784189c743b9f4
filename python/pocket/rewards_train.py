"""The training loop's common parts: optimiser by parameter kind, a schedule by the clock, weight averaging."""
import copy
import time

import torch


class Clock:
    """Learning-rate factor from elapsed wall time: the machine is shared, so time, not steps, is the budget."""

    def __init__(self, minutes, warm=100, hold=False):
        self.t0, self.total, self.step, self.warm, self.hold = time.time(), minutes * 60, 0, warm, hold

    def fraction(self):
        return (time.time() - self.t0) / self.total

    def factor(self):
        self.step += 1
        f = self.fraction()
        cool = 1.0 if f < 0.5 or self.hold else max(0.02, 1 - (f - 0.5) / 0.5)
        return min(1.0, self.step / self.warm) * cool

    def done(self):
        return self.fraction() >= 1


class Muon:
    """Momentum whose matrix is orthogonalised by Newton-Schulz (Jordan et al. 2024), in f32 and batched by shape:
    torch.optim.Muon does it one matrix at a time in bf16, which on a CPU costs as much as the backward pass."""

    def __init__(self, params, lr, momentum=0.95, decay=0.01):
        self.lr, self.momentum, self.decay, self.groups = lr, momentum, decay, {}
        for p in params:
            self.groups.setdefault((min(p.shape), max(p.shape)), []).append(p)
        self.buf = {p: torch.zeros_like(p) for p in params}

    @torch.no_grad()
    def step(self):
        for params in self.groups.values():
            params = [p for p in params if p.grad is not None]
            if not params:
                continue
            x = []
            for p in params:
                b = self.buf[p]
                b.mul_(self.momentum).add_(p.grad, alpha=1 - self.momentum)
                u = p.grad.lerp(b, self.momentum)
                x.append(u if p.shape[0] <= p.shape[1] else u.T)
            x = torch.stack(x)
            x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
            for _ in range(5):
                a = x @ x.mT
                x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
            for p, u in zip(params, x):
                u = u if p.shape[0] <= p.shape[1] else u.T
                p.mul_(1 - self.lr * self.decay).add_(u, alpha=-self.lr * max(1, p.shape[0] / p.shape[1]) ** 0.5)


class Optimiser:
    """Muon for hidden matrices, AdamW for the rest: fewer steps to a useful transformer than AdamW alone."""

    def __init__(self, model, lr=1e-3, muon_lr=0.01, decay=0.01):
        mats, rest = [], []
        for n, p in model.named_parameters():
            if not p.requires_grad:
                continue
            hidden = p.ndim == 2 and min(p.shape) >= 64 and not any(k in n for k in ("embed", "head", "projection", "position", "mlp.layers"))
            (mats if hidden else rest).append(p)
        self.lr, self.muon_lr, self.params = lr, muon_lr, mats + rest
        self.adam, self.muon = torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=decay), Muon(mats, muon_lr, decay=decay)

    def step(self, loss, factor):
        self.adam.param_groups[0]["lr"], self.muon.lr = self.lr * factor, self.muon_lr * factor
        for p in self.params:
            p.grad = None
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in self.params if p.grad is not None], 1.0)
        self.adam.step()
        self.muon.step()


class Average:
    """Exponential moving average of the weights; the averaged model is the one that is saved."""

    def __init__(self, model, decay=0.995):
        self.model, self.decay, self.n = copy.deepcopy(model).eval(), decay, 0

    @torch.no_grad()
    def update(self, model):
        self.n += 1
        d = min(self.decay, self.n / (self.n + 10))
        for a, b in zip(self.model.state_dict().values(), model.state_dict().values()):
            if a.dtype.is_floating_point:
                a.lerp_(b, 1 - d)
            else:
                a.copy_(b)


def round_half(model):
    """The shipped weights are f16: every measurement uses the rounded values."""
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.half().float())
    return model
