"""What must hold of gated hyper attention whatever its weights are, on the reference itself (check.py asks for it)."""

from __future__ import annotations

import torch

import owl3_reference as reference
from primitives import Tensors, attend, rotate


def identities(c: reference.Shape, w: Tensors, seed: int) -> dict[str, float]:
    """The largest difference of logits, by the identity that it breaks. `c` is of a gated kind."""
    g = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 256, (20,), generator=g).tolist()
    offsets = [3, 8]
    embeds = torch.randn((2, (c.crop_size // c.patch_size) ** 2, c.hidden_size), generator=g)

    def logits(w: Tensors, ids=ids, offsets=offsets, embeds=embeds) -> torch.Tensor:
        return reference.logits(c, w, ids, offsets, embeds)

    def difference(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a - b).abs().max())

    plain, seen = logits(w, offsets=[], embeds=None), logits(w)
    at_end = logits(w, offsets=[len(ids) - 2], embeds=embeds[:1])
    return {
        "a picture that nothing depends on": float(difference(plain, seen) < 1e-3),
        "a closed gate is plain Qwen2": difference(logits(gated(c, w, -1e4)), plain),
        "an open gate is cross attention alone": difference(
            logits(gated(c, w, 1e4)), crossed(c, w, ids, offsets, embeds)
        ),
        "rows before the first picture are plain": difference(seen[:4], plain[:4]),
        "a picture at the last row changes that row alone": difference(at_end[:-1], plain[:-1]),
        "a longer prompt changes no row": difference(logits(w, ids=ids[:12]), seen[:12]),
        "a second picture changes nothing before it": difference(
            logits(w, offsets=[3], embeds=embeds[:1])[:9], seen[:9]
        ),
    }


def gated(c: reference.Shape, w: Tensors, value: float) -> Tensors:
    """The weights with gates that are sigmoid(value) whatever they read."""
    out = dict(w)
    for i in c.hyper_layers:
        weight = w[f"blk.{i}.attn_v_gate.weight"]
        out[f"blk.{i}.attn_v_gate.weight"] = torch.full_like(weight, value if weight.dim() == 1 else 0)
        if weight.dim() > 1:
            out[f"blk.{i}.attn_v_gate.bias"] = torch.full_like(weight[0], value)
    return out


def crossed(c: reference.Shape, w: Tensors, ids: list[int], offsets: list[int], embeds: torch.Tensor) -> torch.Tensor:
    """Logits of a model whose hyper layers look at pictures only, from the first one on."""
    position = torch.arange(len(ids))
    usual = reference.gated_attention

    def only_cross(w, blk, text, visual, offsets, theta):
        q, k, v, causal = text
        keys = torch.cat(
            [
                rotate(key, torch.full((len(key),), start + 1), theta)
                for key, start in zip(visual[0], offsets, strict=True)
            ]
        )
        sees = torch.stack([position > start for start in offsets], 1).repeat_interleave(visual[0].shape[1], 1)
        before = position <= offsets[0]
        out = attend(q, k, v, causal)
        out[~before] = attend(q[~before], keys, torch.cat(list(visual[1])), sees[~before])
        return out

    reference.gated_attention = only_cross
    try:
        return reference.logits(c, w, ids, offsets, embeds)
    finally:
        reference.gated_attention = usual
