"""Questions put to the language model's hidden states, with their answers.

At every picture's token it is asked what that picture shows, at every thing that is named which one it is. hints.py
trains on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

import questions
import several
from columns import Columns
from views import PER_VIEW
from world import CELLS, COLOR_NAMES, DIGITS, LETTERS, SHAPES, Scene

# After these layers, counted from 1, the hidden states are asked what a picture or thing is; how two things lie; and
# what can only be known after a look at the pictures' tokens.
NEAR, BETWEEN, FAR = 5, 7, 8
PICTURES = 32
CLIP = 8  # pictures of the longest clip

# Each of the nine places of a global view.
PER_CELL = Columns(shape=len(SHAPES) + 1, color=len(COLOR_NAMES), size=2)
# The digit and the letter of a crop, and the picture's number among the pictures or in the clip.
PER_CROP = Columns(digit=len(DIGITS) + 1, letter=len(LETTERS) + 1, number=PICTURES)
# A picture's token is asked both what the view shows and this.
PER_PICTURE = Columns(**PER_VIEW, **PER_CROP)
# A second picture: how a thing moved since the one before, which places differ, whether other things are shown, and
# which one change makes this picture of the one before.
MOVES = [(0, 0), (1, 0), (-1, 0), (0, -1), (0, 1)]
SAME, COLOR, SIZE, PLACE, ADDED, REMOVED = range(6)
PER_CHANGE = Columns(moves=len(MOVES), **{f"changed{c}": 2 for c in range(9)}, new=2, way=6)

# A thing that is named: how many of the kind there are, and what the only one is like.
PER_THING = Columns(count=7, cell=9, shape=len(SHAPES), color=len(COLOR_NAMES), size=2)
# A thing that is named among several pictures: in how many it is, and the number of the only one.
PER_FINDING = Columns(pictures=7, number=PICTURES)
# The second thing that a question names lies left of the first, as far, or right of it; above, as high, or below.
PER_RELATION = Columns(across=3, down=3)
# A picture that a question names by its number: how many things, the backdrop if there are none, and the first thing.
PER_THERE = Columns(total=7, ground=len(COLOR_NAMES), shape=len(SHAPES), color=len(COLOR_NAMES))
# A thing in an answer that lists all: its place and the place of the one to be named next (9 after the last).
PER_LISTED = Columns(here=9, next=10)
# A thing in an answer that tells a clip's order: the first pictures of it and of the next one (0 after the last).
PER_ORDER = Columns(here=CLIP, next=CLIP)


class Group(NamedTuple):
    """The questions of one linear head over the hidden states after one layer."""

    name: str
    columns: Columns
    layer: int


GROUPS = [
    Group("thing", PER_THING, NEAR),
    Group("finding", PER_FINDING, FAR),
    Group("relation", PER_RELATION, BETWEEN),
    Group("there", PER_THERE, FAR),
    Group("listed", PER_LISTED, BETWEEN),
    Group("order", PER_ORDER, FAR),
]
WIDTH = sum(len(g.columns) for g in GROUPS)  # columns of a named thing's labels


def label_row(hint):
    """{group: {question: label}} -> int8 [WIDTH]"""
    return np.concatenate([g.columns.row(**hint.get(g.name, {})) for g in GROUPS])


# --- pictures ---------------------------------------------------------------------------------------------------------


class Cell(NamedTuple):
    """One of the nine places, in the columns of PER_CELL. Shape 0: nothing is there."""

    shape: int = -1
    color: int = -1
    size: int = -1


def cells(s: Scene):
    """The nine places of a scene, or None where a thing is between two of them."""
    if any(not t.settled for t in s.things):
        return None
    out = [Cell(shape=0)] * 9
    for t in s.things:
        out[t.cell] = Cell(1 + SHAPES.index(t.shape), COLOR_NAMES.index(t.color), int(t.size == "large"))
    return out


def changes(before: Scene | None, s: Scene, clip):
    """int8 [12] as PER_CHANGE names them."""
    if before is None:
        return PER_CHANGE.row()
    out = {"new": looks(before) != looks(s)}
    a, b = cells(before), cells(s)
    if a and b:
        out |= {f"changed{c}": a[c] != b[c] for c in range(9)}
        out["way"] = way(a, b)
    if clip:
        out["moves"] = move(before, s)
    return PER_CHANGE.row(**out)


def looks(s: Scene):
    return [(t.shape, t.color) for t in s.things] or [s.color]


def sign(v, least=0):
    return (v > least) - (v < -least)


def move(before: Scene, s: Scene):
    """The number in MOVES of the largest step of a thing that both scenes show; -1 for a slanting one."""
    steps = []
    if len(before.things) == len(s.things):
        pairs = zip(before.things, s.things, strict=True)
        steps = [(t.x - o.x, t.y - o.y) for o, t in pairs if (o.shape, o.color) == (t.shape, t.color)]
    dx, dy = max(steps, key=lambda d: abs(d[0]) + abs(d[1]), default=(0, 0))
    step = (sign(dx, 0.01), sign(dy, 0.01))
    return MOVES.index(step) if step in MOVES else -1


def way(before, after):
    """Which one change makes the cells `after` of `before`; -1 where it takes more."""
    at = [c for c in range(9) if before[c] != after[c]]
    if not at:
        return SAME
    if len(at) == 2 and before[at[0]] == after[at[1]] and before[at[1]] == after[at[0]]:
        return PLACE
    if len(at) > 1:
        return -1
    old, new = before[at[0]], after[at[0]]
    if not old.shape:
        return ADDED
    if not new.shape:
        return REMOVED
    if old.shape == new.shape and old.size == new.size:
        return COLOR
    if old.shape == new.shape and old.color == new.color:
        return SIZE
    return -1


def of_picture(s: Scene, views, grid, number, before=None, clip=False):
    """int8 [n, ...]: the labels of PER_VIEW (given), PER_CROP, nine times PER_CELL, and PER_CHANGE; the global view
    last.
    """
    n = len(views)
    crop = PER_CROP.unasked(n)
    crop["digit"][:] = crop["letter"][:] = 0
    if grid:
        crop["digit"][-1] = crop["letter"][-1] = -1  # the global view does not resolve small print
        r, c = grid
        for g in s.glyphs:
            name, chars = ("digit", DIGITS) if g.char in DIGITS else ("letter", LETTERS)
            crop[name][min(r - 1, int(g.y * r)) * c + min(c - 1, int(g.x * c))] = 1 + chars.index(g.char)
    crop["number"][-1] = number if number < PICTURES else -1
    places = np.full((n, 9, len(PER_CELL)), -1, np.int8)
    places[-1] = cells(s) or [Cell()] * 9
    change = np.full((n, len(PER_CHANGE)), -1, np.int8)
    change[-1] = changes(before, s, clip)
    return np.concatenate([views, PER_CROP.stack(crop), places.reshape(n, -1), change], 1)


# --- words ------------------------------------------------------------------------------------------------------------

COLOR_WORDS, SHAPE_WORDS = "|".join(COLOR_NAMES), "|".join(SHAPES)
THING = re.compile(
    r"(?<!plain )(?<!just )\b(?:(?P<size>small|large) (?:and )?)?"
    rf"(?:(?P<color>{COLOR_WORDS})(?: (?P<shape>{SHAPE_WORDS})(?:e?s)?| (?:shape|thing|one)s?)?"
    rf"|(?P<alone>{SHAPE_WORDS})(?:e?s)?)\b"
)
PICTURE = re.compile(
    r"(?:picture|image) (?P<number>\d+)"
    rf"|the (?P<ordinal>{'|'.join(several.ORDINALS)}) (?:picture|image)"
    r"|the last (?:picture|image)"
)
PLACE_WORDS = re.compile("|".join(sorted(CELLS, key=len, reverse=True)))


@dataclass(frozen=True)
class Kind:
    """What words say of a thing; they leave open what is None."""

    size: str | None = None
    color: str | None = None
    shape: str | None = None
    cell: int | None = None

    @staticmethod
    def of(thing: re.Match):
        return Kind(thing["size"], thing["color"], thing["shape"] or thing["alone"])

    def fits(self, t):
        return (
            self.size in (None, t.size)
            and self.color in (None, t.color)
            and self.shape in (None, t.shape)
            and self.cell in (None, t.cell)
        )


def mentions(text, stills, clip):
    """[(end of the words in text, int8 [WIDTH])] for all that a question names; stills: the pictures in order."""
    found = [(m.end(), described(stills, Kind.of(m), clip)) for m in THING.finditer(text)]
    if len(stills) > 1:
        if not clip:
            found += [(m.end(), {"there": there(m, stills)}) for m in PICTURE.finditer(text)]
    else:
        if len(found) == 2:
            (_, first), (_, second) = found
            second["relation"] = relation(first["thing"].get("cell"), second["thing"].get("cell"))
        found += [(m.end(), described(stills, Kind(cell=CELLS.index(m[0])), clip)) for m in PLACE_WORDS.finditer(text)]
    return [(end, label_row(hint)) for end, hint in found]


def described(stills, kind: Kind, clip):
    """The labels of the groups thing and finding."""
    found = [[t for t in s.things if kind.fits(t)] for s in stills]
    having = [number for number, things in enumerate(found) if things]
    one = len(stills) == 1
    thing = {"count": len(found[0])} if one else {}
    finding = {} if one else {"pictures": min(6, len(having))}
    if having and (clip or len(having) == 1):
        things = found[having[0]]
        if not one:
            finding["number"] = having[0]
        if len(things) == 1:
            t = things[0]
            thing |= {"shape": SHAPES.index(t.shape), "color": COLOR_NAMES.index(t.color), "size": t.size == "large"}
            if t.settled and not clip:
                thing["cell"] = t.cell
    return {"thing": thing, "finding": finding}


def relation(first, second):
    """The labels of the group relation, for the cells of two things; none where a cell is not known."""
    if first is None or second is None:
        return {}
    (row1, column1), (row2, column2) = divmod(first, 3), divmod(second, 3)
    return {"across": 1 + sign(column2 - column1), "down": 1 + sign(row2 - row1)}


def there(picture: re.Match, stills):
    """The labels of the group there."""
    if picture["number"]:
        at = int(picture["number"]) - 1
    elif picture["ordinal"]:
        at = several.ORDINALS.index(picture["ordinal"])
    else:
        at = len(stills) - 1
    if at >= len(stills):
        return {}
    s = stills[at]
    if s.things:
        first = s.things[0]
        return {"total": len(s.things), "shape": SHAPES.index(first.shape), "color": COLOR_NAMES.index(first.color)}
    return {"total": 0, "ground": COLOR_NAMES.index(s.color) if s.backdrop == "plain" else -1}


def listed(text, stills, clip):
    """The same of an answer that lists all things of one of the pictures, or tells the order of a clip."""
    answer = text.removesuffix("<|im_end|>")
    things = list(THING.finditer(answer.lower()))
    if clip:
        seen = [first_seen(Kind.of(m), stills) for m in things]
        in_order = len(seen) > 1 and seen[0] == 0 and seen == sorted(set(seen)) and seen[-1] < CLIP
        return steps("order", things, seen, end=0) if in_order else []
    for s in stills:
        if s.things and answer in (questions.listing(s.things), questions.describe(s)):
            return steps("listed", things, [t.cell for t in s.things], end=9)
    return []


def steps(group, words, labels, end):
    """Each of the words is asked for its own label and for that of the next one."""
    pairs = zip(words, labels, [*labels[1:], end], strict=True)
    return [(m.end(), label_row({group: {"here": here, "next": following}})) for m, here, following in pairs]


def first_seen(kind: Kind, stills):
    """Number of the first picture that has the thing, or is all of the colour; -1: none."""
    return next((number for number, s in enumerate(stills) if shows(s, kind)), -1)


def shows(s: Scene, kind: Kind):
    if not kind.shape:
        return not s.things and s.color == kind.color
    return any((t.color, t.shape) == (kind.color, kind.shape) for t in s.things)
