#!/usr/bin/env python3
"""owl3 against llama.cpp, ik_llama.cpp, PyTorch, ONNX Runtime and OpenVINO on this machine: the same work in turns.

  compare.py FOLDER [--only vision,prefill:74,prefill:512,decode] [--types q8_0,q4_k_m] [--rounds 2] [--reps 2]
             [--peers llama.cpp,ik_llama.cpp,torch,ort,openvino] [--out FILE.json]

FOLDER holds the peers (build_llama_cpp.sh FOLDER, build_ik_llama_cpp.sh FOLDER) and gets the random models (a few GB,
kept for the next run). For each piece of work all programs have a turn, then again in the other order, --rounds times.
Every figure goes to one JSON file per machine and day (--out; docs/speed/DATE-MACHINE.json), one run more when it is
there already. Absolute figures drift with whatever else the host does: compare within one run.
"""

import argparse
import datetime
import json
import os
import platform
import re
import shlex
import signal
import sys
from pathlib import Path

import programs

ROOT = programs.ROOT
PEERS = ["llama.cpp", "ik_llama.cpp", "torch", "ort", "openvino"]
# The variables that keep ours, ATen, oneDNN and FBGEMM from using more than AVX2.
AVX2 = {
    "OWL3_ISA": "avx2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2",
}


def processor():
    """The processor, with family and model where its name says little."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    found = {key: re.search(rf"^{key}\s*: (.*)", text, re.MULTILINE) for key in ("model name", "cpu family", "model")}
    name, family, model = (match and match[1] for match in found.values())
    return f"{name}, family {family}, model {model}" if family else name or platform.machine()


def commit():
    state = programs.output("git", "-C", ROOT, "status", "--porcelain", "--", "native", "src")
    return programs.output("git", "-C", ROOT, "rev-parse", "--short", "HEAD").strip() + ("+" if state else "")


def one_figure_a_line(day):
    """JSON that can be read: figures have a line each."""
    figures = [figure for run in day["runs"] for figure in run["figures"]]
    places = iter(range(len(figures)))
    runs = [{**run, "figures": [f"figure {next(places)}" for _ in run["figures"]]} for run in day["runs"]]
    text = json.dumps({**day, "runs": runs}, indent=1)
    return re.sub(r'"figure (\d+)"', lambda place: json.dumps(figures[int(place[1])]), text) + "\n"


class Run:
    """One run: what each program reached in each round."""

    def __init__(self, a):
        self.a, self.figures, self.failed = a, {}, []
        self.started = datetime.datetime.now(datetime.timezone.utc)
        self.programs = programs.programs(a, lambda text: print(f"({text})", file=sys.stderr))

    def measure(self, work):
        name, tokens = work.partition(":")[0], programs.tokens_of(work)
        able = [program for program in self.programs if name in program.works]
        if name == "vision":  # the tower is stored alike in all types
            able = [program for program in able if program.who != "owl3" or program.kind == self.a.types[0]]
        for n in range(self.a.rounds):
            for program in able if n % 2 == 0 else reversed(able):
                if program in self.failed:
                    continue
                try:
                    seconds, limit = program.measure(work)
                except programs.FailedError as error:  # the others go on
                    self.failed.append(program)
                    print(f"{program.who} {program.kind} is left out: {error}", file=sys.stderr)
                    continue
                figure = seconds if name == "vision" else (tokens or 1) / seconds
                self.note(work, program, figure, limit)

    def note(self, work, program, figure, limit):
        unit = "s" if work == "vision" else "tok/s"
        print(f"{work:12s} {program.who:14s} {program.kind:7s} {figure:9.3f} {unit}", file=sys.stderr, flush=True)
        first = {"work": work, "who": program.who, "type": program.kind, "unit": unit, "rounds": []}
        entry = self.figures.setdefault((work, program), first)
        entry["rounds"].append(round(figure, 4))
        if work == "decode" and len(entry["rounds"]) == 1 and program.bytes():
            entry["bytes"] = program.bytes()
        if limit:  # of each round, as the figures are
            entry.setdefault("limits", []).append(
                {"of": limit["of"], "limit": round(limit["limit"], 1), "share": round(limit["share"], 3)}
            )

    def result(self):
        ours = [program.about for program in self.programs if program.who == "owl3" and program.about]
        versions = {program.who: program.version() for program in self.programs if program.version()}
        return {
            "at": self.started.strftime("%H:%M"),
            "command": self.command(),
            "commit": commit(),
            "size": self.a.size,
            "threads": self.a.threads,
            "versions": versions,
            "peaks": {name: round(rate) for name, rate in ours[0]["peaks"].items()} if ours else {},
            "load": {p.kind: round(p.about["load"]) for p in self.programs if p.who == "owl3" and p.about},
            "figures": list(self.figures.values()),
        }

    def command(self):
        """How this run was called, without the caller's folders."""
        out = str(self.a.out)
        hidden = {self.a.folder: "FOLDER", out: "FILE.json", f"--out={out}": "--out=FILE.json"}
        return shlex.join(["tools/bench/compare.py", *(hidden.get(word, word) for word in sys.argv[1:])])

    def close(self):
        for program in self.programs:
            program.close()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    comma = lambda text: text.split(",")  # noqa: E731
    ap.add_argument("folder")
    ap.add_argument("--size", default="2b", choices=["0.5b", "2b", "7b"])
    ap.add_argument("--types", default="q8_0,q4_k_m", type=comma)
    ap.add_argument("--torch", default="int8", type=comma, help="int8, bf16, fp32")
    ap.add_argument("--peers", default=PEERS, type=comma)
    ap.add_argument("--llama-vision", action="store_true", help="llama.cpp's vision tower, too, which takes long")
    ap.add_argument("--ik-options", default="", help="more options of ik_llama.cpp's llama-bench")
    ap.add_argument("--only", default="vision,prefill:74,prefill:512,decode", type=comma)
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--rounds", type=int, default=2)
    ap.add_argument("--reps", type=int, default=2, help="a round is the best of so many")
    ap.add_argument("--avx2", action="store_true", help="restrict all programs to AVX2 (README.md)")
    ap.add_argument("--machine", default="", help="a short name of this machine, for the file's name")
    ap.add_argument("--processor", default=processor(), help="what SPEED.md calls it")
    ap.add_argument("--out", type=Path)
    a = ap.parse_args()
    wrong = [name for name in a.peers if name not in PEERS]
    if wrong:
        ap.error(f"--peers: {', '.join(wrong)} is none of {', '.join(PEERS)}")
    if a.avx2:
        os.environ.update(AVX2)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as `timeout` ends it
    run = Run(a)
    try:
        for work in a.only:
            run.measure(work)
    except KeyboardInterrupt:
        print("(interrupted: what was measured is kept)", file=sys.stderr)
    finally:
        run.close()

    today = run.started.strftime("%Y-%m-%d")
    machine = a.machine or re.sub(r"\W+", "-", a.processor.lower())
    out = a.out or ROOT / f"docs/speed/{today}-{machine}.json"
    day = {"date": today, "machine": machine, "processor": a.processor, "cores": os.cpu_count(), "runs": []}
    if out.exists():
        day = json.loads(out.read_text())
    day["runs"].append(run.result())
    out.write_text(one_figure_a_line(day))
    print(programs.output("node", ROOT / "tools/docs/speed.mjs", "--print", out), end="")


if __name__ == "__main__":
    main()
