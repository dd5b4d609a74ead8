"""Writes the held-out questions that the product is tested with, and this model's own answers: python fixtures.py RUN_FOLDER OUT_FOLDER

questions.jsonl: {id, skill, group, short, cut, messages, answer, model}; `model` is what the float32 PyTorch model answers greedily, `gap` the
smallest lead of a chosen token over the next best (log-probability), so that rounding cannot be blamed where the lead is large.
"""
from __future__ import annotations
import argparse, io, json, random, re, shutil
from pathlib import Path
import numpy as np
import torch
from tokenizers import Tokenizer
import samples
from chat import Chat, expand
from draw import draw
from evaluate import group_of
from export import load
from model import Group
from views import cut
from world import Scene

BUDGET = 2_600_000  # bytes of pictures
PLAN = [  # how many samples, and of what
    (34, lambda r: samples.one_picture(r, turns=5)), (8, lambda r: samples.one_picture(r, False, turns=3)),
    (16, lambda r: samples.pictures(r, turns=3)), (8, lambda r: samples.pictures(r, k=r.choice([2, 3]), cut=True, turns=3)),
    (4, lambda r: samples.pictures(r, k=r.choice([6, 9, 12]), turns=3)), (1, lambda r: samples.pictures(r, k=32, turns=4)),
    (22, lambda r: samples.clip(r, turns=3)), (5, lambda r: samples.no_picture(r, turns=3))]


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
def answer(model, chat, tok, ids, offsets, crops, stop, most=80):
    images = model.see(torch.from_numpy(crops)) if len(crops) else None
    offsets, index, out, gap = torch.tensor([offsets], dtype=torch.long), torch.arange(len(crops))[None], [], 99.0
    while len(out) < most:
        top = model.read([Group(model.c, torch.tensor([list(ids) + out]), offsets, index)], images)[-1].log_softmax(-1).topk(2)
        gap = min(gap, float(top.values[0] - top.values[1]))
        if int(top.indices[0]) in stop:
            break
        out.append(int(top.indices[0]))
    return tok.decode(out), gap


def rows_of(sample):
    """Every question put first, on its own; then the whole conversation's last question."""
    first = sample.turns[0][1]
    head = first[:len(first) - len(strip_front(first))]
    for j, (skill, q, a) in enumerate(sample.turns):
        yield [(skill, q if j == 0 else head + q, a)]
    if len(sample.turns) > 1:
        yield sample.turns


def strip_front(text):
    last = max(text.rfind("<|image|>\n") + 10 if "<|image|>\n" in text else 0, text.rfind("<|video|>\n") + 10 if "<|video|>\n" in text else 0)
    if last == 0:
        m = re.search(r"(?s)^.*<\|(?:image|video)\|>(?:\. |\s)", text)
        last = m.end() if m else 0
    return text[last:]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("run")
    ap.add_argument("out")
    ap.add_argument("--state", default="state.pt")
    ap.add_argument("--seed", type=int, default=2000)
    ap.add_argument("--each", type=int, default=99, help="at most so many samples of a kind, for a smoke test")
    a = ap.parse_args()
    tok = Tokenizer.from_file(str(Path(a.run) / "tokenizer.json"))
    model, chat = load(Path(a.run) / a.state), Chat(tok)
    stop = {tok.token_to_id("<|im_end|>"), tok.token_to_id("<|endoftext|>")}
    out = Path(a.out)
    shutil.rmtree(out / "media", ignore_errors=True)
    (out / "media").mkdir(parents=True)
    rows, spent, short = [], 0, {}
    for kind, (count, make) in enumerate(PLAN):
        for i in range(min(count, a.each)):
            for attempt in range(50):
                sample = make(random.Random(f"fixtures/{a.seed}/{kind}/{i}/{attempt}"))
                pictures = [[png(s) for s in stills(m)] for m in sample.media]
                size = sum(len(p) for m in pictures for p in m)
                if size < 40_000 * (1 if kind != 5 else 6) and len(sample.turns) > 1:
                    break
            spent += size
            files, crops = [], []
            for n, m in enumerate(pictures):
                names = [f"media/{kind}{i:02d}-{n:02d}-{k}.png" if len(m) > 1 else f"media/{kind}{i:02d}-{n:02d}.png" for k in range(len(m))]
                for f, data in zip(names, m):
                    (out / f).write_bytes(data)
                files.append(names if isinstance(sample.media[n], list) else names[0])
                for s in stills(sample.media[n]):
                    crops.append(cut(draw(s), not isinstance(sample.media[n], Scene))[0])
            crops = np.concatenate(crops) if crops else np.zeros((0, 126, 126, 3), np.uint8)
            for turns in rows_of(sample):
                s = samples.Sample(sample.media, turns, sample.system)
                spelt = expand(s)
                ids, offsets, _ = chat.ids(spelt[:-1] + [(spelt[-1][0], None)], s.system)
                text, gap = answer(model, chat, tok, ids, offsets, crops, stop)
                it = iter(files)
                messages = [{"role": "system", "content": s.system}] if s.system else []
                for skill, q, want in turns:
                    messages += [{"role": "user", "content": content(q, it)}, {"role": "assistant", "content": want}]
                messages.pop()
                skill = turns[-1][0] if len(turns) == 1 else "turns/" + turns[-1][0].split("/")[0] + "-" + turns[-1][0].split("/")[1]
                group = group_of(turns[-1][0])
                quick = short.get(skill, 0) < 1 and len(turns) <= 4
                short[skill] = short.get(skill, 0) + quick
                rows.append({"id": f"{kind}{i:02d}.{len(rows)}", "skill": skill, "group": group, "short": bool(quick), "cut": any(isinstance(m, Scene) for m in s.media),
                             "messages": messages, "answer": turns[-1][2], "model": text, "gap": round(gap, 4)})
    with open(out / "questions.jsonl", "w") as f:
        for r in rows:
            f.write(json.dumps(r, ensure_ascii=False) + "\n")
    right = sum(r["answer"] == r["model"] for r in rows)
    print(f"{len(rows)} questions, {sum(r['short'] for r in rows)} of them short, {spent} bytes of pictures, {right} answered exactly")
    assert spent < BUDGET


if __name__ == "__main__":
    main()
