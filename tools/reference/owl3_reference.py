"""mPLUG-Owl3 as MODEL.md describes it, in plain PyTorch: no cache, no chunks, one mask, every step visible.

Reads a Hugging Face checkpoint folder or a GGUF file (any type: values are dequantised) into one dictionary of tensors
under the GGUF names, so that both run through the same lines. Slow on purpose; tiny models only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from fused_attention import fused_attention
from gated_attention import gated_attention
from primitives import Tensors, attend, gelu_erf, gelu_tanh, layer_norm, linear, rms_norm, rotate, silu


@dataclass
class Shape:
    """The numbers of a model; names as in native/model/config.h."""

    num_layers: int
    hidden_size: int
    num_heads: int
    num_kv_heads: int
    rms_norm_eps: float
    rope_theta: float
    hyper_layers: list[int]  # 0-based
    hyper_attention: str  # "fused", "gated_head" or "gated_channel"
    crop_size: int  # pixels a side of a crop; what no whole patch covers, at the right and at the bottom, is not read
    patch_size: int
    vision_num_layers: int  # layers that are run
    vision_num_heads: int
    vision_layer_norm_eps: float

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_heads


# --- forward pass ------------------------------------------------------------------------------------------------


def patches(c: Shape, crops: torch.Tensor) -> torch.Tensor:
    """uint8 crops [n, S, S, 3] -> [n, T, 3 * P * P] in the order channel, row, column."""
    x = (crops.to(torch.get_default_dtype()) / 255 - 0.5) / 0.5
    n, side = crops.shape[0], c.crop_size // c.patch_size
    x = x[:, : side * c.patch_size, : side * c.patch_size]
    x = x.reshape(n, side, c.patch_size, side, c.patch_size, 3)  # n, py, y, px, x, channel
    return x.permute(0, 1, 3, 5, 2, 4).reshape(n, side * side, 3 * c.patch_size * c.patch_size)


def image_embeds(c: Shape, w: Tensors, crops: torch.Tensor) -> torch.Tensor:
    """uint8 crops [n, S, S, 3] -> [n, T, d]."""
    out = []
    for crop in patches(c, crops):
        x = linear(w, "v.patch_embd", crop) + w["v.position_embd.weight"]
        everything = torch.ones(len(x), len(x), dtype=torch.bool)
        for i in range(c.vision_num_layers):
            blk = f"v.blk.{i}"
            h = layer_norm(w, f"{blk}.ln1", x, c.vision_layer_norm_eps)
            q, k, v = (linear(w, f"{blk}.attn_{n}", h).reshape(len(x), c.vision_num_heads, -1) for n in "qkv")
            x = x + linear(w, f"{blk}.attn_out", attend(q, k, v, everything))
            h = layer_norm(w, f"{blk}.ln2", x, c.vision_layer_norm_eps)
            x = x + linear(w, f"{blk}.ffn_down", gelu_tanh(linear(w, f"{blk}.ffn_up", h)))
        x = linear(w, "mm.0", x)
        out.append(linear(w, "mm.2", gelu_erf(x)) if "mm.2.weight" in w else x)
    return torch.stack(out)


def visual_kv(c: Shape, w: Tensors, blk: str, embeds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys, not rotated yet, and values of all crops in a hyper layer, each [n, T, G, D]."""
    h = rms_norm(w[f"{blk}.attn_norm.weight"], embeds, c.rms_norm_eps)
    both = linear(w, f"{blk}.attn_visual_kv", h).reshape(*embeds.shape[:2], c.num_kv_heads, 2, c.head_dim)
    return both[:, :, :, 0], both[:, :, :, 1]


def logits(c: Shape, w: Tensors, ids: list[int], offsets: list[int], embeds: torch.Tensor | None) -> torch.Tensor:
    """Logits of every row, [len(ids), V]. The placeholder of crop i begins at position offsets[i]."""
    x = w["token_embd.weight"][torch.tensor(ids)]
    position = torch.arange(len(ids))
    causal = position[:, None] >= position[None, :]
    for i in range(c.num_layers):
        blk = f"blk.{i}"
        h = rms_norm(w[f"{blk}.attn_norm.weight"], x, c.rms_norm_eps)
        q = rotate(linear(w, f"{blk}.attn_q", h).reshape(len(ids), c.num_heads, c.head_dim), position, c.rope_theta)
        k = rotate(linear(w, f"{blk}.attn_k", h).reshape(len(ids), c.num_kv_heads, c.head_dim), position, c.rope_theta)
        v = linear(w, f"{blk}.attn_v", h).reshape(len(ids), c.num_kv_heads, c.head_dim)
        text = (q, k, v, causal)
        if i not in c.hyper_layers or not offsets:
            seen = attend(*text)
        elif c.hyper_attention == "fused":
            seen = fused_attention(text, visual_kv(c, w, blk, embeds), offsets, c.rope_theta)
        else:
            seen = gated_attention(w, blk, text, visual_kv(c, w, blk, embeds), offsets, c.rope_theta)
        x = x + linear(w, f"{blk}.attn_output", seen)
        h = rms_norm(w[f"{blk}.ffn_norm.weight"], x, c.rms_norm_eps)
        x = x + linear(w, f"{blk}.ffn_down", silu(linear(w, f"{blk}.ffn_gate", h)) * linear(w, f"{blk}.ffn_up", h))
    x = rms_norm(w["output_norm.weight"], x, c.rms_norm_eps)
    return x @ w.get("output.weight", w["token_embd.weight"]).T


def greedy(c: Shape, w: Tensors, ids: list[int], offsets: list[int], embeds: torch.Tensor | None, n: int):
    """n ids, each the largest of the logits after those before it, and the gaps to the second largest."""
    ids, new, gaps = list(ids), [], []
    for _ in range(n):
        best = logits(c, w, ids, offsets, embeds)[-1].topk(2)
        new.append(int(best.indices[0]))
        gaps.append(float(best.values[0] - best.values[1]))
        ids.append(new[-1])
    return new, gaps


# --- files -------------------------------------------------------------------------------------------------------


def names(vision_blocks: int, blocks: int) -> dict[str, str]:
    """Checkpoint name -> GGUF name, without .weight and .bias."""
    root = "language_model.model"
    out = {
        "vision_model.embeddings.patch_embedding": "v.patch_embd",
        "vision_model.embeddings.position_embedding": "v.position_embd",
        "vision2text_model": "mm.0",  # before 241101 it is one matrix
        "vision2text_model.0": "mm.0",
        "vision2text_model.2": "mm.2",
        f"{root}.embed_tokens": "token_embd",
        f"{root}.norm": "output_norm",
        "language_model.lm_head": "output",
    }
    parts = {
        "layer_norm1": "ln1",
        "layer_norm2": "ln2",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.out_proj": "attn_out",
        "mlp.fc1": "ffn_up",
        "mlp.fc2": "ffn_down",
    }
    for i in range(vision_blocks):
        out |= {f"vision_model.encoder.layers.{i}.{a}": f"v.blk.{i}.{b}" for a, b in parts.items()}
    parts = {
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "self_attn.v_kv_proj": "attn_visual_kv",
        "self_attn.gate_proj.0": "attn_v_gate",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    for i in range(blocks):
        out |= {f"{root}.layers.{i}.{a}": f"blk.{i}.{b}" for a, b in parts.items()}
    return out


def read_checkpoint(folder: Path) -> tuple[Shape, Tensors]:
    from safetensors.torch import load_file

    j = json.loads((folder / "config.json").read_text())
    v = j["vision_config"]
    stored = load_file(folder / "model.safetensors")
    whole = v["image_size"] // v["patch_size"] * v["patch_size"]
    kind = hyper_attention(stored)
    c = Shape(
        num_layers=j["num_hidden_layers"],
        hidden_size=j["hidden_size"],
        num_heads=j["num_attention_heads"],
        num_kv_heads=j["num_key_value_heads"],
        rms_norm_eps=j["rms_norm_eps"],
        rope_theta=j["rope_theta"],
        hyper_layers=[i - 1 for i in j["hyper_layers"]],
        hyper_attention=kind,
        crop_size=whole if kind == "fused" else v["image_size"],
        patch_size=v["patch_size"],
        vision_num_layers=v["num_hidden_layers"] - 1,
        vision_num_heads=v["num_attention_heads"],
        vision_layer_norm_eps=v.get("layer_norm_eps", 1e-6),
    )
    table, w = names(c.vision_num_layers, c.num_layers), {}
    for name, tensor in stored.items():
        stem, _, part = name.rpartition(".")
        if part == "gate":  # a vector, not a matrix with a bias
            stem, part = f"{stem}.gate_proj.0", "weight"
        if stem in table:
            w[f"{table[stem]}.{part}"] = tensor.to(torch.get_default_dtype())
    w["v.patch_embd.weight"] = w["v.patch_embd.weight"].flatten(1)
    return c, w


def hyper_attention(names) -> str:
    """Which kind of hyper layers tensors of these names are."""
    if any(name.endswith(".self_attn.gate_proj.0.weight") for name in names):
        return "gated_head"
    return "gated_channel" if any(name.endswith(".self_attn.gate") for name in names) else "fused"


def read_gguf(path: Path) -> tuple[Shape, Tensors]:
    import gguf

    reader = gguf.GGUFReader(path)

    def key(name: str, absent=None):
        field = reader.fields.get(f"mplugowl3.{name}")
        return absent if field is None else field.contents()

    c = Shape(
        num_layers=key("block_count"),
        hidden_size=key("embedding_length"),
        num_heads=key("attention.head_count"),
        num_kv_heads=key("attention.head_count_kv"),
        rms_norm_eps=key("attention.layer_norm_rms_epsilon"),
        rope_theta=key("rope.freq_base"),
        hyper_layers=list(key("hyper_attention.blocks")),
        hyper_attention=key("hyper_attention.kind", "fused"),
        crop_size=key("vision.crop_size", key("vision.image_size")),
        patch_size=key("vision.patch_size"),
        vision_num_layers=key("vision.block_count"),
        vision_num_heads=key("vision.attention.head_count"),
        vision_layer_norm_eps=key("vision.attention.layer_norm_epsilon"),
    )
    w = {}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        shape = [int(n) for n in reversed(tensor.shape)]
        w[tensor.name] = torch.tensor(values).reshape(shape).to(torch.get_default_dtype())
    w["v.patch_embd.weight"] = w["v.patch_embd.weight"].flatten(1)
    return c, w
