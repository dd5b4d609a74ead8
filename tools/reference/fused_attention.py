"""The hyper attention of 241101: one softmax over visual and text keys together."""

from __future__ import annotations

import torch

from primitives import attend, rotate


def fused_attention(text, visual, offsets: list[int], theta: float) -> torch.Tensor:
    """What attn_output reads of every row, [rows, H * D].

    `text` holds rotated queries, rotated keys, values and the causal mask; `visual` keys and values of all crops,
    [n, T, G, D] each. Crop i, whose placeholder begins at position offsets[i], is visible from there on, and its keys
    are rotated to it.
    """
    q, k, v, visible = text
    position = torch.arange(len(q))
    for offset, key, value in reversed(list(zip(offsets, *visual, strict=True))):
        k = torch.cat([rotate(key, torch.full((len(key),), offset), theta), k])
        v = torch.cat([value, v])
        sees = (position >= offset)[:, None].expand(-1, len(key))
        visible = torch.cat([sees, visible], 1)
    return attend(q, k, v, visible)
