"""mPLUG-Owl3 for training: whole batches, bfloat16-friendly, parameter names as in the published checkpoints.

Attention is written with plain bmm: at these sizes its backward pass is twice as fast on a CPU as that of the fused
one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Shape:
    """The numbers of config.json, under the names of Hugging Face's configurations where they have one."""

    crop_size: int = 126  # pixels a side
    patch_size: int = 14
    vision_hidden_size: int = 256
    vision_intermediate_size: int = 512
    vision_num_layers: int = 6  # that are run; a checkpoint holds one more, which is never used
    vision_num_heads: int = 8
    hidden_size: int = 256
    intermediate_size: int = 512
    num_layers: int = 10
    num_heads: int = 4
    num_kv_heads: int = 2
    hyper_layers: list = field(default_factory=lambda: [2, 4, 5, 8])  # counted from 1
    vocab_size: int = 0
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6
    layer_norm_eps: float = 1e-6

    @property
    def patches(self):
        return (self.crop_size // self.patch_size) ** 2


def attend(q, k, v, mask=None):
    """q [b, t, d], k and v [b, s, d], mask [b|1, t, s] added to the scores."""
    scale = q.shape[-1] ** -0.5
    if mask is None:
        w = torch.bmm(q * scale, k.transpose(1, 2))
    else:
        w = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=scale)
    return torch.bmm(torch.softmax(w, -1), v)


class VisionLayer(nn.Module):
    def __init__(self, c: Shape):
        super().__init__()
        d, self.n = c.vision_hidden_size, c.vision_num_heads
        self.layer_norm1 = nn.LayerNorm(d, eps=c.layer_norm_eps)
        self.layer_norm2 = nn.LayerNorm(d, eps=c.layer_norm_eps)
        self.self_attn = nn.ModuleDict({k: nn.Linear(d, d) for k in ("q_proj", "k_proj", "v_proj", "out_proj")})
        m = c.vision_intermediate_size
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(d, m), "fc2": nn.Linear(m, d)})

    def forward(self, x):
        b, t, d = x.shape
        h = self.layer_norm1(x)

        def heads(name):
            y = self.self_attn[name](h)
            return y.view(b, t, self.n, -1).transpose(1, 2).reshape(b * self.n, t, -1)

        a = attend(heads("q_proj"), heads("k_proj"), heads("v_proj"))
        x = x + self.self_attn["out_proj"](a.view(b, self.n, t, -1).transpose(1, 2).reshape(b, t, d))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.layer_norm2(x)), approximate="tanh"))


class Vision(nn.Module):
    def __init__(self, c: Shape):
        super().__init__()
        self.c = c
        self.embeddings = nn.ModuleDict(
            {
                "patch_embedding": nn.Conv2d(3, c.vision_hidden_size, c.patch_size, c.patch_size),
                "position_embedding": nn.Embedding(c.patches, c.vision_hidden_size),
            }
        )
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(VisionLayer(c) for _ in range(c.vision_num_layers))})

    def forward(self, crops, tap=None):
        """crops uint8 [n, side, side, 3] -> [n, patches, v_hidden]; tap gets the output of every layer."""
        n, g, p = crops.shape[0], self.c.crop_size // self.c.patch_size, self.c.patch_size
        conv = self.embeddings["patch_embedding"]
        x = crops.view(n, g, p, g, p, 3).permute(0, 1, 3, 5, 2, 4).reshape(n, g * g, 3 * p * p)
        x = (x.float() / 127.5 - 1).to(conv.weight.dtype)
        x = F.linear(x, conv.weight.flatten(1), conv.bias) + self.embeddings["position_embedding"].weight
        for layer in self.encoder["layers"]:
            x = layer(x)
            if tap is not None:
                tap.append(x)
        return x


class Normed(torch.autograd.Function):
    """RMSNorm with a short backward pass; autograd's own takes a dozen passes over memory."""

    @staticmethod
    def forward(ctx, x, weight, eps):
        n = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        r = torch.rsqrt(n * n / x.shape[-1] + eps)
        y = x * r.to(x.dtype)
        ctx.save_for_backward(y, weight, r)
        return y * weight

    @staticmethod
    def backward(ctx, g):
        y, weight, r = ctx.saved_tensors
        gy = g * y
        dw = gy.reshape(-1, y.shape[-1]).sum(0)
        gw = g * weight
        dot = torch.linalg.vecdot(gw, y).unsqueeze(-1) / y.shape[-1]
        return torch.addcmul(gw, y, dot, value=-1).mul_(r.to(y.dtype)), dw, None


class RMSNorm(nn.Module):
    def __init__(self, d, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x):
        return Normed.apply(x, self.weight, self.eps)


def rotate(x, cos, sin):
    """NeoX RoPE: the first half of x turns with the second; cos and sin have full width, the first half of sin is
    negative.
    """
    return torch.addcmul(x * cos, torch.cat(x.chunk(2, -1)[::-1], -1), sin)


class Attention(nn.Module):
    def __init__(self, c: Shape, hyper: bool):
        super().__init__()
        d, self.nh, self.nkv, self.hd = c.hidden_size, c.num_heads, c.num_kv_heads, c.hidden_size // c.num_heads
        self.q_proj, self.o_proj = nn.Linear(d, d), nn.Linear(d, d, bias=False)
        self.k_proj, self.v_proj = (nn.Linear(d, self.nkv * self.hd) for _ in range(2))
        if hyper:
            self.v_kv_proj = nn.Linear(d, 2 * self.nkv * self.hd)

    def forward(self, x, groups, images=None):
        """x [tokens, d] of all groups one after another; images [crops, L, d] already normalised, of all groups too."""
        parts = (self.q_proj, self.k_proj, self.v_proj)
        qkv = F.linear(x, torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts]))
        qkv = qkv.view(len(x), -1, self.hd)
        seen = None
        if images is not None:
            n, length = images.shape[:2]
            seen = self.v_kv_proj(images).view(n, length, self.nkv, 2, self.hd).permute(3, 2, 0, 1, 4).contiguous()
        out = [self.among(y, s, seen) for y, s in zip(qkv.split([s.b * s.t for s in groups]), groups, strict=True)]
        return self.o_proj(torch.cat(out))

    def among(self, qkv, s, seen):
        """Attention within one group: qkv [b * t, heads, hd], seen [2, kv_heads, crops, L, hd]."""
        b, t, g = s.b, s.t, self.nh // self.nkv
        y = qkv.view(b, t, -1, self.hd).transpose(1, 2)
        qk = rotate(y[:, : self.nh + self.nkv], s.cos, s.sin)
        q, k, v, mask = qk[:, : self.nh], qk[:, self.nh :], y[:, self.nh + self.nkv :], s.text_mask
        if seen is not None and s.n:
            kv = seen[:, :, s.index].permute(0, 2, 1, 3, 4, 5)  # [2, b, kv_heads, n, L, hd]
            vk = rotate(kv[0], s.img_cos, s.img_sin).flatten(2, 3)
            k, v, mask = torch.cat([vk, k], 2), torch.cat([kv[1].flatten(2, 3), v], 2), s.full_mask
        # The g query heads of one KV head become g * t queries, so keys need not be repeated.
        a = attend(q.reshape(b * self.nkv, g * t, self.hd), k.flatten(0, 1), v.flatten(0, 1), mask)
        return a.view(b, self.nh, t, self.hd).transpose(1, 2).reshape(b * t, -1)


class Layer(nn.Module):
    def __init__(self, c: Shape, hyper: bool):
        super().__init__()
        self.self_attn = Attention(c, hyper)
        d, m = c.hidden_size, c.intermediate_size
        self.mlp = nn.ModuleDict(
            {
                "gate_proj": nn.Linear(d, m, bias=False),
                "up_proj": nn.Linear(d, m, bias=False),
                "down_proj": nn.Linear(m, d, bias=False),
            }
        )
        self.input_layernorm = RMSNorm(d, c.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(d, c.rms_norm_eps)
        self.hyper = hyper

    def forward(self, x, groups, images):
        seen = self.input_layernorm(images) if self.hyper and images is not None else None
        x = x + self.self_attn(self.input_layernorm(x), groups, seen)
        h = self.post_attention_layernorm(x)
        return x + self.mlp["down_proj"](F.silu(self.mlp["gate_proj"](h)) * self.mlp["up_proj"](h))


class Group:
    """Conversations of about the same length.

    ids [b, t]; offsets [b, n], the media offsets of their crops; index [b, n] of those among the pack's crops.
    A padding crop has an offset past the end, so that no text sees it. Holds the RoPE tables and additive masks that
    all layers share.
    """

    def __init__(self, c: Shape, ids, offsets, index, wanted=None, dtype=torch.float32):
        self.ids, self.index, self.wanted = ids, index, wanted
        (self.b, self.t), self.n = ids.shape, index.shape[1]
        hd, g = c.hidden_size // c.num_heads, c.num_heads // c.num_kv_heads
        inv = c.rope_theta ** (-torch.arange(0, hd, 2, dtype=torch.float32) / hd)
        pos = torch.arange(self.t)

        def tables(at):
            angle = at[..., None].float() * inv
            return torch.cat([angle.cos()] * 2, -1).to(dtype), torch.cat([-angle.sin(), angle.sin()], -1).to(dtype)

        self.cos, self.sin = tables(pos)
        no = torch.finfo(dtype).min / 4
        text = torch.zeros(self.t, self.t).masked_fill_(pos[None] > pos[:, None], no)
        self.text_mask = text.to(dtype).repeat(g, 1)[None]
        if self.n:
            self.img_cos, self.img_sin = (x[:, None, :, None] for x in tables(offsets))
            hide = torch.zeros(self.b, self.t, self.n, dtype=dtype)
            hide.masked_fill_(pos[None, :, None] < offsets[:, None], no)
            full = torch.cat([hide.repeat_interleave(c.patches, 2), text.to(dtype)[None].expand(self.b, -1, -1)], 2)
            full = full[:, None, None].expand(-1, c.num_kv_heads, g, -1, -1)
            self.full_mask = full.reshape(self.b * c.num_kv_heads, g * self.t, -1)


class Owl3(nn.Module):
    def __init__(self, c: Shape):
        super().__init__()
        self.c = c
        self.vision_model = Vision(c)
        d = c.hidden_size
        self.vision2text_model = nn.Sequential(nn.Linear(c.vision_hidden_size, d), nn.GELU(), nn.Linear(d, d))
        decoder = {
            "embed_tokens": nn.Embedding(c.vocab_size, d),
            "layers": nn.ModuleList(Layer(c, i + 1 in c.hyper_layers) for i in range(c.num_layers)),
            "norm": RMSNorm(d, c.rms_norm_eps),
        }
        self.language_model = nn.ModuleDict({"model": nn.ModuleDict(decoder)})

    def see(self, crops, tap=None):
        return self.vision2text_model(self.vision_model(crops, tap))

    def read(self, groups, images, tap=None):
        """Logits [wanted tokens, vocab] of all groups one after another; a group without `wanted` wants all its tokens.

        tap gets the output [tokens, hidden] of every layer.
        """
        m = self.language_model["model"]
        x = m["embed_tokens"](torch.cat([s.ids.flatten() for s in groups]))
        for layer in m["layers"]:
            x = layer(x, groups, images)
            if tap is not None:
                tap.append(x)
        keep = torch.cat(
            [(torch.ones_like(s.ids, dtype=torch.bool) if s.wanted is None else s.wanted).flatten() for s in groups]
        )
        return F.linear(m["norm"](x[keep]), m["embed_tokens"].weight)


def init(m: Owl3, seed):
    g = torch.Generator().manual_seed(seed)
    depth = 2 * m.c.num_layers
    with torch.no_grad():
        for name, p in m.named_parameters():
            if "norm" in name:
                p.fill_(1.0 if name.endswith("weight") else 0.0)
            elif p.dim() < 2:
                p.zero_()
            else:
                std = 0.02 if "embed" in name and "patch" not in name else (p[0].numel()) ** -0.5
                if name.endswith(("o_proj.weight", "down_proj.weight", "out_proj.weight", "fc2.weight")):
                    std /= depth**0.5
                p.copy_(torch.randn(p.shape, generator=g) * std)
        neighbours(m.vision_model, m.c)
    return m


def neighbours(vision: Vision, c: Shape):
    """A start for the vision tower in which early heads look at neighbouring patches, as a convolution would.

    The first 32 channels carry the place as sines and cosines of row and column; a query rotated by an offset finds the
    key at that offset. Without this, shapes and letters that straddle patches take many times longer to be learnt.
    Training is free to change all of it.
    """
    n, hd, gain = c.crop_size // c.patch_size, c.vision_hidden_size // c.vision_num_heads, 0.9
    freq = torch.linspace(0.1, 0.9, hd // 4) * torch.pi

    def wave(at):
        angle = at[:, None] * freq
        return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)

    at = torch.arange(n * n)
    place = torch.cat([wave(at // n), wave(at % n)], 1)  # [patches, hd]
    e = vision.embeddings
    e["position_embedding"].weight[:, :hd] = place
    e["patch_embedding"].weight[:hd] *= 0.05

    def rotation(dr, dc):
        r = torch.zeros(hd, hd)
        for j, angle in enumerate(torch.cat([freq * dr, freq * dc])):
            s, co = angle.sin(), angle.cos()
            r[2 * j : 2 * j + 2, 2 * j : 2 * j + 2] = torch.tensor([[co, s], [-s, co]])
        return r

    ring = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    for depth, reach in enumerate((1, 1, 1, 2)):
        a = vision.encoder["layers"][depth].self_attn
        for h in range(c.vision_num_heads):
            dr, dc = ring[h % 8]
            rows = slice(h * hd, (h + 1) * hd)
            a["q_proj"].weight[rows] *= 0.3
            a["k_proj"].weight[rows] *= 0.3
            a["q_proj"].weight[rows, :hd] = gain * rotation(reach * dr, reach * dc)
            a["k_proj"].weight[rows, :hd] = gain * torch.eye(hd)
