"""Muon for the hidden matrices, AdamW for the rest; float32 masters of bfloat16 working weights."""

from __future__ import annotations

import torch
import torch.distributed as dist


def orthogonal(g, steps=5):
    """Nearest-orthogonal matrices of a batch [n, a, b], by a quintic Newton-Schulz iteration."""
    tall = g.shape[1] > g.shape[2]
    x = (g.transpose(1, 2) if tall else g).bfloat16()
    x = x / (x.float().flatten(1).norm(dim=1)[:, None, None] + 1e-7).bfloat16()
    for _ in range(steps):
        y = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(y, y, y, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.transpose(1, 2) if tall else x


def shared(groups):
    """{shape: matrices} -> {shape: their nearest-orthogonal ones, bfloat16 [n, *shape]}

    Of each shape a rank makes every size-th matrix, and the ranks exchange them.
    """
    size, rank = (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)
    mine = {
        shape: orthogonal(torch.stack(matrices[rank::size]))
        for shape, matrices in groups.items()
        if matrices[rank::size]
    }
    if size == 1:
        return mine
    counts = {shape: [len(matrices[r::size]) for r in range(size)] for shape, matrices in groups.items()}
    lengths = [sum(n[r] * shape[0] * shape[1] for shape, n in counts.items()) for r in range(size)]
    send = torch.zeros(max(lengths), dtype=torch.bfloat16)
    if mine:
        send[: lengths[rank]] = torch.cat([x.flatten() for x in mine.values()])
    got = [torch.empty_like(send) for _ in range(size)]
    dist.all_gather([x.view(torch.uint8) for x in got], send.view(torch.uint8))
    out = {shape: torch.empty(len(matrices), *shape, dtype=torch.bfloat16) for shape, matrices in groups.items()}
    for r, flat in enumerate(got):
        at = 0
        for shape, n in counts.items():
            part = n[r] * shape[0] * shape[1]
            out[shape][r::size] = flat[at : at + part].view(n[r], *shape)
            at += part
    return out


class Optimizer:
    def __init__(self, named, decay=0.02, momentum=0.95, betas=(0.9, 0.98)):
        """named: (name, working parameter) pairs."""
        self.named = list(named)
        self.masters = [p.detach().float().clone() for _, p in self.named]
        self.groups = {}
        rest = []
        for i, (n, p) in enumerate(self.named):
            if p.dim() == 2 and "embed" not in n and not n.startswith("heads"):
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
        grads = {
            i: p.grad.float() for i, (n, p) in enumerate(self.named) if p.grad is not None and (only is None or only(n))
        }
        norm = torch.sqrt(sum(g.pow(2).sum() for g in grads.values()))
        if not torch.isfinite(norm):
            self.zero()
            return float(norm)
        k = min(1.0, clip / (float(norm) + 1e-6))
        groups = {shape: [i for i in members if i in grads] for shape, members in self.groups.items()}
        for members in groups.values():
            for i in members:
                self.m[i].lerp_(grads[i] * k, 1 - self.momentum)
        updates = shared(
            {
                shape: [torch.lerp(grads[i] * k, self.m[i], self.momentum) for i in members]
                for shape, members in groups.items()
                if members
            }
        )
        for shape, members in groups.items():
            scale = 0.2 * max(shape) ** 0.5
            for j, i in enumerate(members):
                self.masters[i].mul_(1 - lr * self.decay).add_(updates[shape][j], alpha=-lr * scale)
        b1, b2 = self.betas
        c1, c2 = 1 - b1**self.t, 1 - b2**self.t
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
        for a, b, (_, p) in zip(self.masters, s["masters"], self.named, strict=True):
            a.copy_(b)
            p.data.copy_(b)
