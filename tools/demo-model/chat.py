"""Conversation -> token ids, the places of the pictures, and which tokens are answers."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import lru_cache

from grid import choose_grid
from world import Scene


def expand(sample):
    """Turns with every <|image|> and <|video|> spelt out as the model sees it: (user text, answer)."""
    media = iter(sample.media)

    def put(_):
        m = next(media)
        if isinstance(m, Scene):
            r, c = choose_grid(m.width, m.height)
            rows = "\n".join(" ".join(["<|image|>"] * c) for _ in range(r))
            return f"<|start_cut|>{r}*{c}\n{rows}\n<|image|><|end_cut|>"
        if isinstance(m, tuple):
            return "<|image|>"
        return "<|start_video_frame|>" + "<|image|>" * len(m) + "<|end_video_frame|>"

    return [(re.sub(r"<\|image\|>|<\|video\|>", put, q), a) for _, q, a in sample.turns]


def render(turns, system=None):
    """(text chunk, is it an answer) in order; an answer of None leaves the place open."""
    out = [(f"<|im_start|>system\n{system}<|im_end|>" if system else "<|im_start|>system\n<|im_end|>", False)]
    for q, a in turns:
        out += [(c, False) for c in re.split(r"(<\|image\|>)", f"\n<|im_start|>user\n{q}<|im_end|>")]
        out.append(("\n<|im_start|>assistant\n", False))
        if a is not None:
            out += [(f"{a}<|im_end|>", True), ("<|endoftext|>", False)]
    if out[-1][0] == "<|endoftext|>":
        out.pop()
    return out


class Chat:
    def __init__(self, tok):
        @lru_cache(50000)
        def encode(text):
            """The ids, and the character that each begins with."""
            e = tok.encode(text, add_special_tokens=False)
            return tuple(e.ids), [a for a, _ in e.offsets]

        self.encode = encode

    def ids(self, turns, system=None, named=None, listed=None):
        """The ids; media offsets of the pictures; (first, end) of every answer; the last token of every picture's
        marker; (token, label) of what named(question) and listed(answer) find.
        """
        ids, offsets, answers, markers, labels = [], [], [], [], []
        for text, answer in render(turns, system):
            if text == "<|image|>":
                offsets.append(len(ids))
            part, starts = self.encode(text)
            if answer:
                answers.append((len(ids), len(ids) + len(part)))
            find = listed if answer else named
            labels += [(len(ids) + bisect_left(starts, end) - 1, label) for end, label in find(text)] if find else []
            ids += part
            if text == "<|image|>":
                markers.append(len(ids) - 1)
        return ids, offsets, answers, markers, labels
