"""Writes the questions that the product is tested with: python fixtures.py RUN_FOLDER MODEL.gguf OUT_FOLDER

questions.jsonl: {id, skill, group, short, cut, messages, answer, model, gap}. `answer` is the truth, `model` what PyTorch in float32 answers
greedily with the weights of MODEL.gguf, `gap` the smallest lead of a chosen token over the next best (log-probability): where it is large,
rounding cannot be blamed for another answer. No picture was trained on: the seeds are others.

The pictures are part of the repository and PNG packs no noise, so most of these have none or little, and those of the long sequences are all
plain or gradients. `evaluate.py` asks about pictures as they come.
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
QUIET, NOISY = 40_000, 170_000  # bytes of one sample's pictures: of most, and of every tenth, which has to be noisy
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
    """A picture of which small print is asked."""
    while True:
        sample = samples.one_picture(rng, turns=8)
        if sum(skill == "one/read" for skill, _, _ in sample.turns) >= 3:
            return sample


PLAN = [  # how many samples, of what, and is every tenth noisy
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
SHORT = {
    "one/read": 5,
    "32/several": 2,
    **{f"video/{k}": 2 for k in ("order", "happens", "motion", "appears", "disappears", "recolor")},
}  # of other skills one


def smooth(m):
    """Without the slight grain that most pictures have; noise that an answer names stays."""
    calm = lambda s: s if s.backdrop == "noise" else replace(s, grain=0)
    return calm(m) if isinstance(m, Scene) else ("whole", calm(m[1])) if isinstance(m, tuple) else [calm(s) for s in m]


def pick(kind, i, seed):
    """A sample with several questions and pictures of a fitting size: (sample, the pictures of each medium)."""
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
def answer(model, tok, ids, offsets, images, stop, draft, most=80):
    """Greedy: the text, and the smallest lead. As far as the draft, token ids, is what comes, one pass is enough."""
    offsets, index, out, gap = torch.tensor([offsets], dtype=torch.long), torch.arange(len(offsets))[None], [], 99.0
    while len(out) < most:
        rows = model.read([Group(model.c, torch.tensor([[*ids, *out, *draft]]), offsets, index)], images)[
            len(ids) + len(out) - 1 :
        ]
        for row, drafted in zip(rows.log_softmax(-1), [*draft, None]):
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
    """Every question put first, on its own; then the whole conversation's last question."""
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


@torch.inference_mode()
def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("run")
    ap.add_argument("gguf")
    ap.add_argument("out")
    ap.add_argument("--seed", type=int, default=2000)
    ap.add_argument("--each", type=int, default=99, help="at most so many samples of a kind, for a smoke test")
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
            files, crops = [], []
            for n, (m, drawn) in enumerate(zip(sample.media, pictures)):
                paths = [
                    f"media/{kind}{i:02d}-{n:02d}" + (f"-{k}" if len(drawn) > 1 else "") + ".png"
                    for k in range(len(drawn))
                ]
                for path, data in zip(paths, drawn):
                    (out / path).write_bytes(data)
                files.append(paths if isinstance(m, list) else paths[0])
                crops += [cut(draw(s), not isinstance(m, Scene))[0] for s in stills(m)]
            images = model.see(torch.from_numpy(np.concatenate(crops))) if crops else None
            for turns in rows_of(sample):
                spelt = expand(samples.Sample(sample.media, turns))
                ids, offsets, *_ = chat.ids(spelt[:-1] + [(spelt[-1][0], None)], sample.system)
                text, gap = answer(model, tok, ids, offsets, images, stop, chat.encode(turns[-1][2] + "<|im_end|>")[0])
                it = iter(files)
                messages = [{"role": "system", "content": sample.system}] if sample.system else []
                for _, q, want in turns:
                    messages += [{"role": "user", "content": content(q, it)}, {"role": "assistant", "content": want}]
                messages.pop()
                last = turns[-1][0]
                group = LONG if kind == LONGEST else group_of(last)
                skill = last if len(turns) == 1 else f"turns/{last.split('/')[0]}"
                if kind == LONGEST:
                    skill = "32/" + skill.split("/")[0]
                quick = short.get(skill, 0) < SHORT.get(skill, 1)
                short[skill] = short.get(skill, 0) + quick
                rows.append(
                    {
                        "id": f"{kind}{i:02d}.{len(rows)}",
                        "skill": skill,
                        "group": group,
                        "short": quick,
                        "cut": any(isinstance(m, Scene) for m in sample.media),
                        "messages": messages,
                        "answer": turns[-1][2],
                        "model": text,
                        "gap": round(gap, 4),
                    }
                )
    with open(out / "questions.jsonl", "w") as f:
        for r in rows:
            f.write(json.dumps(r, ensure_ascii=False) + "\n")
    right = sum(r["answer"] == r["model"] for r in rows)
    print(
        f"{len(rows)} questions, {sum(r['short'] for r in rows)} of them short, {spent} bytes of pictures, {right} answered exactly"
    )
    assert spent < BUDGET


if __name__ == "__main__":
    main()
