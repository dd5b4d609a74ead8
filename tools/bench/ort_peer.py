#!/usr/bin/env python3
"""ONNX Runtime int8 (dynamic, what transformers.js calls q8) on the vision tower that torch_peer.py exports.

  torch_peer.py fp32 --onnx tower.onnx && ort_peer.py tower.onnx [vision] [--threads 2] [--reps 2]

Quantises to tower.onnx.int8.onnx on the first run. peer.py says how work is asked for; seconds are those of a crop.
Needs onnx, onnxscript, onnxruntime.
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime as ort

import peer

ap = argparse.ArgumentParser()
ap.add_argument("model")
peer.add_arguments(ap)
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


def prepare(_name, _tokens):
    session = ort.InferenceSession(quantised, options, providers=["CPUExecutionProvider"])
    x = {"x": np.random.default_rng(0).standard_normal((1, 729, 588), np.float32)}
    return lambda: session.run(None, x), 1


peer.answer(a, {"version": f"ONNX Runtime {ort.__version__}"}, prepare)
