"""The dense warm-up: every patch says what is drawn there. The heads are dropped afterwards."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from draw import draw
from model import RMSNorm
from views import PER_PATCH, PER_VIEW, cut, labels, outlines
from world import scene

VIEWS = 64  # a pack
PRINT = [
    8,
    16,
    24,
    32,
]  # letters and digits of a picture that is cut: few patches show any, so far more than a question would be asked about
LOOKS = 640  # patches of a pack that are asked what is drawn around them


looks = torch.Generator().manual_seed(1)


class Heads(nn.Module):
    def __init__(self, v, d):
        super().__init__()
        self.norm = RMSNorm(d, 1e-6)
        self.early = RMSNorm(v, 1e-6)
        self.patch = nn.Linear(d, sum(PER_PATCH.values()))
        self.view = nn.Linear(d, sum(PER_VIEW.values()))
        self.outline = nn.Linear(v, 49)
        self.around = nn.Linear(v, 9 * 49)
        for x in (self.patch, self.view, self.outline, self.around):
            nn.init.normal_(x.weight, std=0.02)
            nn.init.zeros_(x.bias)


def wander(rng: random.Random, s):
    """One thing of a sparse scene anywhere, as in the middle of a movement."""
    if not 1 <= len(s.things) <= 3 or rng.random() < 0.5:
        return s
    i = rng.randrange(len(s.things))
    for _ in range(10):
        t = replace(s.things[i], x=rng.uniform(0.14, 0.86), y=rng.uniform(0.14, 0.86))
        if all(abs(t.x - o.x) > 0.3 or abs(t.y - o.y) > 0.3 for j, o in enumerate(s.things) if j != i):
            return replace(s, things=(*s.things[:i], t, *s.things[i + 1 :]))
    return s


def make_pack(rng: random.Random, _):
    """crops uint8 [64, 126, 126, 3], labels as views.labels gives them."""
    views, patch, view, drawn, n = [], [], [], [], 0
    while n < VIEWS:
        whole = n >= 40
        s = scene(rng, cut=not whole, glyphs=None if whole else rng.choice(PRINT))
        if whole:
            s = wander(rng, s)
        img, mask = draw(s, True)
        v, grid = cut(img, whole)
        p, w = labels(s, grid)
        for rows, new in zip((views, patch, view, drawn), (v, p, w, outlines(mask, grid)), strict=True):
            rows.append(new)
        n += len(v)
    return tuple(np.concatenate(x)[-VIEWS:] for x in (views, patch, view, drawn))


def neighbourhood(drawn, index):
    """drawn [n, 81, 49], patches [k] of n * 81 -> [k, 9 * 49]: the outlines of each patch and its neighbours, 0 past
    the edge.
    """
    n = drawn.shape[0]
    grid = F.pad(drawn.view(n, 9, 9, 49), (0, 0, 1, 1, 1, 1))
    crop, row, col = index // 81, index % 81 // 9, index % 9
    return torch.cat([grid[crop, row + i, col + j] for i in range(3) for j in range(3)], -1)


def dense_loss(heads: Heads, embeds, patch, view, pick, drawn=None, taps=None):
    """embeds [n, 81, d] -> loss, {what: (right, asked)}; per-view questions are put to a few picked patches.

    drawn: the outlines. The output of the second layer (taps) is asked for each patch's own, that of the third for the
    ones around it, where there is something: the layers that follow make shapes and letters of them.
    """
    h = heads.norm(embeds)
    out = heads.patch(h).float().split(list(PER_PATCH.values()), -1)
    loss, seen = 0.0, {}
    if drawn is not None:
        y = drawn.to(torch.bfloat16) / 255
        own = F.binary_cross_entropy_with_logits(heads.outline(heads.early(taps[1])), y)
        shape, glyph = (patch[..., list(PER_PATCH).index(name)] for name in ("shape", "glyph"))
        something = ((shape > 0) | (glyph > 0)).flatten().nonzero()[:, 0]
        index = something[torch.randperm(len(something), generator=looks)[:LOOKS]]
        around = F.binary_cross_entropy_with_logits(
            heads.around(heads.early(taps[2]).flatten(0, 1)[index]), neighbourhood(y, index)
        )
        loss = 8 * own + 8 * around
        seen["outline"], seen["around"] = (-1000 * own.item(), 1000), (-1000 * around.item(), 1000)
    for name, logits, label in zip(PER_PATCH, out, patch.unbind(-1), strict=True):
        asked_at = label >= 0
        x, y = logits[asked_at], label[asked_at].long()
        ce = F.cross_entropy(x, y, reduction="none")
        if name in ("shape", "middle", "glyph"):  # mostly nothing: the something counts as much
            some = y > 0
            part = 0.5 * ce[~some].mean() + (ce[some].mean() if some.any() else 0)
            right, asked = (x[some].argmax(-1) == y[some]).sum(), some.sum()
        else:
            part = ce.mean()
            right, asked = (x.argmax(-1) == y).sum(), len(y)
        loss = loss + part * {"middle": 0.5, "size": 0.7, "shape": 1.5}.get(name, 1.0)
        seen[name] = (int(right), int(asked))
    out = heads.view(h[:, pick]).float().split(list(PER_VIEW.values()), -1)
    for name, logits, label in zip(PER_VIEW, out, view.unbind(1), strict=True):
        asked_at = label >= 0
        x, y = logits[asked_at], label[asked_at].long()[:, None].expand(-1, len(pick))
        part = F.cross_entropy(x.flatten(0, 1), y.flatten())
        loss = loss + part * (0.08 if name.startswith("n_") else 0.5)
        key = "counts" if name.startswith("n_") else name
        r, a = seen.get(key, (0, 0))
        seen[key] = (r + int((x.argmax(-1) == y).sum()), a + y.numel())
    return loss, seen
