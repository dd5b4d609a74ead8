"""Counts exact answers per skill on pictures of other seeds.

python evaluate.py RUN_FOLDER [--gguf FILE] [--hidden] [--untrained] [--no-cut] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer

import joint
import samples
import shipped
from export import load
from model import Owl3, init

GOALS = {
    "one picture": 0.97,
    "several pictures": 0.95,
    "video": 0.95,
    "small print": 0.90,
    "outside its world": None,
    "no picture": None,
}


def group_of(skill):
    part, kind = skill.split("/")
    if kind in ("read", "foreign"):
        return {"read": "small print", "foreign": "outside its world"}[kind]
    return {"one": "one picture", "several": "several pictures", "video": "video", "none": "no picture"}[part]


@torch.inference_mode()
def run(model, make, packs, seed, hidden=False):
    """{skill: [right, asked]}; an answer is right when greedy decoding gives exactly it."""
    seen = {}
    for i in range(packs):
        crops, *_, groups = make(random.Random(f"evaluation/{seed}/{i}"), i)
        crops = torch.from_numpy(crops)
        embeds = model.see(torch.full_like(crops, 128) if hidden else crops)
        for k, (r, n) in joint.answer_loss(model, groups, embeds)[1].items():
            a = seen.setdefault(k, [0, 0])
            a[0] += r
            a[1] += n
    return seen


def grouped(seen):
    groups = {name: [0, 0] for name in GOALS}
    for k, (r, n) in seen.items():
        groups[group_of(k)][0] += r
        groups[group_of(k)][1] += n
    return groups


def table(seen):
    lines = [f"{'':24} right   of"]
    for name, (r, n) in grouped(seen).items():
        goal = GOALS[name]
        lines.append(f"{name:24} {100 * r / max(1, n):5.1f} % {n:5}" + (f"   goal {100 * goal:.0f} %" if goal else ""))
        lines += [
            f"  {k:22} {100 * seen[k][0] / seen[k][1]:5.1f} % {seen[k][1]:5}"
            for k in sorted(seen)
            if group_of(k) == name
        ]
    return "\n".join(lines)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("run")
    ap.add_argument("--state", default="state.pt")
    ap.add_argument("--gguf", help="the weights of this file instead")
    ap.add_argument("--json", help="the figures as JSON, too")
    ap.add_argument("--packs", type=int, default=40)
    ap.add_argument("--seed", type=int, default=1000)
    ap.add_argument("--hidden", action="store_true", help="all pictures gray: the language-only baseline")
    ap.add_argument("--untrained", action="store_true", help="random weights")
    ap.add_argument("--no-cut", action="store_true", help="global views only: small print cannot be read")
    a = ap.parse_args()
    tok = Tokenizer.from_file(str(Path(a.run) / "tokenizer.json"))
    model = shipped.load(a.gguf) if a.gguf else load(Path(a.run) / a.state)
    if a.untrained:
        model = init(Owl3(model.c), a.seed).eval()
    seen = run(model, joint.maker(tok, whole_plan if a.no_cut else joint.plan), a.packs, a.seed, a.hidden)
    if a.json:
        Path(a.json).write_text(json.dumps({"groups": grouped(seen), "skills": seen}) + "\n")
    print(table(seen))


def whole_plan(rng):
    """The groups of a pack whose pictures are shown as global views only."""
    group = [samples.one_picture(rng) for _ in range(16)]
    for sample in group:
        sample.media = [("whole", s) for s in sample.media]
    return [group]


if __name__ == "__main__":
    main()
