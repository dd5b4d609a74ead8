#!/usr/bin/env python3
"""owl3 against llama.cpp, PyTorch and ONNX Runtime on this machine: the same work in turn, several rounds, best of all.

  compare.py FOLDER [--size 2b] [--types q4_k_m,q8_0] [--threads 2] [--rounds 3] [--only vision,prefill,decode]

FOLDER holds llama.cpp (build_llama_cpp.sh FOLDER) and gets the random models (a few GB, kept for the next run).
Absolute figures drift with whatever else the host does: compare within one run.
"""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
OWL3 = HERE.parents[1] / "bin/owl3.js"


def run(*command, check=True):
    """The command's output; without `check` whatever its exit code is, and stderr with it."""
    done = subprocess.run([str(x) for x in command], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr[-2000:]}")
    return done.stdout + (done.stderr if not check else "")


def tool(name, *arguments):
    """The output of a Python script of this folder."""
    return run(sys.executable, HERE / name, *arguments)


class Bench:
    def __init__(self, a):
        self.a, self.best = a, {}
        self.llama = Path(a.folder) / "llama.cpp"
        self.models = Path(a.folder) / "models"
        self.models.mkdir(parents=True, exist_ok=True)

    def made(self, name, make):
        """A file of the models folder; make(path) makes it when it is missing."""
        path = self.models / name
        if not path.exists():
            new = path.with_name(f"{name}.new")
            make(new)
            new.rename(path)
        return path

    def note(self, work, who, figure, more_is_better):
        """Keeps the best figure of all rounds."""
        better = max if more_is_better else min
        group = self.best.setdefault((work, more_is_better), {})
        group[who] = better(group.get(who, figure), figure)
        print(f"{work:34s} {who:22s} {figure:9.3f}", flush=True)

    def ours(self, kind):
        path = self.models / f"owl3-{self.a.size}-{kind}.gguf"
        model = ["-m", path] if path.exists() else ["--shape", self.a.size, "--type", kind, "--save", path]
        options = ["--only", ",".join(self.a.only), "--threads", self.a.threads, "--repeat", 2, "--json"]
        for m in json.loads(run("node", OWL3, "bench", *model, *options))["measurements"]:
            share = f" {m['limit']['share']:.0%} of {m['limit']['of']}" if "limit" in m else ""
            if m["name"].startswith(("vision", "prefill", "decode")):
                self.note(m["name"].replace(", each", ""), f"owl3 {kind}", m["best"], m["unit"] == "tok/s")
                print(f"{'':34s} {share}")

    def llama_model(self, size):
        """The random Qwen2 of this size, F16."""
        vocab = self.llama / "models/ggml-vocab-qwen2.gguf"
        return self.made(
            f"llama-{size}-f16.gguf", lambda path: tool("llama_cpp_models.py", "language", size, vocab, path)
        )

    def llama_language(self, kind):
        model, quantize = self.llama_model(self.a.size), self.llama / "build/bin/llama-quantize"
        if kind != "f16":
            f16, arguments = model, (kind.upper(), self.a.threads)
            model = self.made(f"llama-{self.a.size}-{kind}.gguf", lambda path: run(quantize, f16, path, *arguments))
        prompt = "74,512" if "prefill" in self.a.only else "0"
        tokens = "24" if "decode" in self.a.only else "0"
        options = ["-t", self.a.threads, "-p", prompt, "-n", tokens, "-r", 2, "-o", "jsonl"]
        for line in run(self.llama / "build/bin/llama-bench", "-m", model, *options).splitlines():
            j = json.loads(line)
            work = f"prefill, {j['n_prompt']} tokens" if j["n_prompt"] else "decode, 0 crops in sight"
            self.note(work, f"llama.cpp {kind}", max(j["samples_ts"]), True)

    def llama_vision(self, kind):
        stub = self.llama_model("stub")
        tower = self.made(
            f"llama-tower-{kind}.gguf", lambda path: tool("llama_cpp_models.py", "vision", kind, 1536, path)
        )
        noise = b"P6 378 378 255\n" + os.urandom(378 * 378 * 3)
        picture = self.made("noise.ppm", lambda path: path.write_bytes(noise))
        model = ["-m", stub, "--mmproj", tower, "--image", f"{picture},{picture}", "--chat-template", "chatml"]
        options = ["-p", "<__media__>a<__media__>", "-n", 1, "-t", self.a.threads, "-c", 4096]
        for flash in ("on", "off"):
            out = run(self.llama / "build/bin/llama-mtmd-cli", *model, *options, "-fa", flash, check=False)
            times = [int(ms) / 1000 for ms in re.findall(r"(?:encod\w*|batch encoding) done in (\d+) ms", out)]
            times = times or [int(ms) / 1000 for ms in re.findall(r"image .*?encoded in (\d+) ms", out)]
            if times:
                self.note("vision, 1 crop", f"llama.cpp {kind}, fa {flash}", min(times), False)

    def torch(self, what, dtype, work, tokens=None):
        size = self.a.size if self.a.size in ("0.5b", "2b") else "2b"
        options = ["--size", size, "--threads", self.a.threads, "--reps", 2, *(["--tokens", tokens] if tokens else [])]
        seconds = json.loads(tool("torch_peer.py", what, dtype, *options))["best"]
        if what == "vision":
            self.note(work, f"PyTorch {dtype}", seconds, False)
        else:
            self.note(work, f"PyTorch {dtype}", (tokens if what == "prefill" else 1) / seconds, True)

    def ort(self):
        tower = self.models / "tower.onnx"
        if not tower.exists():
            tool("torch_peer.py", "vision", "fp32", "--onnx", tower)
        out = tool("ort_peer.py", tower, "--threads", self.a.threads, "--reps", 2)
        self.note("vision, 1 crop", "ONNX Runtime int8", json.loads(out.splitlines()[-1])["best"], False)

    def round(self):
        only = self.a.only
        for kind in self.a.types:
            self.ours(kind)
            if "prefill" in only or "decode" in only:
                self.llama_language(kind)
        if "vision" in only:
            for kind in ("q8_0", "bf16"):
                self.llama_vision(kind)
            for dtype in ("int8", "bf16"):
                self.torch("vision", dtype, "vision, 1 crop")
            if importlib.util.find_spec("onnxruntime"):
                self.ort()
            else:
                print("(no onnxruntime: left out)")
        for n in (74, 512) if "prefill" in only else ():
            for dtype in ("int8", "bf16"):
                self.torch("prefill", dtype, f"prefill, {n} tokens", n)
        if "decode" in only:
            self.torch("decode", "int8", "decode, 0 crops in sight")

    def summary(self):
        print("\n| work | ours | best peer | ratio |\n|---|---|---|---|")
        for (work, more), group in self.best.items():
            peers = {who: x for who, x in group.items() if not who.startswith("owl3")}
            for who, x in group.items():
                if not who.startswith("owl3"):
                    continue
                if work.startswith("decode"):  # it is bound by bytes, so only the same format is a rival
                    same = {"q8_0": ("q8_0", "int8")}.get(who.split()[-1], (who.split()[-1],))
                    rivals = {peer: y for peer, y in peers.items() if peer.split()[-1] in same}
                else:
                    rivals = peers
                if not rivals:
                    print(f"| {work} | {who} {x:.3g} | | |")
                    continue
                rival = (max if more else min)(rivals, key=rivals.get)
                ratio = x / rivals[rival] if more else rivals[rival] / x
                print(f"| {work} | {who} {x:.3g} | {rival} {rivals[rival]:.3g} | {ratio:.2f} |")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("folder")
    ap.add_argument("--size", default="2b", choices=["0.5b", "2b", "7b"])
    ap.add_argument("--types", default="q4_k_m,q8_0", type=lambda s: s.split(","))
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--only", default="vision,prefill,decode", type=lambda s: s.split(","))
    bench = Bench(ap.parse_args())
    for n in range(bench.a.rounds):
        print(f"round {n + 1}")
        bench.round()
    bench.summary()


if __name__ == "__main__":
    main()
