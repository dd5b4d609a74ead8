#!/usr/bin/env python3
"""What NVIDIA's libraries reach on this GPU at the sizes of our products and attentions, by PyTorch: cuBLASLt in
float16, bfloat16 and int8, and FlashAttention.

  gpu_peers.py [--reps 20]

A JSON line each: {"what", "size", "seconds", "tops" or "gbps"}; the first line says what answers. Seconds are the best
of --reps by CUDA's events. What PyTorch does not offer on the GPU has {"what", "size", "failed"}.
"""

import argparse
import json

import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

PRODUCTS = [  # outputs, inputs: gate, down and output of 2B and 7B, an MLP of the tower
    (8960, 1536),
    (1536, 8960),
    (18944, 3584),
    (3584, 18944),
    (151851, 1536),
    (4304, 1152),
]
ROWS = [1, 8, 64, 512]


def best(run, reps):
    for _ in range(3):
        run()
    times = []
    for _ in range(reps):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1000)
    return min(times)


def measure(what, size, reps, run, **amount):
    """`amount`: tops, 10^12 operations, or gbps, 10^9 bytes, of one run."""
    line = {"what": what, "size": size}
    try:
        seconds = best(run, reps)
        line |= {"seconds": seconds, **{unit: n / seconds for unit, n in amount.items()}}
    except RuntimeError as error:
        line["failed"] = str(error).splitlines()[0]
    print(json.dumps(line), flush=True)


def products(reps):
    for n, k in PRODUCTS:
        for rows in ROWS:
            size, tops = f"{rows} x {k} x {n}", 2 * rows * k * n / 1e12
            for dtype in (torch.float16, torch.bfloat16):
                x, w = (torch.randn(m, k, device="cuda", dtype=dtype) for m in (rows, n))
                run = lambda x=x, w=w: F.linear(x, w)  # noqa: E731
                measure(f"cuBLASLt {dtype}".replace("torch.", ""), size, reps, run, tops=tops)
            x, w = (torch.randint(-127, 127, (m, k), device="cuda", dtype=torch.int8) for m in (rows, n))
            measure("cuBLASLt int8", size, reps, lambda x=x, w=w: torch._int_mm(x, w.T), tops=tops)


def attentions(reps):
    def attend(what, heads, kv_heads, head_dim, rows, keys, causal):
        q = torch.randn(1, heads, rows, head_dim, device="cuda", dtype=torch.float16)
        k, v = (torch.randn(1, kv_heads, keys, head_dim, device="cuda", dtype=torch.float16) for _ in range(2))

        def run():
            with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
                F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=heads != kv_heads)

        share = 0.5 if causal else 1
        measure(
            f"FlashAttention, {what}",
            f"{rows} rows, {keys} keys, {heads} heads of {head_dim}",
            reps,
            run,
            tops=4 * heads * rows * keys * head_dim * share / 1e12,
            gbps=4 * kv_heads * keys * head_dim / 1e9,
        )

    attend("a step over 128 crops", 28, 4, 128, 1, 93312, False)
    attend("a step", 28, 4, 128, 1, 4096, False)
    attend("a prompt", 28, 4, 128, 512, 512, True)
    attend("a crop", 16, 16, 72, 729, 729, False)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--reps", type=int, default=20)
    a = ap.parse_args()
    torch.set_grad_enabled(False)
    about = {"version": f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}"}
    print(json.dumps({**about, "gpu": torch.cuda.get_device_name()}), flush=True)
    products(a.reps)
    attentions(a.reps)


if __name__ == "__main__":
    main()
