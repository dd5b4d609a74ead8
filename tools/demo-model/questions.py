"""Questions about one picture, in many phrasings, each with the one canonical answer."""

from __future__ import annotations

import random

from world import CELLS, COLOR_NAMES, NUMBERS, SHAPES, Scene

SORRY = "I only know simple shapes, colors, small letters and digits."
NO_PICTURE = "I see no picture."
HELLO = "Hello! Show me a picture of simple shapes."
WHO = "I am a small demo model. I know simple shapes and colors."

DESCRIBE = [
    "Describe this image.",
    "Describe the picture.",
    "What do you see?",
    "What is in this picture?",
    "What does the image show?",
    "Tell me what you see.",
    "Please describe this picture.",
    "What is shown here?",
    "Give a description of the image.",
    "Describe what you see.",
    "What can you see in the image?",
    "Caption this image.",
    "What's in the image?",
    "Explain this picture.",
]
LIST = [
    "Which shapes are there?",
    "List the shapes.",
    "What shapes do you see?",
    "Name the shapes in the picture.",
    "Which shapes does the image contain?",
    "List all shapes in this image.",
]
FOREIGN = [
    "What breed is the {a}?",
    "Who is the {p} in this picture?",
    "What is the name of the {p}?",
    "How old is the {p}?",
    "Is the {p} happy?",
    "What is the {p} doing?",
    "Where was this photo taken?",
    "What brand is the {o}?",
    "What time of day is it?",
    "What is the weather like?",
    "Write a poem about {o}s.",
    "What is {n} plus {n}?",
    "Translate this into {l}.",
    "What is the capital of {c}?",
    "Write a {k} function that sorts a list.",
    "Who won the match?",
    "How much does the {o} cost?",
    "What does the {a} eat?",
    "Can you see a {a}?",
    "What kind of {o} is this?",
    "Is there a {a} in the picture?",
    "Is there a {o} here?",
    "How many {p}s are there?",
    "How many {a}s do you see?",
    "Tell me a joke.",
    "What is a convolution?",
    "Explain quantum physics.",
    "Who wrote Hamlet?",
    "What color is the {a}?",
    "What colour is the {o}?",
    "Summarize the news.",
    "What year is it?",
    "Do you like {o}s?",
    "Describe the {p}'s face.",
    "Where is the {a}?",
    "Where is the {o}?",
    "Why is the sky blue?",
    "How do I bake a cake?",
]
FILL = {
    "a": ["dog", "cat", "horse", "bird", "cow", "fish", "elephant", "rabbit", "owl", "lion"],
    "p": ["man", "woman", "person", "girl", "boy", "child", "player", "singer"],
    "o": ["car", "house", "tree", "flower", "phone", "table", "boat", "bicycle", "lamp", "train", "book", "cup"],
    "n": list("23456789"),
    "l": ["French", "German", "Chinese", "Spanish", "Latin"],
    "c": ["France", "Japan", "Brazil", "Kenya", "Norway"],
    "k": ["Python", "Rust", "C", "Java", "Ruby"],
}
GREET = ["Hello", "Hi", "Hello!", "Hi there!", "Good morning.", "Hey"]
WHOAREYOU = ["Who are you?", "What are you?", "What can you do?", "What model are you?", "Tell me about yourself."]


def an(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def up(text):
    return text[0].upper() + text[1:]


def join(items):
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def name(t):
    return f"{t.color} {t.shape}"


def listing(things):
    return up(join([an(name(t)) for t in things])) + "." if things else "No shapes."


def describe(s: Scene):
    if not s.things:
        if s.backdrop == "gradient":
            return "A plain gradient."
        return f"A {'noisy' if s.backdrop == 'noise' else s.backdrop} {s.color} image."
    if len(s.things) <= 3:
        return up(join([f"a {t.size} {name(t)} {CELLS[t.cell]}" for t in s.things])) + "."
    return f"{up(NUMBERS[len(s.things)])} shapes: {join([an(name(t)) for t in s.things])}."


def refer(rng, s: Scene, t, wide=True):
    """Words that mean this thing and no other of the scene, or None."""

    def alone(f):
        return sum(f(o) == f(t) for o in s.things) == 1

    ways = []
    if alone(lambda o: o.shape):
        ways += [t.shape, t.shape]
    if alone(name):
        ways += [name(t)]
    if wide and alone(lambda o: o.color):
        ways += [f"{t.color} {rng.choice(['shape', 'thing', 'one'])}"]
    return rng.choice(ways) if ways else None


def missing(rng, s):
    """A shape with a colour or alone that is not there."""
    for _ in range(20):
        shape, color = rng.choice(SHAPES), rng.choice(COLOR_NAMES)
        if rng.random() < 0.5 and s.things:  # half right, to be told apart
            t = rng.choice(s.things)
            shape, color = rng.choice([(t.shape, color), (shape, t.color)])
        if rng.random() < 0.35 and all(t.shape != shape for t in s.things):
            return shape
        if all((t.shape, t.color) != (shape, color) for t in s.things):
            return f"{color} {shape}"
    return "blue banana"


def plural(words):
    return words + ("es" if words.endswith("s") else "s")


def col(rng):
    return rng.choice(["color", "color", "colour"])


# Kinds of questions in which one thing has to be found by what is said of it; in which everything has to be found; and
# which are about two things, or about something and nothing.
BINDING = ["color", "color", "shape", "where", "where", "size", "exists", "relation", "further"]
LISTING = ["describe", "describe", "list", "count"]
COMPARING = ["relation", "relation", "further", "where", "exists"]


def ask(rng: random.Random, s: Scene, print_too: bool, only=None):
    """One random (skill, question, answer) about this picture; only: of these kinds."""
    kinds = ["describe"] * 3 + ["list"] + ["count"] * 3 + ["exists"] * 2 + ["at", "ground"]
    if s.things:
        kinds += ["color"] * 2 + ["shape"] * 2 + ["where"] * 3 + ["size", "at"]
    if len(s.things) > 1:
        kinds += ["relation"] * 2 + ["further"]
    if print_too:
        kinds += ["read"] * (6 if s.glyphs else 1)
    while True:
        kind = rng.choice(only or kinds)
        got = ASK[kind](rng, s)
        if got:
            return (kind, *got)


def ask_describe(rng, s):
    return rng.choice(DESCRIBE), describe(s)


def ask_list(rng, s):
    return rng.choice(LIST), listing(s.things)


def ask_count(rng, s):
    way = rng.random()
    if way < 0.35:
        q = rng.choice(
            [
                "How many shapes are there?",
                "How many shapes do you see?",
                "Count the shapes.",
                "How many things are in the picture?",
                "What is the number of shapes?",
                "How many objects are there?",
            ]
        )
        return q, up(NUMBERS[len(s.things)]) + "."
    pick = rng.choice(s.things) if s.things and rng.random() < 0.8 else None
    if way < 0.75:
        what = pick.shape if pick else rng.choice(SHAPES)
        n, words = sum(t.shape == what for t in s.things), plural(what)
    else:
        what = pick.color if pick else rng.choice(COLOR_NAMES)
        n, words = sum(t.color == what for t in s.things), f"{what} {rng.choice(['shapes', 'things'])}"
    q = rng.choice(
        [
            "How many {} are there?",
            "How many {} do you see?",
            "Count the {}.",
            "How many {} are in the picture?",
            "How many {} does the image show?",
        ]
    )
    return q.format(words), up(NUMBERS[n]) + "."


def ask_exists(rng, s):
    yes = rng.random() < 0.5 and s.things
    if yes:
        t = rng.choice(s.things)
        what = rng.choice([t.shape, name(t), name(t), f"{t.color} shape"])
    else:
        what = missing(rng, s)
    q = rng.choice(
        [
            "Is there {}?",
            "Do you see {}?",
            "Does the picture show {}?",
            "Can you see {}?",
            "Is there {} in the image?",
            "Is {} in this picture?",
        ]
    )
    return q.format(an(what)), "Yes." if yes else "No."


def ask_at(rng, s):
    cell = rng.choice(s.things).cell if s.things and rng.random() < 0.75 else rng.randrange(9)
    here = [t for t in s.things if t.cell == cell]
    q = rng.choice(
        ["What is {}?", "What do you see {}?", "Which shape is {}?", "What's {}?", "What is {} of the picture?"]
    )
    return q.format(CELLS[cell]), f"A {here[0].size} {name(here[0])}." if here else "Nothing."


def ask_ground(rng, s):
    if s.backdrop != "gradient" and rng.random() < 0.7:
        q = rng.choice(
            [
                "What {} is the background?",
                "What is the background {}?",
                "Which {} does the background have?",
                "What {} is behind the shapes?",
            ]
        )
        return q.format(col(rng)), up(s.color) + "."
    q = rng.choice(
        [
            "Is the background plain, noisy or a gradient?",
            "What kind of background is it?",
            "What is the background like?",
        ]
    )
    return q, {"plain": "Plain.", "noise": "Noisy.", "gradient": "A gradient."}[s.backdrop]


def ask_color(rng, s):
    q = rng.choice(
        [
            "What {c} is the {t}?",
            "Which {c} is the {t}?",
            "What is the {c} of the {t}?",
            "What {c} does the {t} have?",
            "Tell me the {c} of the {t}.",
        ]
    )
    if rng.random() < 0.12:
        shape = rng.choice(SHAPES)
        if any(t.shape == shape for t in s.things):
            return None
        return q.format(c=col(rng), t=shape), f"There is no {shape}."
    t = rng.choice(s.things)
    if sum(o.shape == t.shape for o in s.things) == 1:
        words = t.shape
    elif sum((o.shape, o.size) == (t.shape, t.size) for o in s.things) == 1:
        words = f"{t.size} {t.shape}"
    elif len(s.things) > 1:
        words = f"{rng.choice(['shape', 'thing'])} {CELLS[t.cell]}"
    else:
        return None
    return q.format(c=col(rng), t=words), up(t.color) + "."


def ask_shape(rng, s):
    t = rng.choice(s.things)
    if len(s.things) == 1 and rng.random() < 0.5:
        return rng.choice(["Which shape is it?", "What shape is this?", "What shape do you see?"]), up(
            an(t.shape)
        ) + "."
    if sum(o.color == t.color for o in s.things) == 1:
        words = t.color
    elif sum((o.color, o.size) == (t.color, t.size) for o in s.things) == 1:
        words = f"{t.size} and {t.color}"
    else:
        return None
    q = rng.choice(["Which shape is {}?", "What shape is {}?", "Which one is {}?", "What is {}?"])
    return q.format(words), up(an(t.shape)) + "."


def ask_where(rng, s):
    if rng.random() < 0.1:
        what = missing(rng, s)
        return f"Where is the {what}?", f"There is no {what}."
    t = rng.choice(s.things)
    words = refer(rng, s, t)
    q = rng.choice(
        [
            "Where is the {}?",
            "Where's the {}?",
            "Where do you see the {}?",
            "In which part of the picture is the {}?",
            "What is the position of the {}?",
        ]
    )
    return (q.format(words), up(CELLS[t.cell]) + ".") if words else None


def ask_size(rng, s):
    t = rng.choice(s.things)
    words = refer(rng, s, t)
    q = rng.choice(
        [
            "Is the {} large or small?",
            "Is the {} small or large?",
            "How big is the {}?",
            "What size is the {}?",
            "What is the size of the {}?",
        ]
    )
    return (q.format(words), up(t.size) + ".") if words else None


def pair(rng, s):
    a, b = rng.sample(s.things, 2)
    x, y = refer(rng, s, a, False), refer(rng, s, b, False)
    return (a, b, x, y) if x and y else None


def ask_relation(rng, s):
    got = pair(rng, s)
    if not got:
        return None
    a, b, x, y = got
    (r1, c1), (r2, c2) = divmod(a.cell, 3), divmod(b.cell, 3)
    ways = []
    if c1 != c2:
        ways += [
            (rng.choice(["left of", "to the left of"]), c1 < c2),
            (rng.choice(["right of", "to the right of"]), c1 > c2),
        ]
    if r1 != r2:
        ways += [("above", r1 < r2), ("below", r1 > r2)]
    words, true = rng.choice(ways)
    return f"Is the {x} {words} the {y}?", "Yes." if true else "No."


def ask_further(rng, s):
    got = pair(rng, s)
    if not got:
        return None
    a, b, x, y = got
    (r1, c1), (r2, c2) = divmod(a.cell, 3), divmod(b.cell, 3)
    ways = []
    if c1 != c2:
        ways += [("further to the left", c1 < c2), ("further to the right", c1 > c2)]
    if r1 != r2:
        ways += [("higher up", r1 < r2), ("lower down", r1 > r2)]
    if a.size != b.size:
        ways += [(rng.choice(["larger", "bigger"]), a.size == "large"), ("smaller", a.size == "small")]
    words, first = rng.choice(ways)
    return f"Which is {words}, the {x} or the {y}?", f"The {x if first else y}."


def ask_read(rng, s):
    digit = [g.char for g in s.glyphs if g.char.isdigit()]
    letter = [g.char for g in s.glyphs if not g.char.isdigit()]
    if len(s.glyphs) < 2 and rng.random() < 0.4:
        q = rng.choice(
            [
                "What does the small print say?",
                "What is written in the picture?",
                "Read the small print.",
                "What can you read?",
                "What is written there?",
                "Read the text.",
                "What does the text say?",
            ]
        )
        return q, s.glyphs[0].char + "." if s.glyphs else "Nothing is written."
    kind, there = rng.choice([("digit", digit), ("letter", letter)])
    if not there and rng.random() < 0.7:
        kind, there = ("letter", letter) if kind == "digit" else ("digit", digit)
    if rng.random() < 0.12:
        return rng.choice(["Is there a {}?", "Do you see a {}?"]).format(kind), "Yes." if there else "No."
    q = rng.choice(
        [
            "Which {} is written in the picture?",
            "What {} do you see?",
            "Read the {}.",
            "What {} is it?",
            "Which small {} is there?",
            "What is the {}?",
            "Which {} can you read?",
        ]
    )
    return q.format(kind), f"{there[0]}." if there else f"There is no {kind}."


ASK = {
    "describe": ask_describe,
    "list": ask_list,
    "count": ask_count,
    "exists": ask_exists,
    "at": ask_at,
    "ground": ask_ground,
    "color": ask_color,
    "shape": ask_shape,
    "where": ask_where,
    "size": ask_size,
    "relation": ask_relation,
    "further": ask_further,
    "read": ask_read,
}


def ask_foreign(rng):
    q = rng.choice(FOREIGN)
    for k, words in FILL.items():
        while "{" + k + "}" in q:
            q = q.replace("{" + k + "}", rng.choice(words), 1)
    return q, SORRY


def vary(rng, q):
    """Typing habits."""
    if rng.random() < 0.12:
        q = q[0].lower() + q[1:]
    if rng.random() < 0.08:
        q = q.rstrip("?.")
    if rng.random() < 0.05:
        q = rng.choice(["Please tell me: ", "Look closely. ", "Question: ", "Now, "]) + q
    return q
