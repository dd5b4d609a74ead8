"""Questions about several pictures."""

from __future__ import annotations

import random
from dataclasses import replace

from questions import an, col, describe, listing, name, up
from world import COLOR_NAMES, SHAPES, free_colors, scene, shade, thing

ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
HOW_MANY = [
    "How many pictures are there?",
    "How many images do you see?",
    "How many pictures did I give you?",
    "Count the pictures.",
    "How many images are there?",
]


def album(rng: random.Random, k: int, cut: bool):
    """k pictures, each simple: one thing, two, or a plain colour."""
    return [
        scene(rng, n=rng.choices([0, 1, 2, 3], [2, 6, 2, 1] if k <= 4 else [2, 8, 0, 0])[0], cut=cut, glyphs=0)
        for _ in range(k)
    ]


def twins(rng: random.Random, cut: bool):
    """Two pictures alike but for one change, and what changed."""
    a = scene(rng, n=rng.choice([1, 1, 2, 2, 3]), cut=cut, glyphs=0)
    b = replace(a, seed=rng.randrange(1 << 30))
    way = rng.choice(["color", "size", "place", "added", "removed", "same", "color"])
    i = rng.randrange(len(a.things))
    t = a.things[i]
    back = dict(color=a.color, shades=a.shades)
    free = [c for c in range(9) if c not in [o.cell for o in a.things]]

    def swap(new):
        return replace(b, things=(*a.things[:i], new, *a.things[i + 1 :]))

    alone = sum(o.shape == t.shape for o in a.things) == 1
    if way == "color" and alone:
        colors = [c for c in free_colors(back) if c != t.color]
        if not colors:
            return None
        new = rng.choice(colors)
        change = f"The {t.shape} is {t.color} in the first picture and {new} in the second."
        return a, swap(replace(t, color=new, shade=shade(rng, new))), change
    if way == "size" and alone:
        new = "small" if t.size == "large" else "large"
        change = f"The {t.shape} is {t.size} in the first picture and {new} in the second."
        return a, swap(thing(rng, t.shape, t.color, new, t.cell, a.width, a.height)), change
    if way == "place" and alone:
        new = thing(rng, t.shape, t.color, t.size, rng.choice(free), a.width, a.height)
        return a, swap(new), f"The {t.shape} moved."
    if way == "added":
        shape, color, size = rng.choice(SHAPES), rng.choice(free_colors(back)), rng.choice(["small", "large"])
        new = thing(rng, shape, color, size, rng.choice(free), a.width, a.height)
        return a, replace(b, things=(*a.things, new)), up(an(name(new))) + " was added."
    if way == "removed":
        return a, replace(b, things=a.things[:i] + a.things[i + 1 :]), up(an(name(t))) + " was removed."
    return (a, b, "Nothing.") if way == "same" else None


DIFFERS = [
    "What is different?",
    "What differs?",
    "What changed?",
    "What is the difference between the two pictures?",
    "Find the difference.",
    "What has changed in the second picture?",
    "Compare the two pictures.",
]
ALIKE = ["Are the two pictures the same?", "Are both images the same?", "Are these pictures identical?"]


def ask_twins(rng, change):
    if rng.random() < 0.7:
        return "differs", rng.choice(DIFFERS), change
    return "same", rng.choice(ALIKE), "Yes." if change == "Nothing." else "No."


def the_picture(rng, i, k):
    ways = [f"picture {i + 1}", f"image {i + 1}"]
    if i < len(ORDINALS):
        ways += [f"the {ORDINALS[i]} {w}" for w in ("picture", "image")]
    if i == k - 1:
        ways += ["the last picture"]
    return rng.choice(ways)


KINDS = ["which"] * 4 + ["content"] * 2 + ["color"] * 2 + ["shape", "many", "more", "both"]
# Kinds for training; those that took longest to be learnt occur more often.
HARDER = ["which"] * 2 + ["content", "color"] * 3 + ["shape", "more", "both"] * 2 + ["many"]


def ask_album(rng: random.Random, scenes, kinds=None):
    while True:
        kind = rng.choice(kinds or KINDS)
        got = ABOUT[kind](rng, scenes)
        if got:
            return (kind, *got)


def about_which(rng, scenes):
    i = rng.randrange(len(scenes))
    s = scenes[i]
    if not s.things:
        if s.backdrop != "plain" or any(o.color == s.color and not o.things for j, o in enumerate(scenes) if j != i):
            return None
        q = rng.choice(["Which picture is plain {}?", "Which image is just {}?", "Which one is a plain {} picture?"])
        return q.format(s.color), f"Picture {i + 1}."
    t = rng.choice(s.things)
    if rng.random() < 0.07:
        for _ in range(10):
            shape, color = rng.choice(SHAPES), rng.choice(COLOR_NAMES)
            if all((x.shape, x.color) != (shape, color) for o in scenes for x in o.things):
                return f"Which picture shows a{'n' if color[0] in 'aeiou' else ''} {color} {shape}?", "None of them."
        return None

    def alone(f):
        return sum(any(f(x) == f(t) for x in o.things) for o in scenes) == 1

    ways = []
    if alone(lambda x: x.shape):
        ways += [t.shape]
    if alone(name):
        ways += [name(t)]
    if alone(lambda x: x.color):
        ways += [f"{t.color} {rng.choice(['shape', 'thing'])}"]
    if not ways:
        return None
    q = rng.choice(
        [
            "Which picture shows {}?",
            "Which image shows {}?",
            "Which of them has {}?",
            "In which picture is {}?",
            "Which one contains {}?",
            "Where is {}, in which picture?",
        ]
    )
    return q.format(an(rng.choice(ways))), f"Picture {i + 1}."


def about_content(rng, scenes):
    i = rng.randrange(len(scenes))
    s = scenes[i]
    q = rng.choice(["What is in {}?", "What does {} show?", "What do you see in {}?", "Which shapes are in {}?"])
    return q.format(the_picture(rng, i, len(scenes))), listing(s.things) if s.things else describe(s)


def about_color(rng, scenes):
    i = rng.randrange(len(scenes))
    s = scenes[i]
    words = the_picture(rng, i, len(scenes))
    if not s.things and s.backdrop == "plain":
        return rng.choice(["What {} is {}?", "Which {} is {}?"]).format(col(rng), words), up(s.color) + "."
    if not s.things:
        return None
    t = rng.choice(s.things)
    what = "shape" if len(s.things) == 1 else t.shape
    if len(s.things) > 1 and sum(o.shape == t.shape for o in s.things) > 1:
        return None
    return rng.choice(
        ["What {} is the {} in {}?", "Which {} is the {} in {}?", "What is the {} of the {} in {}?"]
    ).format(col(rng), what, words), up(t.color) + "."


def about_shape(rng, scenes):
    i = rng.randrange(len(scenes))
    s = scenes[i]
    if len(s.things) != 1:
        return None
    return rng.choice(["Which shape is in {}?", "What shape does {} show?", "What shape is in {}?"]).format(
        the_picture(rng, i, len(scenes))
    ), up(an(s.things[0].shape)) + "."


def about_many(rng, scenes):
    k = len(scenes)
    return rng.choice(HOW_MANY), f"{k} picture{'s' if k > 1 else ''}."


def about_more(rng, scenes):
    if len(scenes) != 2 or len(scenes[0].things) == len(scenes[1].things):
        return None
    a, b = (len(s.things) for s in scenes)
    more = rng.random() < 0.6
    q = rng.choice(["Which picture has {} shapes?", "Which image shows {} shapes?"]).format("more" if more else "fewer")
    return q, f"Picture {1 if (a > b) == more else 2}."


def about_both(rng, scenes):
    if len(scenes) != 2:
        return None
    s = rng.choice(scenes)
    if not s.things:
        return None
    t = rng.choice(s.things)
    f, words = rng.choice([(lambda x: x.shape == t.shape, an(t.shape)), (lambda x: name(x) == name(t), an(name(t)))])
    both = all(any(f(x) for x in o.things) for o in scenes)
    q = rng.choice(["Do both pictures show {}?", "Is there {} in both pictures?"]).format(words)
    return q, "Yes." if both else "No."


ABOUT = {
    "which": about_which,
    "content": about_content,
    "color": about_color,
    "shape": about_shape,
    "many": about_many,
    "more": about_more,
    "both": about_both,
}
