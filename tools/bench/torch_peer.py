#!/usr/bin/env python3
"""PyTorch on the CPU or a GPU, random weights at our shapes, written with plain modules (no transformers).

  torch_peer.py bf16|fp32|int8 [vision] [prefill:74] [decode] [--size 0.5b|2b|7b] [--device cuda] [--threads 2]
                [--reps 2] [--onnx FILE]

peer.py says how work is asked for; seconds are those of a crop (26 layers), a prefill, or a decoded token.
int8 is torch.ao.quantization.quantize_dynamic: int8 weights and activations. --onnx only writes the fp32 tower for
ort_peer.py.
"""

import argparse
import warnings

import torch
from torch import nn
from torch.nn import functional as F

import peer

SIZES = {"0.5b": (24, 896, 4864, 14, 2), "2b": (28, 1536, 8960, 12, 2), "7b": (28, 3584, 18944, 28, 4)}
VOCAB = 151851


class VisionLayer(nn.Module):
    def __init__(self, d=1152, mlp=4304):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(d, 1e-6), nn.LayerNorm(d, 1e-6)
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.up, self.down = nn.Linear(d, mlp), nn.Linear(mlp, d)

    def forward(self, x):
        h = self.ln1(x)
        q, k, v = (m(h).unflatten(-1, (16, 72)).transpose(1, 2) for m in (self.q, self.k, self.v))
        x = x + self.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.ln2(x)), approximate="tanh"))


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Linear(588, 1152)
        self.layers = nn.ModuleList(VisionLayer() for _ in range(26))

    def forward(self, patches):
        x = self.patch(patches)
        for layer in self.layers:
            x = layer(x)
        return x


class TextLayer(nn.Module):
    def __init__(self, d, mlp, heads, kv):
        super().__init__()
        self.hd, self.ln1, self.ln2 = d // heads, nn.RMSNorm(d, 1e-6), nn.RMSNorm(d, 1e-6)
        self.q, self.k, self.v = nn.Linear(d, d), nn.Linear(d, kv * self.hd), nn.Linear(d, kv * self.hd)
        self.o = nn.Linear(d, d, bias=False)
        self.gate, self.up = nn.Linear(d, mlp, bias=False), nn.Linear(d, mlp, bias=False)
        self.down = nn.Linear(mlp, d, bias=False)

    def forward(self, x, turn, cache):
        h = self.ln1(x)
        q, k, v = (m(h).unflatten(-1, (-1, self.hd)).transpose(1, 2) for m in (self.q, self.k, self.v))
        q, k = turn(q), turn(k)
        if cache is not None:
            k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=cache is None, enable_gqa=True)
        x = x + self.o(a.transpose(1, 2).flatten(2))
        h = self.ln2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h)), (k, v)


class Language(nn.Module):
    def __init__(self, size, quantised=lambda layer: layer):
        """Each layer goes through `quantised` when it is made, so that the whole model is never there in float32."""
        super().__init__()
        layers, d, mlp, heads, kv = SIZES[size]
        self.hd = d // heads
        self.embed = nn.Embedding(VOCAB, d)
        self.layers = nn.ModuleList(quantised(TextLayer(d, mlp, heads, kv)) for _ in range(layers))
        self.norm = nn.RMSNorm(d, 1e-6)
        self.head = quantised(nn.Sequential(nn.Linear(d, VOCAB, bias=False)))

    def forward(self, ids, start=0, caches=None):
        x = self.embed(ids)
        positions = torch.arange(start, start + ids.shape[1], device=ids.device)
        at = positions[:, None] * 1e6 ** (-torch.arange(0, self.hd, 2, device=ids.device) / self.hd)
        cos, sin = at.cos().to(x.dtype), at.sin().to(x.dtype)

        def turn(y):
            a, b = y.chunk(2, -1)
            return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

        kept = []
        for i, layer in enumerate(self.layers):
            x, cache = layer(x, turn, caches[i] if caches else None)
            kept.append(cache)
        return self.head(self.norm(x[:, -1:])), kept


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("dtype", choices=["bf16", "fp32", "int8"])
    peer.add_arguments(ap)
    ap.add_argument("--size", choices=SIZES, default="2b")
    ap.add_argument("--device", default="cpu", help="cpu or cuda")
    ap.add_argument("--onnx")
    a = ap.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    dtype = torch.bfloat16 if a.dtype == "bf16" else torch.float32
    models = {}

    def quantised(module):
        if a.dtype != "int8":
            return module
        return torch.ao.quantization.quantize_dynamic(module.eval(), {nn.Linear}, dtype=torch.qint8)

    def model(what):
        if what not in models:
            torch.set_default_dtype(dtype)
            made = quantised(Tower()) if what == "vision" else Language(a.size, quantised)
            torch.set_default_dtype(torch.float32)
            models[what] = made.eval().to(a.device)
        return models[what]

    def finished(work):
        def run():
            work()
            if a.device != "cpu":
                torch.cuda.synchronize()

        return run

    def prepare(name, tokens):
        if name == "vision":
            tower, patches = model("vision"), torch.randn(1, 729, 588, dtype=dtype, device=a.device)
            return finished(lambda: tower(patches)), 1
        language, ids = model("language"), torch.randint(0, VOCAB, (1, tokens), device=a.device)
        if name == "prefill":
            return finished(lambda: language(ids)), 1
        _, caches = language(ids)

        def decode():
            c = caches
            for i in range(peer.STEPS):
                _, c = language(ids[:, :1], tokens + i, c)

        return finished(decode), peer.STEPS

    if a.onnx:
        tower, x = model("vision"), torch.randn(1, 729, 588)
        names = dict(input_names=["x"], output_names=["y"])
        torch.onnx.export(tower, (x,), a.onnx, dynamo=True, external_data=True, **names)
    else:
        peer.answer(a, {"version": f"PyTorch {torch.__version__}"}, prepare)


if __name__ == "__main__":
    main()
