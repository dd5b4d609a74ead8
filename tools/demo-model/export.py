"""Writes a checkpoint in the published layout: python export.py RUN_FOLDER OUT_FOLDER"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from model import Owl3, Shape


def load(path, dtype=torch.float32, rounded=True):
    """The model of a training state, in evaluation precision; weights are rounded to bfloat16, as in the checkpoint."""
    s = torch.load(path)
    weights = dict(zip(s["names"], s["opt"]["masters"], strict=True))
    vocab = weights["language_model.model.embed_tokens.weight"].shape[0]
    m = Owl3(Shape(vocab_size=vocab))
    kept = {k: v for k, v in weights.items() if not k.startswith("heads.")}
    m.load_state_dict({k: (v.bfloat16() if rounded else v).to(dtype) for k, v in kept.items()})
    return m.to(dtype).eval()


def config(c: Shape, tok):
    end, im_end = tok.token_to_id("<|endoftext|>"), tok.token_to_id("<|im_end|>")
    model = {
        "architectures": ["mPLUGOwl3Model"],
        "model_type": "mplugowl3",
        "hidden_size": c.hidden_size,
        "intermediate_size": c.intermediate_size,
        "num_hidden_layers": c.num_layers,
        "num_attention_heads": c.num_heads,
        "num_key_value_heads": c.num_kv_heads,
        "vocab_size": c.vocab_size,
        "max_position_embeddings": 8192,
        "rope_theta": c.rope_theta,
        "rms_norm_eps": c.rms_norm_eps,
        "hidden_act": "silu",
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
        "hyper_layers": c.hyper_layers,
        "bos_token_id": end,
        "eos_token_id": im_end,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vision_config": {
            "model_type": "siglip_vision_model",
            "hidden_size": c.vision_hidden_size,
            "image_size": c.crop_size,
            "intermediate_size": c.vision_intermediate_size,
            "num_attention_heads": c.vision_num_heads,
            "num_hidden_layers": c.vision_num_layers + 1,
            "patch_size": c.patch_size,
        },
    }
    generation = {"bos_token_id": end, "eos_token_id": [im_end, end], "pad_token_id": end, "do_sample": False}
    tokenizer = {
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 8192,
        "tokenizer_class": "Qwen2Tokenizer",
    }
    return {"config.json": model, "generation_config.json": generation, "tokenizer_config.json": tokenizer}


def save(m: Owl3, tok, folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.to(torch.bfloat16).contiguous() for k, v in m.state_dict().items()}
    last = "vision_model.encoder.layers.0."  # published checkpoints hold one layer more than is run, and a final norm
    for k in [k for k in weights if k.startswith(last)]:
        weights[k.replace(".layers.0.", f".layers.{m.c.vision_num_layers}.")] = torch.zeros_like(weights[k])
    for k in ("weight", "bias"):
        weights[f"vision_model.post_layernorm.{k}"] = torch.full(
            (m.c.vision_hidden_size,), float(k == "weight"), dtype=torch.bfloat16
        )
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    for name, data in config(m.c, tok).items():
        (folder / name).write_text(json.dumps(data, indent=1) + "\n")
    tok.save(str(folder / "tokenizer.json"))


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("run")
    ap.add_argument("out")
    ap.add_argument("--state", default="state.pt")
    a = ap.parse_args()
    save(load(Path(a.run) / a.state), Tokenizer.from_file(str(Path(a.run) / "tokenizer.json")), a.out)
