#!/usr/bin/env python3
"""PyTorch on the CPU, random weights at our shapes, written with plain modules (no transformers).

  torch_peer.py vision|prefill|decode bf16|fp32|int8
                [--size 0.5b|2b] [--tokens 74] [--threads 2] [--reps 3] [--onnx FILE]

Prints one JSON line: {"best": seconds, "median": seconds} of a crop (26 layers), a prefill, or a decoded token.
int8 is torch.ao.quantization.quantize_dynamic: int8 weights and activations. --onnx writes the fp32 tower for
ort_peer.py.
"""

import argparse
import json
import statistics
import time
import warnings

import torch
from torch import nn
from torch.nn import functional as F

SIZES = {"0.5b": (24, 896, 4864, 14, 2), "2b": (28, 1536, 8960, 12, 2)}
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
    def __init__(self, size):
        super().__init__()
        layers, d, mlp, heads, kv = SIZES[size]
        self.hd = d // heads
        self.embed = nn.Embedding(VOCAB, d)
        self.layers = nn.ModuleList(TextLayer(d, mlp, heads, kv) for _ in range(layers))
        self.norm, self.head = nn.RMSNorm(d, 1e-6), nn.Linear(d, VOCAB, bias=False)

    def forward(self, ids, start=0, caches=None):
        x = self.embed(ids)
        at = torch.arange(start, start + ids.shape[1])[:, None] * 1e6 ** (-torch.arange(0, self.hd, 2) / self.hd)
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
    ap.add_argument("what", choices=["vision", "prefill", "decode"])
    ap.add_argument("dtype", choices=["bf16", "fp32", "int8"])
    ap.add_argument("--size", choices=SIZES, default="2b")
    ap.add_argument("--tokens", type=int, default=74)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--reps", type=int, default=3)
    ap.add_argument("--onnx")
    a = ap.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    dtype = torch.bfloat16 if a.dtype == "bf16" else torch.float32
    torch.set_default_dtype(dtype)
    model = (Tower() if a.what == "vision" else Language(a.size)).eval()
    torch.set_default_dtype(torch.float32)
    if a.dtype == "int8":
        model = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    with torch.inference_mode():
        if a.what == "vision":
            patches = torch.randn(1, 729, 588, dtype=dtype)
            if a.onnx:
                torch.onnx.export(
                    model, (patches,), a.onnx, input_names=["x"], output_names=["y"], dynamo=True, external_data=True
                )
                return
            work, per = lambda: model(patches), 1
        else:
            ids = torch.randint(0, VOCAB, (1, a.tokens))
            if a.what == "prefill":
                work, per = lambda: model(ids), 1
            else:
                _, caches = model(ids)

                def work():
                    c = caches
                    for i in range(16):
                        _, c = model(ids[:, :1], a.tokens + i, c)

                per = 16
        work()
        times = []
        for _ in range(a.reps):
            t = time.perf_counter()
            work()
            times.append((time.perf_counter() - t) / per)
    print(json.dumps({"best": min(times), "median": statistics.median(times)}))


if __name__ == "__main__":
    main()
