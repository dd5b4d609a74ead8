"""Fresh random checkpoints through converter and engine, against the reference in PyTorch (float32).

    python tools/reference/check.py [--seeds N] [--first SEED] [--keep FOLDER]

Float files are held to the checkpoint; quantised ones to the reference on the values of the file itself, unpacked by
the `gguf` package. Needs requirements.txt and a build of the project (npm ci). Last line: "N passed, N failed".
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import owl3_reference as reference
from identities import identities
from random_checkpoint import write_cases, write_checkpoint

HERE = Path(__file__).resolve().parent
TOKENIZER = HERE.parents[1] / "test/fixtures/golden/model/tokenizer.json"

EMBEDS, LOGITS = 1e-3, 2e-3  # float: relative; of the logits' standard deviation
IDENTITY = 1e-3  # of logits with a deviation of about 4, which float32 sums in another order
ROUNDING = 0.006  # of int8 activations, relative; see test/model/quantised.test.ts


def random_shape(r: random.Random) -> dict:
    """Config fields that a model of this family could have, most of them awkward."""
    dim = r.choice([16, 32, 48, 64, 128])
    kv_heads = r.choice([1, 1, 2, 3])
    heads = kv_heads * r.choice([1, 2, 3, 7])
    while heads * dim > 512:
        heads, kv_heads = heads // kv_heads, 1
        dim = min(dim, 64)
    layers = r.randint(1, 5)
    vision_heads, patch = r.choice([1, 2, 3, 4]), r.choice([7, 10, 14])
    return dict(
        kind=r.choice(["fused", "gated_head", "gated_channel"]),
        hidden_size=heads * dim,
        intermediate_size=r.choice([96, 130, 256, 300]),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        hyper_layers=sorted(r.sample(range(1, layers + 1), r.randint(1, layers))),
        tie_word_embeddings=r.random() < 0.5,
        rope_theta=r.choice([1e4, 1e6]),
        rms_norm_eps=r.choice([1e-6, 1e-5]),
        vision_config=dict(
            hidden_size=vision_heads * r.choice([16, 24, 40, 72]),
            intermediate_size=r.choice([64, 100, 172]),
            num_hidden_layers=r.randint(2, 4),
            num_attention_heads=vision_heads,
            image_size=patch * r.randint(2, 6) + r.randint(0, patch - 1),
            patch_size=patch,
        ),
    )


def read(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.fromfile(path, dtype=np.float32).copy())


class Score:
    def __init__(self) -> None:
        self.passed = self.failed = 0
        self.worst: dict[str, float] = {}

    def check(self, what: str, value: float, bound: float, where: str) -> None:
        self.worst[what] = max(self.worst.get(what, 0.0), value / bound)
        good = value <= bound  # false for NaN
        self.passed += good
        self.failed += not good
        if not good:
            print(f"FAIL {where}: {what} {value:.3g}, bound {bound:.3g}", flush=True)


def compare(folder: Path, score: Score, where: str) -> None:
    cases = json.loads((folder / "cases.json").read_text())
    answers = json.loads((folder / "answers.json").read_text())
    float_model = reference.read_checkpoint(folder / "model")
    quantised = {t: reference.read_gguf(folder / f"{t}.gguf") for t in ("q8_0", "q4_k_m")}
    from safetensors.torch import load_file

    tensors = load_file(folder / "tensors.safetensors")
    for case in cases:
        key = case["name"].replace(" ", "_")
        ids, offsets = case["input_ids"], case["media_offset"]
        pixels = tensors.get(f"{key}/pixel_values")
        for name in [n for n in answers if n.endswith(f"-{key}")]:
            kind, precision = name.split("-")[:2]
            c, w = quantised.get(kind, float_model)
            tight = precision == "exact" or kind in ("f32", "bf16")
            place = f"{where} {name}"
            embeds = None
            if pixels is not None:
                embeds = reference.image_embeds(c, w, pixels.permute(0, 2, 3, 1))
                got = read(folder / f"{name}.embeds.f32").reshape(embeds.shape)
                error = float((got - embeds).norm() / embeds.norm())
                bound = EMBEDS if tight else 2 * ROUNDING * math.sqrt(4 * c.vision_num_layers + 2)
                score.check(f"image_embeds {'float' if tight else 'int8'}", error, bound, place)
            want = reference.logits(c, w, ids, offsets, embeds)[-1]
            difference = (read(folder / f"{name}.logits.f32") - want) / want.std()
            if tight:
                score.check("logits float", float(difference.abs().max()), LOGITS, place)
                greedy, gaps = case["greedy_ids"], case["gap"]
                if kind in quantised:
                    greedy, gaps = reference.greedy(c, w, ids, offsets, embeds, 3)
                ties = [i for i, gap in enumerate(gaps) if gap < 2 * LOGITS * float(want.std())]
                length = ties[0] if ties else len(greedy)
                score.check("greedy ids", float(answers[name][:length] != greedy[:length]), 0.5, place)
            else:
                rms = float(difference.pow(2).mean().sqrt())
                score.check("logits int8", rms, 6 * ROUNDING * math.sqrt(4 * c.num_layers + 1), place)


@torch.inference_mode()
def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seeds", type=int, default=4)
    arguments.add_argument("--first", type=int, default=int(time.time()) % 1_000_000)
    arguments.add_argument("--keep", help="folder to leave the checkpoints in")
    a = arguments.parse_args()
    score = Score()
    with tempfile.TemporaryDirectory() as temporary:
        for seed in range(a.first, a.first + a.seeds):
            folder = Path(a.keep or temporary) / str(seed)
            shape = random_shape(random.Random(seed))
            print(f"seed {seed}: {shape}", flush=True)
            write_checkpoint(folder / "model", shape, seed, TOKENIZER)
            c, w = reference.read_checkpoint(folder / "model")
            if c.hyper_attention != "fused":
                for name, value in identities(c, w, seed).items():
                    score.check(name, value, IDENTITY, f"seed {seed}")
            write_cases(folder, c, w, seed)
            subprocess.run(["node", str(HERE / "run.mjs"), str(folder)], check=True)
            compare(folder, score, f"seed {seed}")
    for what, share in sorted(score.worst.items()):
        print(f"{what}: at most {share:.2f} of its bound")
    print(f"{score.passed} passed, {score.failed} failed")
    sys.exit(score.failed > 0)


if __name__ == "__main__":
    main()
