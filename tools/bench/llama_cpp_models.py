#!/usr/bin/env python3
"""Makes random models of our shapes that llama.cpp can run: Qwen2, or the vision tower.

  llama_cpp_models.py language SIZE VOCAB.gguf OUT.gguf [OURS.gguf]   SIZE: 0.5b, 2b, 7b, or stub
  llama_cpp_models.py vision TYPE DIM OUT.gguf                        TYPE: f16, bf16, q8_0

The language model is F16, or each tensor has the format that it has in OURS.gguf, so that both read the same bytes. A
stub is one layer that carries the tower; DIM is hidden_size of the language model. VOCAB.gguf is
models/ggml-vocab-qwen2.gguf of llama.cpp, which does not load a model without a tokenizer. Needs numpy and gguf.
"""

import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import quantize

LANGUAGE = {  # layers, width, MLP, heads, KV heads, vocabulary, tied
    "0.5b": (24, 896, 4864, 14, 2, 151851, True),
    "2b": (28, 1536, 8960, 12, 2, 151851, True),
    "7b": (28, 3584, 18944, 28, 4, 151651, False),
    "stub": (1, 1536, 8960, 12, 2, 151851, True),
}
random = np.random.default_rng(0)


def normal(*shape):
    """The same million values over and over: a matrix of billions is made in seconds."""
    pool = normal.pool
    return np.resize(pool, int(np.prod(shape))).reshape(shape)


normal.pool = (random.standard_normal(999_983) * 0.02).astype(np.float32)


def blocks(kind, n, k):
    """Random blocks of a quantised format. Speed does not depend on values, but scales (float16) have to be finite."""
    block, size = GGML_QUANT_SIZES[kind]
    scales = {"Q8_0": [0], "Q4_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [size - 2]}[kind.name]
    pool = random.integers(0, 256, (9973, size), np.uint8)
    for at in scales:
        pool[:, at : at + 2] = np.frombuffer(np.float16(1e-4).tobytes(), np.uint8)
    return np.resize(pool, (n * k // block, size)).reshape(n, -1)


def language(size, vocab, out, ours=None):
    layers, d, mlp, heads, kv, rows, tied = LANGUAGE[size]
    w = GGUFWriter(out, "qwen2", use_temp_file=False)
    for key, value in (
        ("block_count", layers),
        ("context_length", 32768),
        ("embedding_length", d),
        ("feed_forward_length", mlp),
    ):
        w.add_uint32(f"qwen2.{key}", value)
    w.add_uint32("qwen2.attention.head_count", heads)
    w.add_uint32("qwen2.attention.head_count_kv", kv)
    w.add_float32("qwen2.attention.layer_norm_rms_epsilon", 1e-6)
    w.add_float32("qwen2.rope.freq_base", 1e6)
    w.add_file_type(1)
    source = GGUFReader(vocab).fields
    tokens, types, merges = (source[f"tokenizer.ggml.{k}"].contents() for k in ("tokens", "token_type", "merges"))
    tokens = (tokens + [f"[PAD{i}]" for i in range(rows)])[:rows]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types((types + [5] * rows)[:rows])
    w.add_token_merges(merges)
    w.add_eos_token_id(151645)

    kinds = {tensor.name: tensor.tensor_type for tensor in GGUFReader(ours).tensors} if ours else {}

    def matrix(name, n, k):
        kind = kinds.get(name, GGMLQuantizationType.F16)
        if kind in (GGMLQuantizationType.F16, GGMLQuantizationType.BF16):
            w.add_tensor(name, quantize(normal(n, k), kind), raw_dtype=kind)
        else:
            w.add_tensor(name, blocks(kind, n, k), raw_dtype=kind)

    def vector(name, n, value=None):
        w.add_tensor(name, normal(n) if value is None else np.full(n, value, np.float32))

    matrix("token_embd.weight", rows, d)
    for i in range(layers):
        b = f"blk.{i}."
        vector(b + "attn_norm.weight", d, 1)
        vector(b + "ffn_norm.weight", d, 1)
        for name, n in (("q", d), ("k", kv * d // heads), ("v", kv * d // heads)):
            matrix(f"{b}attn_{name}.weight", n, d)
            vector(f"{b}attn_{name}.bias", n)
        matrix(b + "attn_output.weight", d, d)
        matrix(b + "ffn_gate.weight", mlp, d)
        matrix(b + "ffn_up.weight", mlp, d)
        matrix(b + "ffn_down.weight", d, mlp)
    vector("output_norm.weight", d, 1)
    if not tied:
        matrix("output.weight", rows, d)
    finish(w)


def vision(kind, width, out):
    """The "mlp" projector's graph is ours: no class token, all layers but the last (26 of 27), Linear, GELU, Linear."""
    d, mlp, layers, width = 1152, 4304, 27, int(width)
    w = GGUFWriter(out, "clip", use_temp_file=False)
    w.add_bool("clip.has_vision_encoder", True)
    w.add_bool("clip.use_gelu", True)
    w.add_string("clip.projector_type", "mlp")
    for key, value in (
        ("image_size", 378),
        ("patch_size", 14),
        ("embedding_length", d),
        ("feed_forward_length", mlp),
        ("block_count", layers),
        ("projection_dim", width),
        ("attention.head_count", 16),
    ):
        w.add_uint32(f"clip.vision.{key}", value)
    w.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    w.add_array("clip.vision.image_mean", [0.5] * 3)
    w.add_array("clip.vision.image_std", [0.5] * 3)
    wanted = GGMLQuantizationType[kind.upper()]

    def linear(name, n, k):
        fits = (
            wanted != GGMLQuantizationType.Q8_0 or k % 32 == 0
        )  # 4304 is no multiple of 32: F16, as its converter does
        stored = wanted if fits else GGMLQuantizationType.F16
        w.add_tensor(name + ".weight", quantize(normal(n, k), stored), raw_dtype=stored)
        w.add_tensor(name + ".bias", normal(n))

    w.add_tensor("v.patch_embd.weight", normal(d, 3, 14, 14).astype(np.float16))
    w.add_tensor("v.patch_embd.bias", normal(d))
    w.add_tensor("v.position_embd.weight", normal(729, d))
    for i in range(layers):
        b = f"v.blk.{i}."
        for norm in ("ln1", "ln2"):
            w.add_tensor(f"{b}{norm}.weight", np.ones(d, np.float32))
            w.add_tensor(f"{b}{norm}.bias", np.zeros(d, np.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            linear(b + name, d, d)
        linear(b + "ffn_up", mlp, d)
        linear(b + "ffn_down", d, mlp)
    linear("mm.0", width, d)
    linear("mm.2", width, width)
    finish(w)


def finish(w):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    {"language": language, "vision": vision}[sys.argv[1]](*sys.argv[2:])
