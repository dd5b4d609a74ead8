"""mPLUG-Owl3 for training: whole batches, bfloat16-friendly, parameter names as in the published checkpoints.

Attention is written with plain bmm: on a CPU its backward pass is twice as fast as that of the fused one at these sizes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Shape:
    side: int = 126  # of a crop
    patch: int = 14
    v_hidden: int = 256
    v_mlp: int = 512
    v_layers: int = 6  # that are run; a checkpoint holds one more, which is never used
    v_heads: int = 8
    hidden: int = 256
    mlp: int = 512
    layers: int = 10
    heads: int = 4
    kv_heads: int = 2
    hyper: list = field(default_factory=lambda: [2, 4, 5, 8])  # counted from 1
    vocab: int = 0
    theta: float = 10000.0
    rms_eps: float = 1e-6
    ln_eps: float = 1e-6

    @property
    def patches(self):
        return (self.side // self.patch) ** 2


def attend(q, k, v, mask=None):
    """q [b, t, d], k and v [b, s, d], mask [b|1, t, s] added to the scores."""
    w = (
        torch.baddbmm(mask, q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5)
        if mask is not None
        else torch.bmm(q * q.shape[-1] ** -0.5, k.transpose(1, 2))
    )
    return torch.bmm(torch.softmax(w, -1), v)


class VisionLayer(nn.Module):
    def __init__(self, c: Shape):
        super().__init__()
        d, self.n = c.v_hidden, c.v_heads
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(d, eps=c.ln_eps), nn.LayerNorm(d, eps=c.ln_eps)
        self.self_attn = nn.ModuleDict({k: nn.Linear(d, d) for k in ("q_proj", "k_proj", "v_proj", "out_proj")})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(d, c.v_mlp), "fc2": nn.Linear(c.v_mlp, d)})

    def forward(self, x):
        b, t, d = x.shape
        h = self.layer_norm1(x)
        split = lambda y: y.view(b, t, self.n, -1).transpose(1, 2).reshape(b * self.n, t, -1)
        a = attend(*(split(self.self_attn[n](h)) for n in ("q_proj", "k_proj", "v_proj")))
        x = x + self.self_attn["out_proj"](a.view(b, self.n, t, -1).transpose(1, 2).reshape(b, t, d))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.layer_norm2(x)), approximate="tanh"))


class Vision(nn.Module):
    def __init__(self, c: Shape):
        super().__init__()
        self.c = c
        self.embeddings = nn.ModuleDict(
            {
                "patch_embedding": nn.Conv2d(3, c.v_hidden, c.patch, c.patch),
                "position_embedding": nn.Embedding(c.patches, c.v_hidden),
            }
        )
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(VisionLayer(c) for _ in range(c.v_layers))})

    def forward(self, crops, tap=None):
        """crops uint8 [n, side, side, 3] -> [n, patches, v_hidden]; tap gets the output of every layer."""
        n, g, p = crops.shape[0], self.c.side // self.c.patch, self.c.patch
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


def turn(x, cos, sin):
    """Neox RoPE: first half with second half; cos and sin of full width, the first half of sin negative."""
    return torch.addcmul(x * cos, torch.cat(x.chunk(2, -1)[::-1], -1), sin)


class Attention(nn.Module):
    def __init__(self, c: Shape, hyper: bool):
        super().__init__()
        d, self.nh, self.nkv, self.hd = c.hidden, c.heads, c.kv_heads, c.hidden // c.heads
        self.q_proj, self.o_proj = nn.Linear(d, d), nn.Linear(d, d, bias=False)
        self.k_proj, self.v_proj = (nn.Linear(d, self.nkv * self.hd) for _ in range(2))
        if hyper:
            self.v_kv_proj = nn.Linear(d, 2 * self.nkv * self.hd)

    def forward(self, x, groups, images=None):
        """x [tokens, d] of all groups one after another; images [crops, L, d] already normalised, of all groups too."""
        parts = (self.q_proj, self.k_proj, self.v_proj)
        qkv = F.linear(x, torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts])).view(
            len(x), -1, self.hd
        )
        seen = None
        if images is not None:
            n, L = images.shape[:2]
            seen = self.v_kv_proj(images).view(n, L, self.nkv, 2, self.hd).permute(3, 2, 0, 1, 4).contiguous()
        out = [self.among(y, s, seen) for y, s in zip(qkv.split([s.b * s.t for s in groups]), groups)]
        return self.o_proj(torch.cat(out))

    def among(self, qkv, s, seen):
        """Attention within one group: qkv [b * t, heads, hd], seen [2, kv_heads, crops, L, hd]."""
        b, t, g = s.b, s.t, self.nh // self.nkv
        y = qkv.view(b, t, -1, self.hd).transpose(1, 2)
        qk = turn(y[:, : self.nh + self.nkv], s.cos, s.sin)
        q, k, v, mask = qk[:, : self.nh], qk[:, self.nh :], y[:, self.nh + self.nkv :], s.text_mask
        if seen is not None and s.n:
            kv = seen[:, :, s.index].permute(0, 2, 1, 3, 4, 5)  # [2, b, kv_heads, n, L, hd]
            vk = turn(kv[0], s.img_cos, s.img_sin).flatten(2, 3)
            k, v, mask = torch.cat([vk, k], 2), torch.cat([kv[1].flatten(2, 3), v], 2), s.full_mask
        # the g query heads of one KV head become g * t queries: keys need not be repeated
        a = attend(q.reshape(b * self.nkv, g * t, self.hd), k.flatten(0, 1), v.flatten(0, 1), mask)
        return a.view(b, self.nh, t, self.hd).transpose(1, 2).reshape(b * t, -1)


class Layer(nn.Module):
    def __init__(self, c: Shape, hyper: bool):
        super().__init__()
        self.self_attn = Attention(c, hyper)
        lin = lambda i, o: nn.Linear(i, o, bias=False)
        self.mlp = nn.ModuleDict(
            {"gate_proj": lin(c.hidden, c.mlp), "up_proj": lin(c.hidden, c.mlp), "down_proj": lin(c.mlp, c.hidden)}
        )
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(c.hidden, c.rms_eps), RMSNorm(c.hidden, c.rms_eps)
        self.hyper = hyper

    def forward(self, x, groups, images):
        seen = self.input_layernorm(images) if self.hyper and images is not None else None
        x = x + self.self_attn(self.input_layernorm(x), groups, seen)
        h = self.post_attention_layernorm(x)
        return x + self.mlp["down_proj"](F.silu(self.mlp["gate_proj"](h)) * self.mlp["up_proj"](h))


class Group:
    """Conversations of about the same length: ids [b, t]; offsets [b, n] of their crops, index [b, n] says which crops of the pack.

    A padding crop has an offset past the end, so that no text sees it. Holds the RoPE tables and additive masks that all layers share.
    """

    def __init__(self, c: Shape, ids, offsets, index, wanted=None, dtype=torch.float32):
        self.ids, self.index, self.wanted = ids, index, wanted
        (self.b, self.t), self.n = ids.shape, index.shape[1]
        hd, g = c.hidden // c.heads, c.heads // c.kv_heads
        inv = c.theta ** (-torch.arange(0, hd, 2, dtype=torch.float32) / hd)
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
            hide = torch.zeros(self.b, self.t, self.n, dtype=dtype).masked_fill_(
                pos[None, :, None] < offsets[:, None], no
            )
            full = torch.cat([hide.repeat_interleave(c.patches, 2), text.to(dtype)[None].expand(self.b, -1, -1)], 2)
            self.full_mask = (
                full[:, None, None].expand(-1, c.kv_heads, g, -1, -1).reshape(self.b * c.kv_heads, g * self.t, -1)
            )


class Owl3(nn.Module):
    def __init__(self, c: Shape):
        super().__init__()
        self.c = c
        self.vision_model = Vision(c)
        self.vision2text_model = nn.Sequential(
            nn.Linear(c.v_hidden, c.hidden), nn.GELU(), nn.Linear(c.hidden, c.hidden)
        )
        self.language_model = nn.ModuleDict(
            {
                "model": nn.ModuleDict(
                    {
                        "embed_tokens": nn.Embedding(c.vocab, c.hidden),
                        "layers": nn.ModuleList(Layer(c, i + 1 in c.hyper) for i in range(c.layers)),
                        "norm": RMSNorm(c.hidden, c.rms_eps),
                    }
                )
            }
        )

    def see(self, crops, tap=None):
        return self.vision2text_model(self.vision_model(crops, tap))

    def read(self, groups, images, tap=None):
        """Logits [wanted tokens, vocab] of all groups one after another (of all tokens where a group wants no special ones).

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
    depth = 2 * m.c.layers
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

    The first 32 channels carry the place as sines and cosines of row and column; a query turned by an offset finds the key at that offset.
    Without this, shapes and letters that straddle patches take many times longer to be learnt. Training is free to change all of it.
    """
    n, hd, gain = c.side // c.patch, c.v_hidden // c.v_heads, 0.9
    freq = torch.linspace(0.1, 0.9, hd // 4) * torch.pi
    wave = lambda at: torch.stack([(at[:, None] * freq).sin(), (at[:, None] * freq).cos()], -1).flatten(1)
    at = torch.arange(n * n)
    place = torch.cat([wave(at // n), wave(at % n)], 1)  # [patches, hd]
    e = vision.embeddings
    e["position_embedding"].weight[:, :hd] = place
    e["patch_embedding"].weight[:hd] *= 0.05

    def turned(dr, dc):
        r = torch.zeros(hd, hd)
        for j, angle in enumerate(torch.cat([freq * dr, freq * dc])):
            s, co = angle.sin(), angle.cos()
            r[2 * j : 2 * j + 2, 2 * j : 2 * j + 2] = torch.tensor([[co, s], [-s, co]])
        return r

    ring = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    for depth, reach in enumerate((1, 1, 1, 2)):
        a = vision.encoder["layers"][depth].self_attn
        for h in range(c.v_heads):
            dr, dc = ring[h % 8]
            rows = slice(h * hd, (h + 1) * hd)
            a["q_proj"].weight[rows] *= 0.3
            a["k_proj"].weight[rows] *= 0.3
            a["q_proj"].weight[rows, :hd] = gain * turned(reach * dr, reach * dc)
            a["k_proj"].weight[rows, :hd] = gain * torch.eye(hd)
