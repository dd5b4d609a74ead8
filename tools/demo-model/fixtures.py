"""Writes the questions that the product is tested with: python fixtures.py RUN_FOLDER MODEL.gguf OUT_FOLDER

questions.jsonl: {id, skill, group, short, cut, messages, answer, model, gap}. `answer` is the truth, `model` what
PyTorch in float32 answers greedily with the weights of MODEL.gguf, `gap` the smallest lead of a chosen token over the
next best (log-probability): where it is large, rounding cannot be blamed for another answer. The seeds are not those of
training, so no picture was trained on.

The pictures are part of the repository and PNG cannot compress noise, so most have none or little, and those of the
long sequences are all plain or gradients. `evaluate.py` asks about pictures as they come.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

import samples
import several
import shipped
from chat import Chat, expand
from draw import draw
from evaluate import group_of
from model import Group
from views import cut
from world import Scene, backdrop, scene

BUDGET = 2_600_000  # bytes of pictures
QUIET, NOISY = 40_000, 170_000  # most bytes of a sample's pictures, and of every tenth sample's, which has to be noisy
LONG = "32 pictures"


def long(rng, k, turns):
    """k pictures with one thing or none; mostly: which of them?"""

    def calm():
        back = backdrop(rng)
        return {**back, "grain": 0, "backdrop": "plain" if back["backdrop"] == "noise" else back["backdrop"]}

    scenes = [scene(rng, n=rng.choice([0, 1, 1, 1, 1]), cut=False, glyphs=0, back=calm()) for _ in range(k)]

    def ask():
        which = several.about_which(rng, scenes) if rng.random() < 0.7 else None
        return ("which", *which) if which else several.ask_album(rng, scenes)

    return samples.talk(
        rng, samples.Sample([("whole", s) for s in scenes]), samples.front(rng, k), [ask] * turns, "several"
    )


def printed(rng):
    """A picture with at least three questions about its small print."""
    while True:
        sample = samples.one_picture(rng, turns=8)
        if sum(skill == "one/read" for skill, _, _ in sample.turns) >= 3:
            return sample


PLAN = [  # number of samples, what makes one, and whether every tenth is noisy
    (30, lambda r: samples.one_picture(r, turns=7), True),
    (8, printed, False),
    (10, lambda r: samples.one_picture(r, False, turns=5), True),
    (18, lambda r: samples.pictures(r, turns=4), True),
    (8, lambda r: samples.pictures(r, k=r.choice([2, 3]), cut=True, turns=4), False),
    (4, lambda r: long(r, r.choice([6, 9, 12]), 5), False),
    (3, lambda r: long(r, 32, 7), False),
    (26, lambda r: samples.clip(r, turns=4), True),
    (6, lambda r: samples.no_picture(r, turns=4), False),
]
LONGEST = 6  # the kind with 32 pictures
VIDEO_SKILLS = ("order", "happens", "motion", "appears", "disappears", "recolor")
SHORT = {
    "one/read": 5,
    "32/several": 2,
    **{f"video/{k}": 2 for k in VIDEO_SKILLS},
}  # questions of the short form; else one


def smooth(m):
    """Removes the slight grain that most pictures have; noise that an answer names stays."""

    def calm(s):
        return s if s.backdrop == "noise" else replace(s, grain=0)

    return calm(m) if isinstance(m, Scene) else ("whole", calm(m[1])) if isinstance(m, tuple) else [calm(s) for s in m]


def pick(kind, i, seed):
    """A sample with several questions and pictures small enough: (sample, the PNG files of each medium)."""
    _, make, noisy = PLAN[kind]
    noisy = noisy and i % 10 == 9
    for attempt in range(200):
        sample = make(random.Random(f"fixtures/{seed}/{kind}/{i}/{attempt}"))
        if not noisy:
            sample.media = [smooth(m) for m in sample.media]
        pictures = [[png(s) for s in stills(m)] for m in sample.media]
        size = sum(len(p) for m in pictures for p in m)
        if len(sample.turns) > 1 and (QUIET < size <= NOISY if noisy else size <= QUIET or kind == LONGEST):
            return sample, pictures
    raise SystemExit(f"no sample of kind {kind} has pictures small enough")


def stills(m):
    return [m] if isinstance(m, Scene) else [m[1]] if isinstance(m, tuple) else m


def png(scene):
    out = io.BytesIO()
    draw(scene).save(out, "PNG", optimize=True)
    return out.getvalue()


def content(text, files):
    """User text with markers -> parts; files: per media a path or a list of frames."""
    parts = []
    for piece in re.split(r"(<\|image\|>|<\|video\|>)", text):
        if piece == "<|image|>":
            parts.append({"type": "image", "path": next(files)})
        elif piece == "<|video|>":
            parts.append({"type": "video", "frames": next(files)})
        elif piece:
            parts.append({"type": "text", "text": piece})
    return parts if len(parts) > 1 or not parts or parts[0]["type"] != "text" else parts[0]["text"]


@torch.inference_mode()
def answer(model, tok, ids, offsets, images, stop, draft, max_tokens=80):
    """Greedy decoding: the text, and the smallest lead. The draft's token ids are verified in one pass."""
    offsets, index, out, gap = torch.tensor([offsets], dtype=torch.long), torch.arange(len(offsets))[None], [], 99.0
    while len(out) < max_tokens:
        group = Group(model.c, torch.tensor([[*ids, *out, *draft]]), offsets, index)
        rows = model.read([group], images)[len(ids) + len(out) - 1 :]
        for row, drafted in zip(rows.log_softmax(-1), [*draft, None], strict=True):
            top = row.topk(2)
            gap, token = min(gap, float(top.values[0] - top.values[1])), int(top.indices[0])
            if token in stop:
                return tok.decode(out), gap
            out.append(token)
            if token != drafted:
                break
        draft = ()
    return tok.decode(out), gap


def rows_of(sample):
    """Each question alone, right after the pictures; then the whole conversation, for its last question."""
    first = sample.turns[0][1]
    head = first[: len(first) - len(strip_front(first))]
    for j, (skill, q, a) in enumerate(sample.turns):
        yield [(skill, q if j == 0 else head + q, a)]
    if len(sample.turns) > 1:
        yield sample.turns


def strip_front(text):
    last = max(
        text.rfind("<|image|>\n") + 10 if "<|image|>\n" in text else 0,
        text.rfind("<|video|>\n") + 10 if "<|video|>\n" in text else 0,
    )
    if last == 0:
        m = re.search(r"(?s)^.*<\|(?:image|video)\|>(?:\. |\s)", text)
        last = m.end() if m else 0
    return text[last:]


def write_media(folder, name, media, pictures):
    """Writes the PNG files; returns each medium's path, or list of paths for a clip."""
    files = []
    for n, (m, drawn) in enumerate(zip(media, pictures, strict=True)):
        ends = [f"-{k}" for k in range(len(drawn))] if len(drawn) > 1 else [""]
        paths = [f"media/{name}-{n:02d}{end}.png" for end in ends]
        for path, data in zip(paths, drawn, strict=True):
            (folder / path).write_bytes(data)
        files.append(paths if isinstance(m, list) else paths[0])
    return files


def messages(sample, turns, files):
    """The conversation as `owl3 chat --messages` reads it, up to the last question."""
    out, rest = [{"role": "system", "content": sample.system}] if sample.system else [], iter(files)
    for _, q, want in turns:
        out += [{"role": "user", "content": content(q, rest)}, {"role": "assistant", "content": want}]
    return out[:-1]


@torch.inference_mode()
def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("run")
    ap.add_argument("gguf")
    ap.add_argument("out")
    ap.add_argument("--seed", type=int, default=2000)
    ap.add_argument("--each", type=int, default=99, help="most samples of a kind; small for a smoke test")
    a = ap.parse_args()
    tok = Tokenizer.from_file(str(Path(a.run) / "tokenizer.json"))
    model, chat = shipped.load(a.gguf), Chat(tok)
    stop = {tok.token_to_id("<|im_end|>"), tok.token_to_id("<|endoftext|>")}
    out = Path(a.out)
    shutil.rmtree(out / "media", ignore_errors=True)
    (out / "media").mkdir(parents=True)
    rows, spent, short = [], 0, {}
    for kind, (count, _, _) in enumerate(PLAN):
        for i in range(min(count, a.each)):
            sample, pictures = pick(kind, i, a.seed)
            spent += sum(len(p) for m in pictures for p in m)
            files = write_media(out, f"{kind}{i:02d}", sample.media, pictures)
            crops = [cut(draw(s), not isinstance(m, Scene))[0] for m in sample.media for s in stills(m)]
            images = model.see(torch.from_numpy(np.concatenate(crops))) if crops else None
            for turns in rows_of(sample):
                spelt = expand(samples.Sample(sample.media, turns))
                ids, offsets, *_ = chat.ids([*spelt[:-1], (spelt[-1][0], None)], sample.system)
                text, gap = answer(model, tok, ids, offsets, images, stop, chat.encode(turns[-1][2] + "<|im_end|>")[0])
                last = turns[-1][0]
                skill = last if len(turns) == 1 else f"turns/{last.split('/')[0]}"
                if kind == LONGEST:
                    skill = "32/" + skill.split("/")[0]
                quick = short.get(skill, 0) < SHORT.get(skill, 1)
                short[skill] = short.get(skill, 0) + quick
                row = {
                    "id": f"{kind}{i:02d}.{len(rows)}",
                    "skill": skill,
                    "group": LONG if kind == LONGEST else group_of(last),
                    "short": quick,
                    "cut": any(isinstance(m, Scene) for m in sample.media),
                    "messages": messages(sample, turns, files),
                    "answer": turns[-1][2],
                    "model": text,
                    "gap": round(gap, 4),
                }
                rows.append(row)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (out / "questions.jsonl").write_text("".join(lines))
    right, quick = sum(r["answer"] == r["model"] for r in rows), sum(r["short"] for r in rows)
    print(f"{len(rows)} questions, {quick} of them short, {spent} bytes of pictures, {right} answered exactly")
    assert spent < BUDGET


if __name__ == "__main__":
    main()
