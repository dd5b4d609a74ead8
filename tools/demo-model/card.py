"""Writes the model card from what was measured: python card.py RUN_FOLDER CHECKPOINT MODEL.gguf CARD.md

Reads RUN_FOLDER's log.jsonl, the figures of evaluate.py (trained.json, hidden.json, untrained.json, no-cut.json) and
those of eval.mjs (eval.json). If a run took several sessions, between which things were changed by hand, they are the
rows of RUN_FOLDER's sessions.csv, which the card repeats; otherwise it has a row for the run.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
from pathlib import Path

from evaluate import GOALS
from questions import SORRY
from train import STAGES
from world import COLOR_NAMES, DIGITS, LETTERS, SHAPES


def percent(right, asked):
    return f"{100 * right / asked:.1f} %" if asked else ""


def table(head, rows):
    def line(cells):
        return "| " + " | ".join(cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])


def architecture(c, size):
    """The table of shapes; size: of the file in bytes."""
    v = c["vision_config"]
    crop, patch = v["image_size"], v["patch_size"]
    vision = (
        f"SigLIP, {v['num_hidden_layers'] - 1} layers (the checkpoint has one more, which is not run), "
        f"hidden {v['hidden_size']}, MLP {v['intermediate_size']}, {v['num_attention_heads']} heads; "
        f"crops of {crop} x {crop} pixels in patches of {patch}: {(crop // patch) ** 2} tokens each"
    )
    language = (
        f"Qwen2, {c['num_hidden_layers']} layers, hidden {c['hidden_size']}, MLP {c['intermediate_size']}, "
        f"{c['num_attention_heads']} heads, {c['num_key_value_heads']} for keys and values; "
        f"{c['vocab_size']} tokens, output tied to the embedding"
    )
    rows = [
        ["vision tower", vision],
        ["language model", language],
        ["hyper attention", f"in layers {', '.join(map(str, c['hyper_layers']))}, counted from 1"],
        ["context", f"{c['max_position_embeddings']} positions; trained on up to a few hundred and 32 pictures"],
        ["file", f"`owl3-demo.gguf`, q8_0, {size / 1e6:.1f} MB"],
    ]
    return table(["", ""], rows)


def sessions(run):
    diary = run / "sessions.csv"
    if diary.exists():
        with diary.open(newline="") as file:
            return table(SESSION, csv.reader(file))
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    ends = {row["stage"]: row["step"] for row in log}
    hours = float(log[-1]["spent"].split()[0]) / 60
    steps = ", ".join(f"{ends[stage]:,} of {stage}" for stage in STAGES if stage in ends)
    return table(SESSION, [["1", steps, f"{hours:.1f}", f"two cores ({processor()})", "from nothing by `make.sh`"]])


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown processor")


def figures(trained, hidden, untrained, no_cut):
    rows = []
    for name, goal in GOALS.items():
        r, n = trained["groups"][name]
        cut = percent(*no_cut["groups"][name]) if name in ("one picture", "small print") else ""
        guesses = [percent(*hidden["groups"][name]), percent(*untrained["groups"][name])]
        rows.append([name, f"{100 * goal:.0f} %" if goal else "", f"**{percent(r, n)}**", str(n), *guesses, cut])
    return table(["", "goal", "exact", "asked", "pictures hidden", "random weights", "not cut"], rows)


def skills(trained):
    rows = []
    for skill, (r, n) in sorted(trained["skills"].items()):
        part, kind = skill.split("/")
        rows.append(["" if rows and any(row[0] == part for row in rows) else part, kind, percent(r, n), str(n)])
    return table(["shown", "skill", "exact", "asked"], rows)


def product(e):
    rows = []
    for one in e["rows"]:
        scores = [percent(s["right"], s["asked"]) for s in one["scores"].values()]
        lead = f"{one['maxLead']:g}" if one["asPython"] < one["asked"] else ""
        same = [f"{one[key]} of {one['asked']}" for key in ("asPython", "asShipped")]
        rows.append([one["name"], *scores, *same, lead])
    asked = ["*asked*", *(str(s["asked"]) for s in e["rows"][0]["scores"].values()), "", "", ""]
    return table(["", *e["groups"], "as PyTorch", "as shipped", "lead lost"], [asked, *rows])


SESSION = ["session", "steps", "hours", "machine", "what changed"]

CARD = """# owl3-demo

A small mPLUG-Owl3 that comes with owl3, so that the first command has an answer and the tests have a trained model. The
scripts in `tools/demo-model` make it from nothing: they draw the pictures, ask the questions and train vision tower,
projector and language model. No released weights and no data of others went into it. `tools/demo-model/card.py` writes
this card from the measurements.

## What it is

{architecture}

It answers questions in English about its own world: {shapes} in {colors},
small or large, in nine places, on plain, noisy or gradient backgrounds; one digit and one letter of small print a
picture (of {glyphs}); which of up to 32 pictures shows something, and what differs between two; clips of a few seconds
in which something moves, appears, disappears or changes its color.

## What it is not

- Not a small version of the released models: it has never seen a photograph, and words outside its few hundred mean
  nothing to it. In a photo it sees shapes that are not there.
- Asked about something else it answers "{sorry}"
  It learnt that from examples of such questions, so it fails on others.
- Not reliable outside the phrasings of `tools/demo-model/questions.py`, `several.py` and `clips.py`, nor on shapes that
  overlap or touch the picture's edge.
- No measure of how fast or how good owl3 is with a released model: `owl3 pull 2b` fetches one.

## How it was trained

This command trains one from nothing, seed included; `tools/demo-model/README.md` says how it learns:

    tools/demo-model/make.sh RUN_FOLDER CHECKPOINT_FOLDER

The shipped file is what these sessions made; the last ended on {date}. Hyperparameters were adjusted by hand
between sessions, so one run from nothing is not likely to reach the figures below.

{sessions}

## How well it answers

Exact answers, greedy decoding, on pictures and questions of other seeds than those trained on; PyTorch in float32 on
the weights of the file. "Pictures hidden": every picture is gray, which shows what language alone can guess. "Not cut":
only the global view is shown, which does not resolve small print.

{figures}

By skill:

{skills}

Commands: `evaluate.py RUN_FOLDER --gguf models/owl3-demo.gguf --packs 40`, and with `--hidden`, `--untrained`,
`--no-cut`.

## The same questions through the product

{asked} held-out questions of the repository (`test/fixtures/demo-eval`, most of them without noise, to keep the files
small) through owl3's library on {evaluated} ({eval_machine}). The file holds eight bits a weight; `owl3 quantize` makes
the f32 and q4_k_m files of it{also}. "As PyTorch": the same answer as PyTorch in float32 gives with the same weights;
where some differ, "lead lost" is the largest lead, in log-probability, of PyTorch's token over the next best.

{product}

Command: `npm run eval:demo`; a short form of it is part of `npm test`.

{opening}
answers "{answer}"
{seconds:.2f} s after it was started.

## Licence

Apache-2.0, as owl3.
"""


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("run")
    ap.add_argument("checkpoint")
    ap.add_argument("gguf")
    ap.add_argument("card")
    a = ap.parse_args()
    run = Path(a.run)

    def read(name):
        return json.loads((run / name).read_text())

    trained, e = read("trained.json"), read("eval.json")
    config = json.loads((Path(a.checkpoint) / "config.json").read_text())
    card = CARD.format(
        architecture=architecture(config, Path(a.gguf).stat().st_size),
        shapes=", ".join(s + ("es" if s.endswith("s") else "s") for s in SHAPES),
        colors=", ".join(COLOR_NAMES),
        glyphs=DIGITS + LETTERS,
        sorry=SORRY,
        sessions=sessions(run),
        date=datetime.date.fromtimestamp((run / "state.pt").stat().st_mtime),
        figures=figures(trained, read("hidden.json"), read("untrained.json"), read("no-cut.json")),
        skills=skills(trained),
        asked=e["rows"][0]["asked"],
        evaluated=e["date"],
        eval_machine=e["machine"],
        product=product(e),
        also="; the last row is the checkpoint itself in f32" if "checkpoint" in e["rows"][-1]["name"] else "",
        opening=f"`{e['opening']['command']}`",
        answer=e["opening"]["answer"],
        seconds=e["opening"]["seconds"],
    )
    Path(a.card).write_text(card)


if __name__ == "__main__":
    main()
