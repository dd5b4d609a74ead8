#!/usr/bin/env python3
"""owl3 against llama.cpp, PyTorch and ONNX Runtime on this machine: the same work in turn, several rounds, best of all.

  compare.py FOLDER [--size 2b] [--types q4_k_m,q8_0] [--threads 2] [--rounds 3] [--only vision,prefill,decode]

FOLDER holds llama.cpp (build_llama_cpp.sh FOLDER) and gets the random models (a few GB, kept for the next run). Absolute
figures drift with whatever else the host does: compare within one run.
"""

import argparse
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OWL3 = os.path.join(HERE, "../../bin/owl3.js")


def run(*command, check=True):
    done = subprocess.run([str(x) for x in command], capture_output=True, text=True)
    if check and done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr[-2000:]}")
    return done.stdout + (done.stderr if not check else "")


class Bench:
    def __init__(self, a):
        self.a, self.best = a, {}
        self.bin = os.path.join(a.folder, "llama.cpp/build/bin")
        self.models = os.path.join(a.folder, "models")
        os.makedirs(self.models, exist_ok=True)

    def path(self, name, make):
        """A file of the models folder, made when it is missing."""
        path = os.path.join(self.models, name)
        if not os.path.exists(path):
            make(path + ".new")
            os.rename(path + ".new", path)
        return path

    def note(self, work, who, figure, more_is_better):
        """Keeps the best figure of a round."""
        better = max if more_is_better else min
        group = self.best.setdefault((work, more_is_better), {})
        group[who] = better(group.get(who, figure), figure)
        print(f"{work:34s} {who:22s} {figure:9.3f}", flush=True)

    def ours(self, kind):
        size, threads = self.a.size, self.a.threads
        path = os.path.join(self.models, f"owl3-{size}-{kind}.gguf")
        model = ["-m", path] if os.path.exists(path) else ["--shape", size, "--type", kind, "--save", path]
        result = json.loads(
            run(
                "node",
                OWL3,
                "bench",
                *model,
                "--only",
                ",".join(self.a.only),
                "--threads",
                threads,
                "--repeat",
                2,
                "--json",
            )
        )
        for m in result["measurements"]:
            share = f" {m['limit']['share']:.0%} of {m['limit']['of']}" if "limit" in m else ""
            if m["name"].startswith(("vision", "prefill", "decode")):
                who = f"owl3 {kind}"
                work = m["name"].replace(", each", "")
                self.note(work, who, m["best"], m["unit"] == "tok/s")
                print(f"{'':34s} {share}")

    def llama_language(self, kind):
        size = self.a.size
        vocab = os.path.join(self.a.folder, "llama.cpp/models/ggml-vocab-qwen2.gguf")
        tool = os.path.join(HERE, "llama_cpp_models.py")
        f16 = self.path(f"llama-{size}-f16.gguf", lambda to: run(sys.executable, tool, "language", size, vocab, to))
        model = (
            f16
            if kind == "f16"
            else self.path(
                f"llama-{size}-{kind}.gguf",
                lambda to: run(f"{self.bin}/llama-quantize", f16, to, kind.upper(), self.a.threads),
            )
        )
        tests = (["-p", "74,512"] if "prefill" in self.a.only else ["-p", "0"]) + [
            "-n",
            "24" if "decode" in self.a.only else "0",
        ]
        for line in run(
            f"{self.bin}/llama-bench", "-m", model, "-t", self.a.threads, *tests, "-r", 2, "-o", "jsonl"
        ).splitlines():
            j = json.loads(line)
            work = f"prefill, {j['n_prompt']} tokens" if j["n_prompt"] else "decode, 0 crops in sight"
            self.note(work, f"llama.cpp {kind}", max(j["samples_ts"]), True)

    def llama_vision(self, kind):
        tool = os.path.join(HERE, "llama_cpp_models.py")
        vocab = os.path.join(self.a.folder, "llama.cpp/models/ggml-vocab-qwen2.gguf")
        stub = self.path("llama-stub-f16.gguf", lambda to: run(sys.executable, tool, "language", "stub", vocab, to))
        tower = self.path(f"llama-tower-{kind}.gguf", lambda to: run(sys.executable, tool, "vision", kind, 1536, to))
        picture = self.path(
            "noise.ppm", lambda to: open(to, "wb").write(b"P6 378 378 255\n" + os.urandom(378 * 378 * 3))
        )
        for flash in ("on", "off"):
            out = run(
                f"{self.bin}/llama-mtmd-cli",
                "-m",
                stub,
                "--mmproj",
                tower,
                "--image",
                f"{picture},{picture}",
                "-fa",
                flash,
                "-p",
                "<__media__>a<__media__>",
                "-n",
                1,
                "-t",
                self.a.threads,
                "-c",
                4096,
                "--chat-template",
                "chatml",
                check=False,
            )
            times = [int(ms) / 1000 for ms in re.findall(r"(?:encod\w*|batch encoding) done in (\d+) ms", out)]
            times = times or [int(ms) / 1000 for ms in re.findall(r"image .*?encoded in (\d+) ms", out)]
            if times:
                self.note("vision, 1 crop", f"llama.cpp {kind}, fa {flash}", min(times), False)

    def torch(self, what, dtype, work, tokens=None):
        extra = ["--tokens", tokens] if tokens else []
        size = self.a.size if self.a.size in ("0.5b", "2b") else "2b"
        t = json.loads(
            run(
                sys.executable,
                f"{HERE}/torch_peer.py",
                what,
                dtype,
                "--size",
                size,
                "--threads",
                self.a.threads,
                "--reps",
                2,
                *extra,
            )
        )
        rate = what != "vision"
        self.note(
            work, f"PyTorch {dtype}", (tokens if what == "prefill" else 1) / t["best"] if rate else t["best"], rate
        )

    def ort(self):
        tower = os.path.join(self.models, "tower.onnx")
        if not os.path.exists(tower):
            run(sys.executable, f"{HERE}/torch_peer.py", "vision", "fp32", "--onnx", tower)
        t = json.loads(
            run(sys.executable, f"{HERE}/ort_peer.py", tower, "--threads", self.a.threads, "--reps", 2).splitlines()[-1]
        )
        self.note("vision, 1 crop", "ONNX Runtime int8", t["best"], False)

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
            try:
                import onnxruntime  # noqa: F401

                self.ort()
            except ImportError:
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
                if work.startswith("decode"):  # what counts there is bytes: only the same format is a rival
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
