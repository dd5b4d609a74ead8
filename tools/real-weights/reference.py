#!/usr/bin/env python3
"""Logits of the checkpoint in PyTorch float32, which measure.mjs compares with.

    reference.py CHECKPOINT IDS.json OUT.f32 [--chunks 12] [--ids-a-chunk 512]

The ids are cut into chunks, each a text of its own, and the logits after the ids of its second half are written one
after the other, as llama-perplexity takes them. Needs torch, numpy and safetensors.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "reference"))
import owl3_reference


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("checkpoint", type=Path)
    ap.add_argument("ids", type=Path)
    ap.add_argument("out", type=Path)
    ap.add_argument("--chunks", type=int, default=12)
    ap.add_argument("--ids-a-chunk", type=int, default=512)
    a = ap.parse_args()
    ids, n = json.loads(a.ids.read_text()), a.ids_a_chunk
    c, w = owl3_reference.read_checkpoint(a.checkpoint)
    with torch.inference_mode(), a.out.open("wb") as out:
        for i in range(a.chunks):
            rows = owl3_reference.logits(c, w, ids[i * n : (i + 1) * n], [], None)
            rows[n // 2 :].numpy().tofile(out)
            print(f"chunk {i + 1} of {a.chunks}", file=sys.stderr)


if __name__ == "__main__":
    main()
