#!/usr/bin/env python3
"""ONNX Runtime int8 (dynamic, what transformers.js calls q8) on the vision tower that torch_peer.py exports.

  torch_peer.py vision fp32 --onnx tower.onnx && ort_peer.py tower.onnx [--threads 2] [--reps 3]

Quantises to tower.onnx.int8.onnx on the first run. Prints {"best": s, "median": s} of a crop. Needs onnx, onnxscript,
onnxruntime.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

ap = argparse.ArgumentParser()
ap.add_argument("model")
ap.add_argument("--threads", type=int, default=2)
ap.add_argument("--reps", type=int, default=3)
a = ap.parse_args()
quantised = a.model + ".int8.onnx"
if not Path(quantised).exists():
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        a.model,
        quantised,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gemm"],
        use_external_data_format=True,
    )
options = ort.SessionOptions()
options.intra_op_num_threads = a.threads
session = ort.InferenceSession(quantised, options, providers=["CPUExecutionProvider"])
x = {"x": np.random.default_rng(0).standard_normal((1, 729, 588), np.float32)}
session.run(None, x)
times = []
for _ in range(a.reps):
    t = time.perf_counter()
    session.run(None, x)
    times.append(time.perf_counter() - t)
print(json.dumps({"best": min(times), "median": statistics.median(times)}))
