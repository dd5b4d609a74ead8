"""Training samples: pictures or clips with a conversation about them."""

from __future__ import annotations

from dataclasses import dataclass, field

import clips
import questions
import several
from world import scene

SYSTEMS = ["Answer briefly.", "You are a helpful assistant.", "Be short."]


@dataclass
class Sample:
    media: list  # of Scene (cut), ("whole", Scene) or [Scene, ...] (a clip)
    turns: list = field(default_factory=list)  # (skill, user text with <|image|> / <|video|>, answer)
    system: str | None = None


def front(rng, k, marker="<|image|>"):
    """How the pictures stand before the first question; mostly as the command line puts them."""
    if k > 1 and rng.random() < 0.2:
        style = rng.randrange(3)
        if style == 0:
            return "".join(f"Picture {i + 1}: {marker}\n" for i in range(k))
        if style == 1:
            return " ".join([marker] * k) + "\n"
        return ", ".join([marker] * k) + ". "
    if k == 1 and rng.random() < 0.06:
        return marker + " "
    return (marker + "\n") * k


def talk(rng, sample, head, asks, group):
    """Asks one after another; the first carries the pictures, the same question is not put twice."""
    seen = set()
    for a in asks:
        skill, q, answer = a()
        if q in seen:
            continue
        seen.add(q)
        if skill != "chat":
            q = questions.vary(rng, q)
        sample.turns.append((f"{group}/{skill}", (head if not sample.turns else "") + q, answer))
    return sample


def foreign(rng):
    return ("foreign", *questions.ask_foreign(rng))


def system(rng):
    return rng.choice(SYSTEMS) if rng.random() < 0.06 else None


def one_picture(rng, cut=True, turns=None, n=None, only=None):
    s = scene(rng, n=n, cut=cut, glyphs=rng.choices([0, 1, 2], [3, 5, 2])[0] if cut else 0)
    turns = turns or rng.choice([5, 6, 7])
    asks = [lambda: foreign(rng) if rng.random() < 0.05 else questions.ask(rng, s, cut, only) for _ in range(turns)]
    if rng.random() < 0.04:
        asks.append(lambda: ("many", rng.choice(several.HOW_MANY), "1 picture."))
    return talk(rng, Sample([s if cut else ("whole", s)], system=system(rng)), front(rng, 1), asks, "one")


def pictures(rng, k=None, cut=False, turns=None, kinds=None):
    if k is None and rng.random() < 0.4:
        return compared(rng, cut, turns or 4, kinds)
    k = k or rng.choice([2, 2, 3, 3, 4])
    scenes = several.album(rng, k, cut)
    asks = [
        lambda: foreign(rng) if rng.random() < 0.02 else several.ask_album(rng, scenes, kinds)
        for _ in range(turns or rng.choice([4, 5, 6]))
    ]
    return album(rng, scenes, cut, asks)


def compared(rng, cut=False, turns=4, kinds=None):
    """Two pictures alike but for one change, mostly asked about that."""
    two = None
    while not two:
        two = several.twins(rng, cut)
    *scenes, change = two

    def ask():
        return several.ask_twins(rng, change) if rng.random() < 0.6 else several.ask_album(rng, scenes, kinds)

    return album(rng, scenes, cut, [ask] * turns)


def album(rng, scenes, cut, asks):
    sample = Sample([s if cut else ("whole", s) for s in scenes], system=system(rng))
    return talk(rng, sample, front(rng, len(scenes)), asks, "several")


def clip(rng, turns=None, kind=None):
    scenes, kind, facts = clips.make(rng, kind=kind)
    asks = [lambda: foreign(rng) if rng.random() < 0.03 else clips.ask(rng, kind, facts) for _ in range(turns or 5)]
    return talk(rng, Sample([scenes], system=system(rng)), front(rng, 1, "<|video|>"), asks, "video")


def no_picture(rng, turns=None):
    def one():
        r = rng.random()
        if r < 0.12:
            return "chat", rng.choice(questions.GREET), questions.HELLO
        if r < 0.25:
            return "chat", rng.choice(questions.WHOAREYOU), questions.WHO
        if r < 0.55:
            if rng.random() < 0.4:
                q = rng.choice(questions.DESCRIBE + questions.LIST + several.HOW_MANY + clips.DESCRIBE)
            else:
                _, q, _ = questions.ask(rng, scene(rng, cut=False), False)
            return "blind", q, questions.NO_PICTURE
        while True:
            skill, q, a = foreign(rng)
            if not any(w in q for w in ("picture", "here", "see", "color", "colour", "Where is", "this", "many")):
                return skill, q, a

    return talk(rng, Sample([], system=system(rng)), "", [one] * (turns or 4), "none")
