"""The model that a converted file holds, for PyTorch in float32: its tensors unpacked by the `gguf` package."""

from __future__ import annotations

import sys
from pathlib import Path

from model import Owl3, Shape

sys.path.append(str(Path(__file__).resolve().parent.parent / "reference"))
from owl3_reference import names, read_gguf


def load(path):
    _, tensors = read_gguf(Path(path))
    m = Owl3(Shape(vocab_size=tensors["token_embd.weight"].shape[0]))
    table, weights = names(m.c.vision_num_layers, m.c.num_layers), {}
    for name, p in m.named_parameters():
        stem, _, kind = name.rpartition(".")
        weights[name] = tensors[f"{table[stem]}.{kind}"].reshape(p.shape)
    m.load_state_dict(weights)
    return m.eval()
