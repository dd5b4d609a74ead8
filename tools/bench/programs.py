"""The programs that compare.py asks in turns: ours, and its peers."""

import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import peer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class FailedError(Exception):
    """A program did not do its work."""


def output(*command):
    """What a command prints to stdout; raises FailedError with the command's last words when it fails."""
    done = subprocess.run([str(x) for x in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FailedError(f"{' '.join(map(str, command))}\n{done.stderr[-2000:]}")
    return done.stdout


def tokens_of(work):
    return int(work.partition(":")[2] or 0)


class Served:
    """A program that loads its model once and answers pieces of work one by one (peer.py says how).

    It is stopped while others have their turn, so that threads of it that wait actively take nothing from them.
    """

    def __init__(self, who, kind, works, *command):
        self.who, self.kind, self.works, self.command = who, kind, works, [str(x) for x in command]
        self.process, self.about = None, {}

    def measure(self, work):
        """Seconds of a crop, a prefill or a token, and the limit it was measured against, if any."""
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.about = self.line()
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(work + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # line() says how it ended
        answer = self.line()
        self.process.send_signal(signal.SIGSTOP)
        return answer["best"], answer.get("limit")

    def line(self):
        """The next JSON line; libraries print other things, too."""
        for text in self.process.stdout:
            if text.startswith("{"):
                return json.loads(text)
        raise FailedError(f"{' '.join(self.command)} ended with code {self.process.wait()}")

    def version(self):
        return self.about.get("version")

    def bytes(self):
        return self.about.get("tokenBytes")

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class LlamaBench:
    """llama-bench of llama.cpp or ik_llama.cpp, which maps its model anew for every piece of work."""

    works = ("prefill", "decode")

    def __init__(self, who, kind, folder, model, a):
        self.who, self.kind, self.folder, self.model, self.a = who, kind, folder, model, a
        self.options = shlex.split(a.ik_options) if who == "ik_llama.cpp" else []

    def measure(self, work):
        tokens = tokens_of(work)
        lengths = ["-p", tokens, "-n", 0] if tokens else ["-p", 0, "-n", peer.STEPS]
        options = ["-t", self.a.threads, "-r", self.a.reps, "-o", "json", *self.options]
        found = json.loads(output(self.folder / "build/bin/llama-bench", "-m", self.model(), *lengths, *options))
        return (tokens or 1) / max(found[0]["samples_ts"]), None

    def version(self):
        at = output("git", "-C", self.folder, "log", "-1", "--format=%h of %cs").strip()
        return f"{self.folder.name} {at}"

    def bytes(self):
        from gguf import GGUFReader

        sizes = {tensor.name: int(tensor.n_bytes) for tensor in GGUFReader(self.model()).tensors}
        return sum(sizes.values()) - (sizes["token_embd.weight"] if "output.weight" in sizes else 0)

    def close(self):
        pass


class LlamaVision:
    """llama.cpp's vision tower, by what llama-mtmd-cli says of the time each of two crops took."""

    works = ("vision",)

    def __init__(self, kind, flash, folder, stub, tower, picture, a):
        self.who, self.kind = f"llama.cpp{'' if flash == 'off' else ' with flash attention'}", kind
        self.flash, self.folder, self.stub, self.tower, self.picture, self.a = flash, folder, stub, tower, picture, a

    def measure(self, _work):
        model = ["-m", self.stub(), "--mmproj", self.tower(), "--image", f"{self.picture},{self.picture}"]
        prompt = ["-p", "<__media__>a<__media__>", "-n", 1, "-c", 4096, "--chat-template", "chatml"]
        options = [*prompt, "-t", self.a.threads, "-fa", self.flash]
        command = [self.folder / "build/bin/llama-mtmd-cli", *model, *options]
        done = subprocess.run([str(x) for x in command], capture_output=True, text=True, check=False)
        text = done.stdout + done.stderr
        times = re.findall(r"(?:encod\w*|batch encoding) done in (\d+) ms", text)
        times = times or re.findall(r"image .*?encoded in (\d+) ms", text)
        if not times:
            raise FailedError(f"{' '.join(map(str, command))}\n{text[-2000:]}")
        return min(map(int, times)) / 1000, None

    def version(self):
        return None

    def bytes(self):
        return None

    def close(self):
        pass


class Models:
    """The models folder; each file is made when it is first needed, and kept."""

    def __init__(self, folder, size, threads):
        self.folder, self.size, self.threads = Path(folder) / "models", size, threads
        self.llama = Path(folder) / "llama.cpp"
        self.folder.mkdir(parents=True, exist_ok=True)

    def made(self, name, make):
        path = self.folder / name
        if not path.exists():
            print(f"(makes {path})", file=sys.stderr)
            new = path.with_name(f"new-{name}")
            make(new)
            new.rename(path)
        return path

    def owl3(self, kind):
        module = (ROOT / "dist/bench/random-model.js").as_uri()
        script = f'(await import("{module}")).writeRandomModel(process.argv[1], "{self.size}", "{kind}")'
        return self.made(
            f"owl3-{self.size}-{kind}.gguf", lambda path: output("node", "--input-type=module", "-e", script, path)
        )

    def qwen2(self, size, kind="f16"):
        """A random Qwen2 of this size, each tensor in the format it has in our file of this type."""
        vocab = self.llama / "models/ggml-vocab-qwen2.gguf"
        script = [sys.executable, HERE / "llama_cpp_models.py", "language", size, vocab]
        like = [] if kind == "f16" else [self.owl3(kind)]
        return self.made(f"llama-{size}-{kind}.gguf", lambda path: output(*script, path, *like))

    def llama_tower(self, kind):
        script = [sys.executable, HERE / "llama_cpp_models.py", "vision", kind, 1536]
        return self.made(f"llama-tower-{kind}.gguf", lambda path: output(*script, path))

    def picture(self):
        noise = b"P6 378 378 255\n" + os.urandom(378 * 378 * 3)
        return self.made("noise.ppm", lambda path: path.write_bytes(noise))

    def onnx_tower(self):
        path = self.folder / "tower.onnx"  # its weights lie in a file beside it, under this very name
        if not path.exists():
            output(sys.executable, HERE / "torch_peer.py", "fp32", "--onnx", path)
        return path


def programs(a, leave_out):
    """All programs that can be measured here; leave_out(text) says what can't."""
    models, found = Models(a.folder, a.size, a.threads), []
    options = ["--threads", a.threads, "--reps", a.reps]
    language = ("prefill", "decode")

    def have(name, there):
        if name in a.peers and not there:
            leave_out(f"{name} is not there and left out")
        return name in a.peers and there

    ours = ["node", HERE / "owl3_peer.mjs"]
    found += [Served("owl3", kind, ("vision", *language), *ours, models.owl3(kind), *options) for kind in a.types]
    for name in ("llama.cpp", "ik_llama.cpp"):
        folder = Path(a.folder) / name
        if have(name, (folder / "build/bin/llama-bench").exists()):
            found += [
                LlamaBench(name, kind, folder, lambda kind=kind: models.qwen2(a.size, kind), a) for kind in a.types
            ]
    tower, stub = lambda: models.llama_tower("q8_0"), lambda: models.qwen2("stub")
    if "llama.cpp" in a.peers and (models.llama / "build/bin/llama-mtmd-cli").exists() and a.llama_vision:
        found.append(LlamaVision("q8_0", "off", models.llama, stub, tower, models.picture(), a))
    python, sized = sys.executable, [*options, "--size", a.size]
    if have("torch", importlib.util.find_spec("torch")) and a.size in ("0.5b", "2b"):
        script = HERE / "torch_peer.py"
        found += [Served("PyTorch", kind, ("vision", *language), python, script, kind, *sized) for kind in a.torch]
    if have("ort", importlib.util.find_spec("onnxruntime")):
        script = HERE / "ort_peer.py"
        found.append(Served("ONNX Runtime", "int8", ("vision",), python, script, models.onnx_tower(), *options))
    if have("openvino", importlib.util.find_spec("openvino")) and a.size in ("0.5b", "2b"):
        script = [python, HERE / "openvino_peer.py", models.folder]
        found.append(Served("OpenVINO", "int8", ("vision", *language), *script, "int8", *sized))
        found.append(Served("OpenVINO", "int4", language, *script, "int4", *sized))
    return found
