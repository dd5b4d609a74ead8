"""Conversation -> token ids, the places of the pictures, and which tokens are answers."""
from __future__ import annotations
import re
from functools import lru_cache
from views import SIDE, choose_grid
from world import Scene


def expand(sample):
    """Turns with every <|image|> and <|video|> spelt out as the model sees it: (user text, answer)."""
    media = iter(sample.media)

    def put(_):
        m = next(media)
        if isinstance(m, Scene):
            r, c = choose_grid(m.width, m.height, SIDE)
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
        self.encode = lru_cache(50000)(lambda text: tuple(tok.encode(text, add_special_tokens=False).ids))

    def ids(self, turns, system=None):
        """ids, offsets of the pictures, [(turn, first, end) of every answer]"""
        ids, offsets, answers = [], [], []
        for text, answer in render(turns, system):
            if text == "<|image|>":
                offsets.append(len(ids))
            part = self.encode(text)
            if answer:
                answers.append((len(ids), len(ids) + len(part)))
            ids += part
        return ids, offsets, answers
