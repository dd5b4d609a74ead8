"""Short clips, one picture a second, and questions about what happens in them."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

from questions import an, col, name, up
from world import SHAPES, Scene, backdrop, free_colors, scene, shade, thing

WAYS = {"to the right": (1, 0), "to the left": (-1, 0), "up": (0, -1), "down": (0, 1)}
DESCRIBE = [
    "Describe this video.",
    "What happens in the video?",
    "What happens?",
    "Describe the clip.",
    "What does the video show?",
    "Tell me what happens.",
    "What is going on in this video?",
]


def make(rng: random.Random, frames=None, size=None, kind=None):
    """(frames as scenes, kind, facts)"""
    n = frames or rng.choices([3, 4, 5, 6, 8], [2, 4, 4, 3, 2])[0]
    if size is None:
        w = rng.randint(130, 300)
        size = (w, round(w / rng.choice([1, 4 / 3, 4 / 3, 16 / 9])))
    back = backdrop(rng)
    while len(free_colors(back)) < 4:
        back = backdrop(rng)
    kind = kind or rng.choice(["move", "move", "move", "appears", "disappears", "recolor", "order", "order", "still"])
    scenes, facts = FILMS[kind](rng, n, size, back)
    return [replace(s, seed=rng.randrange(1 << 30)) for s in scenes], kind, facts


def film_move(rng, n, size, back):
    way = rng.choice(list(WAYS))
    dx, dy = WAYS[way]
    colors = free_colors(back)
    lane = rng.randrange(3)
    t = thing(rng, rng.choice(SHAPES), rng.choice(colors), rng.choice(["small", "large"]), 4, *size)
    start, end = rng.uniform(0.16, 0.26), rng.uniform(0.74, 0.84)
    if rng.random() < 0.3:
        end = rng.uniform(0.5, 0.6) if rng.random() < 0.5 else end
        start = rng.uniform(0.4, 0.5) if end > 0.7 and rng.random() < 0.5 else start
    if dx + dy < 0:
        start, end = 1 - start, 1 - end
    across = (lane + 0.5) / 3
    others = ()
    if rng.random() < 0.5:
        other_lane = rng.choice([k for k in range(3) if k != lane])
        cell = other_lane * 3 + rng.randrange(3) if dx else rng.randrange(3) * 3 + other_lane
        others = (
            thing(
                rng,
                rng.choice([s for s in SHAPES if s != t.shape]),
                rng.choice(colors),
                rng.choice(["small", "large"]),
                cell,
                *size,
            ),
        )
    out = []
    for i in range(n):
        p = start + (end - start) * i / (n - 1)
        out.append(Scene(*size, (replace(t, x=p if dx else across, y=p if dy else across), *others), **back))
    return out, dict(t=t, way=way, others=others)


def sparse(rng, n, size, back):
    return scene(rng, n=n, cut=False, size=size, back=back, glyphs=0)


def film_appears(rng, n, size, back):
    base = sparse(rng, rng.choice([1, 2, 2, 3]), size, back)
    i, at = rng.randrange(len(base.things)), rng.randrange(1, n)
    without = replace(base, things=base.things[:i] + base.things[i + 1 :])
    return [without] * at + [base] * (n - at), dict(t=base.things[i], others=without.things)


def film_disappears(rng, n, size, back):
    out, facts = film_appears(rng, n, size, back)
    return out[::-1], facts


def film_recolor(rng, n, size, back):
    a = sparse(rng, rng.choice([1, 1, 2]), size, back)
    i, at = rng.randrange(len(a.things)), rng.randrange(1, n)
    t = a.things[i]
    if sum(o.shape == t.shape for o in a.things) > 1:
        a, i = replace(a, things=(t,)), 0
    new = rng.choice([c for c in free_colors(back) if c != t.color])
    b = replace(a, things=(*a.things[:i], replace(t, color=new, shade=shade(rng, new)), *a.things[i + 1 :]))
    return [a] * at + [b] * (n - at), dict(t=t, new=new, others=a.things[:i] + a.things[i + 1 :])


def film_order(rng, n, size, back):
    k = rng.choice([2, 3, 3, 4])
    k = min(k, n)
    plain = rng.random() < 0.3
    cuts = [0, *sorted(rng.sample(range(1, n), k - 1)), n]
    if plain:
        colors = rng.sample(free_colors(back), k)
        shown = [Scene(*size, (), **backdrop(rng, c, "plain")) for c in colors]
        words = [s.color for s in shown]
    else:
        colors = free_colors(back)
        pool = [(s, c) for s in SHAPES for c in colors]
        shown = [
            Scene(*size, (thing(rng, s, c, rng.choice(["small", "large"]), rng.randrange(9), *size),), **back)
            for s, c in rng.sample(pool, k)
        ]
        words = [name(s.things[0]) for s in shown]
    out = []
    for s, (a, b) in zip(shown, pairwise(cuts), strict=True):
        out += [s] * (b - a)
    return out, dict(words=words, plain=plain)


def film_still(rng, n, size, back):
    a = sparse(rng, rng.choice([1, 2]), size, back)
    return [a] * n, dict(t=a.things[0], others=a.things[1:])


FILMS = {
    "move": film_move,
    "appears": film_appears,
    "disappears": film_disappears,
    "recolor": film_recolor,
    "order": film_order,
    "still": film_still,
}


def ask(rng: random.Random, kind, f):
    """(skill, question, answer)"""
    if kind == "order":
        return ("order", *ask_order(rng, f["words"], f["plain"]))
    t = f["t"]
    shape_alone = rng.random() < 0.6 and all(o.shape != t.shape for o in f["others"])
    r = rng.random()
    if r < 0.3:
        return "happens", rng.choice(DESCRIBE), told(kind, f)
    if r < 0.45:
        return ("happens", *ask_happens(rng, kind))
    return ASK[kind](rng, f, t.shape if shape_alone else None)


def told(kind, f):
    """What happens in the clip."""
    t = f["t"]
    if kind == "still":
        return "Nothing happens."
    if kind == "recolor":
        return f"The {t.shape} changes from {t.color} to {f['new']}."
    return f"{up(an(name(t)))} {'moves ' + f['way'] if kind == 'move' else kind}."


def ask_happens(rng, kind):
    question, yes = rng.choice(
        [
            ("Does anything move?", "move"),
            ("Does anything new appear?", "appears"),
            ("Does anything change its {c}?", "recolor"),
        ]
    )
    return question.format(c=col(rng)), "Yes." if kind == yes else "No."


def ask_move(rng, f, shape):
    t = f["t"]
    if rng.random() < 0.75:
        it = shape or rng.choice(["it", name(t)])
        ways = ["Which way does {} move?", "In which direction does {} move?", "Where does {} go?"]
        ways += ["Which direction is {} moving?", "Where is {} moving?"]
        return "motion", rng.choice(ways).format(it if it == "it" else f"the {it}"), up(f["way"]) + "."
    what = ["What moves?", "Which shape moves?", "What is moving?", "Which shape is moving?"]
    return "motion", rng.choice(what), f"The {name(t)}."


def ask_appears(rng, f, _):
    q = rng.choice(["What appears?", "Which shape appears?", "What is it that appears?", "What new shape comes in?"])
    return "appears", q, up(an(name(f["t"]))) + "."


def ask_disappears(rng, f, _):
    ways = ["What disappears?", "Which shape disappears?", "What is it that disappears?"]
    q = rng.choice([*ways, "Which shape goes away?", "What vanishes?"])
    return "disappears", q, up(an(name(f["t"]))) + "."


def ask_recolor(rng, f, _):
    t, new = f["t"], f["new"]
    q, a = rng.choice(
        [
            ("What changes its {c}?", f"The {t.shape}."),
            ("Which shape changes {c}?", f"The {t.shape}."),
            ("How does the {c} change?", f"From {t.color} to {new}."),
            (f"What {{c}} does the {t.shape} become?", up(new) + "."),
            (f"What {{c}} was the {t.shape} at first?", up(t.color) + "."),
            (f"What {{c}} is the {t.shape} in the end?", up(new) + "."),
        ]
    )
    return "recolor", q.format(c=col(rng)), a


def ask_still(rng, f, shape):
    ways = ["Which way does the {} move?", "In which direction does the {} move?", "Where does the {} go?"]
    return "motion", rng.choice(ways).format(shape or name(f["t"])), "It does not move."


ASK = {
    "move": ask_move,
    "appears": ask_appears,
    "disappears": ask_disappears,
    "recolor": ask_recolor,
    "still": ask_still,
}


def ask_order(rng, words, plain):
    r = rng.random()

    def each(w):
        return up(w if plain else an(w)) + "."

    if r < 0.5:
        ways = ["In which order do {} appear?", "What is the order of {}?", "List {} in order."]
        q = rng.choice([*ways, "Name {} in the order they appear."])
        what = rng.choice(["the colors", "the colours"]) if plain else "the shapes"
        return q.format(what), up(", ".join(words)) + "."
    if r < 0.6:
        return rng.choice(DESCRIBE), up(", ".join(words)) + "."
    if r < 0.75:
        return rng.choice(["What comes first?", "What is shown first?", "What is seen at the start?"]), each(words[0])
    if r < 0.88:
        return rng.choice(["What comes last?", "What is shown last?", "What is seen at the end?"]), each(words[-1])
    i = rng.randrange(len(words) - 1)
    return f"What comes after {words[i] if plain else 'the ' + words[i]}?", each(words[i + 1])
