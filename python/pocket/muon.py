"""Muon (Jordan et al. 2024): momentum, then orthogonalised by five Newton-Schulz steps; for matrices and convolutions.

Far more progress a sample than Adam at these sizes, and samples are what one CPU core is short of. Everything that is not
a hidden matrix (embeddings, norms, biases, first and last convolution) is left to AdamW.
"""
import torch


def orthogonal(g):
    x = g.flatten(1)
    t = x.shape[0] > x.shape[1]
    x = x.T if t else x
    x = x / (x.norm() + 1e-7)
    if x.shape[1] < 3 * x.shape[0]:
        for _ in range(5):
            s = x @ x.T
            x = 3.4445 * x + (-4.7750 * s + 2.0315 * s @ s) @ x
    else:                                                # wide: the same five steps, on x xᵀ alone
        s = x @ x.T
        all_steps = torch.eye(len(s))
        for _ in range(5):
            step = 2.0315 * s @ s - 4.7750 * s
            step.diagonal().add_(3.4445)
            s, all_steps = step @ step @ s, step @ all_steps
        x = all_steps @ x
    x = x.T if t else x
    return x.reshape(g.shape)


class Muon:
    """AdamW and Muon behind one step(); `factor` scales both learning rates."""

    def __init__(self, module, lr=.02, adam_lr=1e-3, momentum=.95, weight_decay=.01):
        skip = ('embedding', 'conv_in', 'conv_out')
        named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        self.hidden = [p for n, p in named if p.ndim in (2, 4) and min(p.flatten(1).shape) > 8 and not any(s in n for s in skip)]
        ids = {id(p) for p in self.hidden}
        self.adam = torch.optim.AdamW([p for _, p in named if id(p) not in ids], lr=adam_lr, betas=(.9, .98), weight_decay=0)
        self.buf = [torch.zeros_like(p) for p in self.hidden]
        self.lr, self.adam_lr, self.momentum, self.wd = lr, adam_lr, momentum, weight_decay
        self.params = [p for _, p in named]

    @torch.no_grad()
    def step(self, factor=1.0):
        for g in self.adam.param_groups:
            g['lr'] = float(self.adam_lr * factor)
        self.adam.step()
        lr = float(self.lr * factor)
        for p, b in zip(self.hidden, self.buf):
            b.lerp_(p.grad, 1 - self.momentum)
            u = orthogonal(p.grad.lerp(b, self.momentum))
            r, c = p.flatten(1).shape
            p.mul_(1 - lr * self.wd).add_(u, alpha=-lr * max(1, r / c) ** .5)

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def state_dict(self):
        return dict(adam=self.adam.state_dict(), buf=self.buf)

    def load_state_dict(self, s):
        self.adam.load_state_dict(s['adam'])
        self.buf = s['buf']
