"""mPLUG-Owl3 as MODEL.md describes it, in plain PyTorch: no cache, no chunks, one mask, every step visible.

Reads a Hugging Face checkpoint folder or a GGUF file (any type: values are dequantised) into one dictionary of tensors
under the GGUF names, so that both run through the same lines. Slow on purpose; tiny models only.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch

Tensors = dict[str, torch.Tensor]


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
    crop_size: int  # pixels a side of a crop
    patch_size: int
    vision_num_layers: int  # layers that are run
    vision_num_heads: int
    vision_layer_norm_eps: float

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_heads


# --- forward pass ------------------------------------------------------------------------------------------------


def linear(w: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    y = x @ w[f"{name}.weight"].T
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def layer_norm(w: Tensors, name: str, x: torch.Tensor, eps: float) -> torch.Tensor:
    centred = x - x.mean(-1, keepdim=True)
    variance = (centred * centred).mean(-1, keepdim=True)
    return centred / torch.sqrt(variance + eps) * w[f"{name}.weight"] + w[f"{name}.bias"]


def rms_norm(weight: torch.Tensor, x: torch.Tensor, eps: float) -> torch.Tensor:
    return weight * (x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps))


def gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_erf(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def silu(x: torch.Tensor) -> torch.Tensor:
    return x / (1 + torch.exp(-x))


def rotate(x: torch.Tensor, positions: torch.Tensor, theta: float) -> torch.Tensor:
    """NeoX RoPE: x [rows, heads, D]; value i turns with value i + D/2 by position * theta^(-2i/D)."""
    half = x.shape[-1] // 2
    frequency = theta ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = (positions.double()[:, None] * frequency)[:, None, :]
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    """q [rows, H, D], k and v [keys, G, D], visible [rows, keys]: one softmax over all visible keys, head by head."""
    rows, heads, dim = q.shape
    group = heads // k.shape[1]
    out = torch.empty_like(q)
    for head in range(heads):
        scores = q[:, head] @ k[:, head // group].T / math.sqrt(dim)
        out[:, head] = torch.softmax(scores.masked_fill(~visible, -math.inf), -1) @ v[:, head // group]
    return out.reshape(rows, heads * dim)


def patches(c: Shape, crops: torch.Tensor) -> torch.Tensor:
    """uint8 crops [n, S, S, 3] -> [n, T, 3 * P * P] in the order channel, row, column."""
    x = (crops.to(torch.get_default_dtype()) / 255 - 0.5) / 0.5
    n, side = crops.shape[0], c.crop_size // c.patch_size
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
        out.append(linear(w, "mm.2", gelu_erf(linear(w, "mm.0", x))))
    return torch.stack(out)


def logits(c: Shape, w: Tensors, ids: list[int], offsets: list[int], embeds: torch.Tensor | None) -> torch.Tensor:
    """Logits of every row, [len(ids), V]. Crop i becomes visible at position offsets[i]."""
    x = w["token_embd.weight"][torch.tensor(ids)]
    position = torch.arange(len(ids))
    causal = position[:, None] >= position[None, :]
    for i in range(c.num_layers):
        blk = f"blk.{i}"
        h = rms_norm(w[f"{blk}.attn_norm.weight"], x, c.rms_norm_eps)
        q = rotate(linear(w, f"{blk}.attn_q", h).reshape(len(ids), c.num_heads, c.head_dim), position, c.rope_theta)
        k = rotate(linear(w, f"{blk}.attn_k", h).reshape(len(ids), c.num_kv_heads, c.head_dim), position, c.rope_theta)
        v = linear(w, f"{blk}.attn_v", h).reshape(len(ids), c.num_kv_heads, c.head_dim)
        visible = causal
        if i in c.hyper_layers and embeds is not None:
            for offset, crop in reversed(list(zip(offsets, embeds, strict=True))):
                seen = rms_norm(w[f"{blk}.attn_norm.weight"], crop, c.rms_norm_eps)
                both = linear(w, f"{blk}.attn_visual_kv", seen).reshape(len(crop), c.num_kv_heads, 2, c.head_dim)
                place = torch.full((len(crop),), offset)
                k = torch.cat([rotate(both[:, :, 0], place, c.rope_theta), k])
                v = torch.cat([both[:, :, 1], v])
                sees = (position >= offset)[:, None].expand(-1, len(crop))
                visible = torch.cat([sees, visible], 1)
        x = x + linear(w, f"{blk}.attn_output", attend(q, k, v, visible))
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
    c = Shape(
        num_layers=j["num_hidden_layers"],
        hidden_size=j["hidden_size"],
        num_heads=j["num_attention_heads"],
        num_kv_heads=j["num_key_value_heads"],
        rms_norm_eps=j["rms_norm_eps"],
        rope_theta=j["rope_theta"],
        hyper_layers=[i - 1 for i in j["hyper_layers"]],
        crop_size=v["image_size"] // v["patch_size"] * v["patch_size"],
        patch_size=v["patch_size"],
        vision_num_layers=v["num_hidden_layers"] - 1,
        vision_num_heads=v["num_attention_heads"],
        vision_layer_norm_eps=v.get("layer_norm_eps", 1e-6),
    )
    table, w = names(c.vision_num_layers, c.num_layers), {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        stem, _, kind = name.rpartition(".")
        if stem in table:
            w[f"{table[stem]}.{kind}"] = tensor.to(torch.get_default_dtype())
    w["v.patch_embd.weight"] = w["v.patch_embd.weight"].flatten(1)
    return c, w


def read_gguf(path: Path) -> tuple[Shape, Tensors]:
    import gguf

    reader = gguf.GGUFReader(path)

    def key(name: str):
        return reader.fields[f"mplugowl3.{name}"].contents()

    c = Shape(
        num_layers=key("block_count"),
        hidden_size=key("embedding_length"),
        num_heads=key("attention.head_count"),
        num_kv_heads=key("attention.head_count_kv"),
        rms_norm_eps=key("attention.layer_norm_rms_epsilon"),
        rope_theta=key("rope.freq_base"),
        hyper_layers=list(key("hyper_attention.blocks")),
        crop_size=key("vision.image_size"),
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
