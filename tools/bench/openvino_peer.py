#!/usr/bin/env python3
"""OpenVINO on the CPU, on the models of torch_peer.py.

  openvino_peer.py FOLDER f32|int8|int4 [vision] [prefill:74] [decode] [--size 0.5b|2b] [--threads 2] [--reps 2]

int8 of the vision tower is nncf's post-training quantisation of weights and activations. int8 and int4 of the language
model are nncf's weight compression; the CPU plugin quantises activations as it goes where it can.
Models are kept in FOLDER. peer.py says how work is asked for; seconds are those of a crop, a prefill, or a
decoded token. Needs openvino and nncf.
"""

import argparse
import gc
import logging
import warnings
from pathlib import Path

import nncf
import openvino as ov
import torch

import peer
import torch_peer

nncf.set_log_level(logging.ERROR)


class Logits(torch.nn.Module):
    """The language model without the cache it returns."""

    def __init__(self, language):
        super().__init__()
        self.language = language

    def forward(self, ids):
        return self.language(ids)[0]


class Step(Logits):
    """One token behind a prompt; its keys and values come as one tensor: layers, 2, heads, positions, width."""

    def forward(self, ids, past):
        return self.language(ids, past.shape[3], [(layer[0][None], layer[1][None]) for layer in past])[0]


def compressed(model, dtype):
    if dtype == "int8":
        return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
    if dtype == "int4":
        return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT4_SYM, group_size=64, ratio=1.0)
    return model


def build(folder, name, dtype, size):
    """Makes the OpenVINO model of a piece of work and keeps it; token counts stay open."""
    path = Path(folder) / f"openvino-{name}{'' if name == 'vision' else f'-{size}'}-{dtype}.xml"
    if path.exists():
        return path
    torch.manual_seed(0)
    with torch.inference_mode():
        if name == "vision":
            x = torch.randn(1, 729, 588)
            model = ov.convert_model(torch_peer.Tower().eval(), example_input=x)
            model.reshape([1, 729, 588])
            if dtype == "int8":
                samples = nncf.Dataset([x.numpy(), torch.randn(1, 729, 588).numpy()])
                model = nncf.quantize(model, samples, model_type=nncf.ModelType.TRANSFORMER, subset_size=2)
        else:
            language, ids = torch_peer.Language(size).eval(), torch.zeros(1, 8, dtype=torch.int64)
            if name == "decode":
                past = torch.stack([torch.stack([k[0], v[0]]) for k, v in language(ids)[1]])
                model = ov.convert_model(Step(language), example_input=(ids[:, :1], past))
            else:
                model = ov.convert_model(Logits(language), example_input=ids)
            model = compressed(model, dtype)
    ov.save_model(model, path, compress_to_fp16=False)
    return path


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("dtype", choices=["f32", "int8", "int4"])
    peer.add_arguments(ap)
    ap.add_argument("--size", choices=torch_peer.SIZES, default="2b")
    a = ap.parse_args()
    warnings.simplefilter("ignore")
    core = ov.Core()
    config = {
        "INFERENCE_NUM_THREADS": a.threads,
        "PERFORMANCE_HINT": "LATENCY",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 32,
    }

    def prepare(name, tokens):
        gc.collect()
        model = core.read_model(build(a.folder, name, a.dtype, a.size))
        if name == "vision":
            inputs = [torch.randn(1, 729, 588)]
        elif name == "prefill":
            inputs = [torch.randint(0, torch_peer.VOCAB, (1, tokens))]
        else:
            layers, width, _, heads, kv = torch_peer.SIZES[a.size]
            inputs = [torch.zeros(1, 1, dtype=torch.int64), torch.randn(layers, 2, kv, tokens, width // heads)]
        model.reshape({at: list(x.shape) for at, x in enumerate(inputs)})
        request = core.compile_model(model, "CPU", config).create_infer_request()
        arrays = [x.numpy() for x in inputs]
        if name != "decode":
            return lambda: request.infer(arrays), 1
        return lambda: [request.infer(arrays) for _ in range(peer.STEPS)], peer.STEPS

    peer.answer(a, {"version": f"OpenVINO {ov.__version__}, nncf {nncf.__version__}"}, prepare)


if __name__ == "__main__":
    main()
