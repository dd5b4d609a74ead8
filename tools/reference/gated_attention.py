"""The hyper attention before 241101: two softmaxes, and a gate between what they give.

240728 computes the gate from each head of the text's attention (gated_head); 241014 learnt it, a number a channel
(gated_channel). Crops are counted here, as those models do it, and not compared by position as in fused_attention.py.
"""

from __future__ import annotations

import torch

from primitives import Tensors, attend, rotate


def gated_attention(w: Tensors, blk: str, text, visual, offsets: list[int], theta: float) -> torch.Tensor:
    """What attn_output reads of every row, [rows, H * D]; the gate's tensors are those of blk, the rest is as in
    fused_attention.py.
    """
    q, k, v, causal = text
    rows, heads, dim = q.shape
    out = attend(q, k, v, causal)

    # A row sees the crops whose placeholders begin strictly before it, and a crop's keys are rotated to the first row
    # that counts it.
    starts = torch.tensor(offsets)
    position = torch.arange(rows)
    count = (starts[None, :] < position[:, None]).sum(1)
    number = torch.arange(len(starts))
    shown = count[:, None] > number[None, :]  # [rows, crops]
    keys, values = visual
    crops, tokens = keys.shape[:2]
    counted = [i for i in range(crops) if bool(shown[:, i].any())]
    if not counted:
        return out
    first = {i: int(shown[:, i].int().argmax()) for i in counted}
    k = torch.cat([rotate(keys[i], torch.full((tokens,), first[i]), theta) for i in counted])
    v = torch.cat([values[i] for i in counted])
    sees = shown[:, counted].repeat_interleave(tokens, 1)

    late = count > 0
    cross = attend(q[late], k, v, sees[late])
    g = gate(w, blk, out[late].reshape(-1, heads, dim))
    out[late] = (1 - g) * out[late] + g * cross
    return out


def gate(w: Tensors, blk: str, context: torch.Tensor) -> torch.Tensor:
    """The share of the pictures, from [rows, H, D] of the text's attention: [rows, H * D] or [H * D]."""
    weight = w[f"{blk}.attn_v_gate.weight"]
    if weight.dim() == 1:
        return torch.sigmoid(weight)
    return torch.sigmoid(context @ weight.T + w[f"{blk}.attn_v_gate.bias"]).flatten(1)
