"""What the language model is asked on the way: at every picture's token what that picture shows, at every thing a question names which one it is.

The answers' own tokens say too little for that to be learnt in hours. The heads are dropped afterwards, as those of the vision warm-up are.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import accumulate

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import questions
import several
from model import RMSNorm
from views import PER_VIEW
from world import CELLS, COLOR_NAMES, DIGITS, LETTERS, SHAPES, Scene

# After which layers, counted from 1, it is asked what a picture or thing is; how two things lie; and what takes a look at the pictures' tokens.
NEAR, BETWEEN, FAR = 5, 7, 8
PICTURES = 32
CLIP = 8  # pictures of the longest clip
# of each of the nine places of a whole view; -1 = not asked
PER_CELL = {"shape": len(SHAPES) + 1, "color": len(COLOR_NAMES), "size": 2}
# of a picture's token beside PER_VIEW: digit and letter of a crop, number among the pictures or in the clip, and how a thing moved since the last,
# which places are no longer the same, whether other things are shown, and which one change makes this picture of the last
PER_PICTURE = {**PER_VIEW, "digit": len(DIGITS) + 1, "letter": len(LETTERS) + 1, "number": PICTURES}
MOVES = [(0, 0), (1, 0), (-1, 0), (0, -1), (0, 1)]
PER_CHANGE = {"moves": len(MOVES), **{f"changed{c}": 2 for c in range(9)}, "new": 2, "way": 6}
SAME, COLOR, SIZE, PLACE, ADDED, REMOVED = range(6)  # ways
# of a thing that is named: how many there are, and what the only one is like; in how many pictures, and the only one's number
PER_THING = {"count": 7, "cell": 9, "shape": len(SHAPES), "color": len(COLOR_NAMES), "size": 2}
PER_FINDING = {"pictures": 7, "number": PICTURES}
# of the second thing that a question names: left of the first, as far, right of it; above, as high, below
PER_RELATION = {"across": 3, "down": 3}
# of a picture that a question names by its number: how many things, what backdrop where there are none, and the first thing
PER_THERE = {"total": 7, "ground": len(COLOR_NAMES), "shape": len(SHAPES), "color": len(COLOR_NAMES)}
# of a thing in an answer that lists all: its place, and that of the one to be named next (9: it is the last)
PER_LISTED = {"here": 9, "next": 10}
# of a thing in an answer that tells a clip's order: the pictures it and the next one are first seen in (0: it is the last)
PER_ORDER = {"here": CLIP, "next": CLIP}
GROUPS = [
    ("thing", PER_THING, NEAR),
    ("finding", PER_FINDING, FAR),
    ("relation", PER_RELATION, BETWEEN),
    ("there", PER_THERE, FAR),
    ("listed", PER_LISTED, BETWEEN),
    ("order", PER_ORDER, FAR),
]
*_FIRST, N = accumulate((len(asked) for _, asked, _ in GROUPS), initial=0)  # N: how many columns there are
AT = {name: first for (name, _, _), first in zip(GROUPS, _FIRST)}  # first column of a group

_COLOR, _SHAPE = "|".join(COLOR_NAMES), "|".join(SHAPES)
_THING = re.compile(
    rf"(?<!plain )(?<!just )\b(?:(small|large) (?:and )?)?(?:({_COLOR})(?: ({_SHAPE})(?:e?s)?| (?:shape|thing|one)s?)?|({_SHAPE})(?:e?s)?)\b"
)
_PICTURE = re.compile(
    rf"(?:picture|image) (\d+)|the ({'|'.join(several.ORDINALS)}) (?:picture|image)|the last (?:picture|image)"
)
_PLACE = re.compile("|".join(sorted(CELLS, key=len, reverse=True)))


class Heads(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.norms = nn.ModuleDict({str(layer): RMSNorm(d, 1e-6) for layer in (NEAR, BETWEEN, FAR)})
        self.asked = nn.ModuleDict(
            {
                "picture": nn.Linear(d, sum(PER_PICTURE.values())),
                "cells": nn.Linear(d, 9 * sum(PER_CELL.values())),
                "change": nn.Linear(d, sum(PER_CHANGE.values())),
                **{name: nn.Linear(d, sum(q.values())) for name, q, _ in GROUPS},
            }
        )
        for x in self.asked.values():
            nn.init.normal_(x.weight, std=0.02)
            nn.init.zeros_(x.bias)


def cells(s: Scene):
    """int8 [9, 3]: shape (0 = nothing), color, size; -1 where a thing is between two places."""
    out = np.full((9, len(PER_CELL)), -1, np.int8)
    if any(not t.settled for t in s.things):
        return out
    out[:, 0] = 0
    for t in s.things:
        out[t.cell] = 1 + SHAPES.index(t.shape), COLOR_NAMES.index(t.color), t.size == "large"
    return out


def changes(before: Scene | None, s: Scene, clip):
    """int8 [12] as PER_CHANGE names them."""
    out = np.full(len(PER_CHANGE), -1, np.int8)
    if before is None:
        return out
    a, b = cells(before), cells(s)
    settled = a[0, 0] >= 0 and b[0, 0] >= 0
    if settled:
        out[1:10] = (a != b).any(1)
        out[11] = way(a, b)
    look = lambda s: [(t.shape, t.color) for t in s.things] or [s.color]
    out[10] = look(before) != look(s)
    if clip:
        steps = (
            [
                (t.x - o.x, t.y - o.y)
                for o, t in zip(before.things, s.things)
                if (o.shape, o.color) == (t.shape, t.color)
            ]
            if len(before.things) == len(s.things)
            else []
        )
        dx, dy = max(steps, key=lambda d: abs(d[0]) + abs(d[1]), default=(0, 0))
        sign = lambda v: (v > 0.01) - (v < -0.01)
        out[0] = MOVES.index((sign(dx), sign(dy))) if (sign(dx), sign(dy)) in MOVES else -1
    return out


def way(a, b):
    """What one change makes the cells b of a; -1 where it takes more."""
    at = np.flatnonzero((a != b).any(1))
    old, new = a[at], b[at]
    if len(at) == 0:
        return SAME
    if len(at) == 1 and not old[0, 0]:
        return ADDED
    if len(at) == 1 and not new[0, 0]:
        return REMOVED
    if len(at) == 1 and (old != new).sum() == 1 and old[0, 0] == new[0, 0]:
        return COLOR if old[0, 1] != new[0, 1] else SIZE
    if len(at) == 2 and (old == new[::-1]).all():
        return PLACE
    return -1


def of_picture(s: Scene, views, grid, number, before=None, clip=False):
    """int8 [n, ...]: views (labels of each crop, the whole last) with what PER_PICTURE, PER_CELL and PER_CHANGE add."""
    n = len(views)
    more = np.full((n, 3), -1, np.int8)
    more[:, :2] = 0
    if grid:
        r, c = grid
        more[-1, :2] = -1
        for g in s.glyphs:
            at = min(r - 1, int(g.y * r)) * c + min(c - 1, int(g.x * c))
            more[at, 0 if g.char in DIGITS else 1] = 1 + (DIGITS if g.char in DIGITS else LETTERS).index(g.char)
    more[-1, 2] = number if number < PICTURES else -1
    places = np.full((n, 9 * len(PER_CELL)), -1, np.int8)
    places[-1] = cells(s).flatten()
    last = np.full((n, len(PER_CHANGE)), -1, np.int8)
    last[-1] = changes(before, s, clip)
    return np.concatenate([views, more, places, last], 1)


def row(**of):
    """int8 [N]: -1 but where a group is given."""
    out = np.full(N, -1, np.int8)
    for name, values in of.items():
        out[AT[name] : AT[name] + len(values)] = values
    return out


def mentions(text, stills, clip):
    """[(end of the words in text, int8 [N])]: what is asked of everything that a question names; stills: the pictures in order."""
    out = []
    for m in _THING.finditer(text):
        size, color, shape = m[1], m[2], m[3] or m[4]
        fits = lambda t: (
            (not size or t.size == size) and (not color or t.color == color) and (not shape or t.shape == shape)
        )
        out.append((m.end(), described(stills, fits, clip)))
    if len(stills) > 1:
        return out + ([] if clip else [(m.end(), there(m, stills)) for m in _PICTURE.finditer(text)])
    if len(out) == 2:
        (_, a), (_, b) = out
        one, two = int(a[1]), int(b[1])
        if min(one, two) >= 0:
            sign = lambda d: (d > 0) - (d < 0)
            b[AT["relation"] :][:2] = 1 + sign(two % 3 - one % 3), 1 + sign(two // 3 - one // 3)
    return out + [
        (m.end(), described(stills, lambda t, c=CELLS.index(m[0]): t.cell == c, clip)) for m in _PLACE.finditer(text)
    ]


def described(stills, fits, clip):
    found = [[t for t in s.things if fits(t)] for s in stills]
    having = [i for i, f in enumerate(found) if f]
    one = len(stills) == 1
    thing, finding = [len(found[0]) if one else -1, -1, -1, -1, -1], [-1 if one else min(6, len(having)), -1]
    if having and (clip or len(having) == 1):
        finding[1] = -1 if one else having[0]
        if len(found[having[0]]) == 1:
            t = found[having[0]][0]
            thing[1:] = (
                t.cell if t.settled and not clip else -1,
                SHAPES.index(t.shape),
                COLOR_NAMES.index(t.color),
                t.size == "large",
            )
    return row(thing=thing, finding=finding)


def there(m, stills):
    at = int(m[1]) - 1 if m[1] else several.ORDINALS.index(m[2]) if m[2] else len(stills) - 1
    if at >= len(stills):
        return row()
    s = stills[at]
    if s.things:
        return row(there=[len(s.things), -1, SHAPES.index(s.things[0].shape), COLOR_NAMES.index(s.things[0].color)])
    return row(there=[0, COLOR_NAMES.index(s.color) if s.backdrop == "plain" else -1, -1, -1])


def listed(text, stills, clip):
    """The same of an answer that lists all things of one of the pictures, or the order of a clip."""
    answer = text.removesuffix("<|im_end|>")
    things = list(_THING.finditer(answer.lower()))
    if clip:
        seen = [next((i for i, s in enumerate(stills) if shows(s, m)), -1) for m in things]
        told = len(seen) > 1 and seen[0] == 0 and seen == sorted(set(seen)) and seen[-1] < CLIP
        return [(m.end(), row(order=(seen + [0])[i : i + 2])) for i, m in enumerate(things)] if told else []
    for s in stills:
        if s.things and answer in (questions.listing(s.things), questions.describe(s)):
            places = [t.cell for t in s.things] + [9]
            return [(m.end(), row(listed=places[i : i + 2])) for i, m in enumerate(things)]
    return []


def shows(s: Scene, words):
    """Whether this picture has the thing, or is all of the colour, that the words found by _THING mean."""
    color, shape = words[2], words[3] or words[4]
    if not shape:
        return not s.things and s.color == color
    return any((t.color, t.shape) == (color, shape) for t in s.things)


def loss(heads: Heads, layers, pictures, named):
    """layers: hidden states [tokens, d] after each layer; pictures, named: (tokens [n], labels [n, ...]) -> loss, {what: (right, asked)}"""
    seen, total = {}, 0.0
    put = lambda name, layer, at: heads.asked[name](heads.norms[str(layer)](layers[layer - 1][at]))
    at, want = pictures
    if len(at):
        p, c = len(PER_PICTURE), 9 * len(PER_CELL)
        total = total + 0.3 * ask(put("picture", NEAR, at), PER_PICTURE, want[:, :p], seen, "picture ")
        total = total + ask(
            put("cells", NEAR, at).view(len(at) * 9, -1),
            PER_CELL,
            want[:, p : p + c].reshape(-1, len(PER_CELL)),
            seen,
            "cell ",
        )
        total = total + ask(put("change", FAR, at), PER_CHANGE, want[:, p + c :], seen, "")
    at, want = named
    if len(at):
        for name, asked, layer in GROUPS:
            of = want[:, AT[name] : AT[name] + len(asked)]
            some = (of >= 0).any(1)
            total = total + ask(put(name, layer, at[some]), asked, of[some], seen, name + " ")
    return total, seen


@lru_cache
def _weight(n, rare):
    w = torch.ones(n)
    w[0] = 0.3 if rare else 1.0
    return w


RARE = (
    "shape",
    "digit",
    "letter",
    "moves",
    "changed",
    "new",
    "way",
    "n_",
)  # mostly nothing (0), so that it counts less


def ask(logits, questions, want, seen, prefix):
    """Sum of the questions' mean cross-entropies."""
    total = 0.0
    for i, (name, x) in enumerate(zip(questions, logits.float().split(list(questions.values()), -1))):
        y = want[:, i].long()
        some = int((y >= 0).sum())
        if not some:
            continue
        rare = name.startswith(RARE) and prefix in ("picture ", "cell ", "")
        part = F.cross_entropy(x, y, weight=_weight(x.shape[-1], rare), ignore_index=-1)
        total = total + part * (0.15 if name.startswith(("n_", "changed")) else 1.0)
        key = prefix + ("counts" if name.startswith("n_") else "changed" if name.startswith("changed") else name)
        counted = y > 0 if rare else y >= 0
        r, a = seen.get(key, (0, 0))
        seen[key] = (r + int((x.argmax(-1) == y)[counted].sum()), a + int(counted.sum()))
    return total
