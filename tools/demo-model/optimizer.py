"""Muon for the hidden matrices, AdamW for the rest; float32 masters of bfloat16 working weights."""
from __future__ import annotations
import torch


def orthogonal(g, steps=5):
    """Nearest-orthogonal matrices of a batch [n, a, b], by a quintic Newton-Schulz iteration."""
    tall = g.shape[1] > g.shape[2]
    x = (g.transpose(1, 2) if tall else g).bfloat16()
    x = x / (x.float().flatten(1).norm(dim=1)[:, None, None] + 1e-7).bfloat16()
    for _ in range(steps):
        y = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(y, y, y, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return (x.transpose(1, 2) if tall else x).float()


class Optimizer:
    def __init__(self, named, decay=0.02, momentum=0.95, betas=(0.9, 0.98)):
        """named: (name, working parameter) pairs."""
        self.named = list(named)
        self.masters = [p.detach().float().clone() for _, p in self.named]
        matrix = lambda n, p: p.dim() == 2 and "embed" not in n and not n.startswith("heads")
        self.groups = {}
        rest = []
        for i, (n, p) in enumerate(self.named):
            if matrix(n, p):
                self.groups.setdefault(tuple(p.shape), []).append(i)
            else:
                rest.append(i)
        self.rest, self.t = rest, 0
        self.m = [torch.zeros_like(p) for p in self.masters]
        self.v = {i: torch.zeros_like(self.masters[i]) for i in rest}
        self.decay, self.momentum, self.betas = decay, momentum, betas

    @torch.no_grad()
    def step(self, lr, clip=1.0, only=None):
        self.t += 1
        grads = {i: p.grad.float() for i, (n, p) in enumerate(self.named) if p.grad is not None and (only is None or only(n))}
        norm = torch.sqrt(sum(g.pow(2).sum() for g in grads.values()))
        if not torch.isfinite(norm):
            self.zero()
            return float(norm)
        k = min(1.0, clip / (float(norm) + 1e-6))
        for shape, members in self.groups.items():
            members = [i for i in members if i in grads]
            if not members:
                continue
            for i in members:
                self.m[i].lerp_(grads[i] * k, 1 - self.momentum)
            u = orthogonal(torch.stack([torch.lerp(grads[i] * k, self.m[i], self.momentum) for i in members]))
            scale = 0.2 * max(shape) ** 0.5
            for j, i in enumerate(members):
                self.masters[i].mul_(1 - lr * self.decay).add_(u[j], alpha=-lr * scale)
        b1, b2 = self.betas
        c1, c2 = 1 - b1 ** self.t, 1 - b2 ** self.t
        for i in self.rest:
            if i in grads:
                g = grads[i] * k
                self.m[i].lerp_(g, 1 - b1)
                self.v[i].lerp_(g * g, 1 - b2)
                self.masters[i].addcdiv_(self.m[i] / c1, (self.v[i] / c2).sqrt_().add_(1e-8), value=-lr / 2)
        for i in grads:
            self.named[i][1].copy_(self.masters[i])
        self.zero()
        return float(norm)

    def zero(self):
        for _, p in self.named:
            p.grad = None

    def state(self):
        return {"t": self.t, "masters": self.masters, "m": self.m, "v": self.v}

    def load(self, s):
        self.t, self.m, self.v = s["t"], s["m"], s["v"]
        for a, b, (_, p) in zip(self.masters, s["masters"], self.named):
            a.copy_(b)
            p.data.copy_(b)
