#!/usr/bin/env python3
"""Makes a checkpoint that computes the same with outlying activations.

    outliers.py CHECKPOINT OUT [--channels 4] [--times 1000]

A few channels of every norm's weight are multiplied, and the columns of the matrices that read them are divided by the
same factor. The function stays, but a few values of each row that enters these products are that many times larger, as
SigLIP and Qwen2 are known for. tools/bench/drift.mjs measures what int8 activations with a scale per block make of
that. Needs torch and safetensors.
"""

import argparse
import pathlib
import shutil

from safetensors.torch import load_file, save_file

READERS = {
    "input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.v_kv_proj"),
    "post_attention_layernorm": ("mlp.gate_proj", "mlp.up_proj"),
    "layer_norm1": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "layer_norm2": ("mlp.fc1",),
}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("checkpoint", type=pathlib.Path)
    ap.add_argument("out", type=pathlib.Path)
    ap.add_argument("--channels", type=int, default=4)
    ap.add_argument("--times", type=float, default=1000)
    a = ap.parse_args()
    shutil.copytree(a.checkpoint, a.out)
    weights = {name: value.float() for name, value in load_file(a.out / "model.safetensors").items()}
    for name in [n for n in weights if n.endswith(tuple(f"{kind}.weight" for kind in READERS))]:
        layer, kind, _ = name.rsplit(".", 2)
        at = list(range(3, weights[name].numel(), weights[name].numel() // a.channels))
        for part in (f"{layer}.{kind}.weight", f"{layer}.{kind}.bias"):
            if part in weights:
                weights[part][at] *= a.times
        for reader in (f"{layer}.{r}.weight" for r in READERS[kind]):
            if reader in weights:
                weights[reader][:, at] /= a.times
    save_file({name: value.contiguous() for name, value in weights.items()}, a.out / "model.safetensors")


if __name__ == "__main__":
    main()
