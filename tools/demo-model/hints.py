"""Heads that ask the language model on the way what it sees and reads (hint_labels.py), and their loss.

The answers' own tokens say too little for that to be learnt in hours. The heads are dropped afterwards, as those of the
vision warm-up are.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import nn

from hint_labels import BETWEEN, FAR, GROUPS, NEAR, PER_CELL, PER_CHANGE, PER_PICTURE
from model import RMSNorm


class Heads(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.norms = nn.ModuleDict({str(layer): RMSNorm(d, 1e-6) for layer in (NEAR, BETWEEN, FAR)})
        self.asked = nn.ModuleDict(
            {
                "picture": nn.Linear(d, PER_PICTURE.logits),
                "cells": nn.Linear(d, 9 * PER_CELL.logits),
                "change": nn.Linear(d, PER_CHANGE.logits),
                **{g.name: nn.Linear(d, g.columns.logits) for g in GROUPS},
            }
        )
        for x in self.asked.values():
            nn.init.normal_(x.weight, std=0.02)
            nn.init.zeros_(x.bias)

    def logits(self, name, layers, layer, tokens):
        """layers: hidden states [tokens, d] after each layer, of which the first is number 1."""
        return self.asked[name](self.norms[str(layer)](layers[layer - 1][tokens]))


def loss(heads: Heads, layers, pictures, named):
    """pictures, named: (tokens [n], labels [n, ...]) -> loss, {what: (right, asked)}"""
    seen, total = {}, 0.0
    tokens, labels = pictures
    if len(tokens):
        picture, places, change = labels.split([len(PER_PICTURE), 9 * len(PER_CELL), len(PER_CHANGE)], 1)
        total = total + 0.3 * ask("picture", heads.logits("picture", layers, NEAR, tokens), PER_PICTURE, picture, seen)
        cells = heads.logits("cells", layers, NEAR, tokens).view(len(tokens) * 9, -1)
        total = total + ask("cell", cells, PER_CELL, places.reshape(-1, len(PER_CELL)), seen)
        total = total + ask("change", heads.logits("change", layers, FAR, tokens), PER_CHANGE, change, seen)
    tokens, labels = named
    if len(tokens):
        for g, part in zip(GROUPS, labels.split([len(g.columns) for g in GROUPS], 1), strict=True):
            some = (part >= 0).any(1)
            logits = heads.logits(g.name, layers, g.layer, tokens[some])
            total = total + ask(g.name, logits, g.columns, part[some], seen)
    return total, seen


# The answer to these is mostly nothing, label 0, which therefore counts less.
MOSTLY_NOTHING = {
    "picture": ("digit", "letter", "n_"),
    "cell": ("shape",),
    "change": ("moves", "changed", "new", "way"),
}


@lru_cache
def _weight(n, rare):
    w = torch.ones(n)
    w[0] = 0.3 if rare else 1.0
    return w


def ask(head, logits, columns, labels, seen):
    """Sum of the mean cross-entropies of one head's questions; adds {what: (right, asked)} to seen."""
    total = 0.0
    for name, x, label in zip(columns, logits.float().split(list(columns.values()), -1), labels.unbind(1), strict=True):
        y = label.long()
        if not (y >= 0).any():
            continue
        rare = name.startswith(MOSTLY_NOTHING.get(head, ()))
        many = next((prefix for prefix in ("n_", "changed") if name.startswith(prefix)), None)  # one of many alike
        part = F.cross_entropy(x, y, weight=_weight(x.shape[-1], rare), ignore_index=-1)
        total = total + part * (0.15 if many else 1.0)
        key = {"n_": "counts", "changed": "changed"}.get(many, name)
        key = key if head == "change" else f"{head} {key}"
        counted = y > 0 if rare else y >= 0
        r, a = seen.get(key, (0, 0))
        seen[key] = (r + int((x.argmax(-1) == y)[counted].sum()), a + int(counted.sum()))
    return total
