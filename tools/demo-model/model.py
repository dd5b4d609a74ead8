"""mPLUG-Owl3 for training: whole batches, bfloat16-friendly, parameter names as in the published checkpoints.

Attention is written with plain bmm: on a CPU its backward pass is twice as fast as that of the fused one at these sizes.
"""
from __future__ import annotations
from dataclasses import dataclass, field
import torch
from torch import nn
import torch.nn.functional as F


@dataclass
class Shape:
    side: int = 126           # of a crop
    patch: int = 14
    v_hidden: int = 256
    v_mlp: int = 512
    v_layers: int = 6         # that are run; a checkpoint holds one more, which is never used
    v_heads: int = 8
    hidden: int = 256
    mlp: int = 512
    layers: int = 8
    heads: int = 4
    kv_heads: int = 2
    hyper: list = field(default_factory=lambda: [2, 4, 5, 7])  # counted from 1
    vocab: int = 0
    theta: float = 10000.0
    rms_eps: float = 1e-6
    ln_eps: float = 1e-6

    @property
    def patches(self):
        return (self.side // self.patch) ** 2


def attend(q, k, v, mask=None):
    """q [b, t, d], k and v [b, s, d], mask [b|1, t, s] added to the scores."""
    w = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5) if mask is not None else torch.bmm(q * q.shape[-1] ** -0.5, k.transpose(1, 2))
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
        self.embeddings = nn.ModuleDict({"patch_embedding": nn.Conv2d(3, c.v_hidden, c.patch, c.patch),
                                         "position_embedding": nn.Embedding(c.patches, c.v_hidden)})
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(VisionLayer(c) for _ in range(c.v_layers))})

    def forward(self, crops):
        """crops uint8 [n, side, side, 3] -> [n, patches, v_hidden]"""
        n, g, p = crops.shape[0], self.c.side // self.c.patch, self.c.patch
        conv = self.embeddings["patch_embedding"]
        x = crops.view(n, g, p, g, p, 3).permute(0, 1, 3, 5, 2, 4).reshape(n, g * g, 3 * p * p)
        x = (x.float() / 127.5 - 1).to(conv.weight.dtype)
        x = F.linear(x, conv.weight.flatten(1), conv.bias) + self.embeddings["position_embedding"].weight
        for layer in self.encoder["layers"]:
            x = layer(x)
        return x


class RMSNorm(nn.Module):
    def __init__(self, d, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def turn(x, cos, sin):
    """Neox RoPE: first half with second half."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Attention(nn.Module):
    def __init__(self, c: Shape, hyper: bool):
        super().__init__()
        d, self.nh, self.nkv, self.hd = c.hidden, c.heads, c.kv_heads, c.hidden // c.heads
        self.q_proj, self.o_proj = nn.Linear(d, d), nn.Linear(d, d, bias=False)
        self.k_proj, self.v_proj = (nn.Linear(d, self.nkv * self.hd) for _ in range(2))
        if hyper:
            self.v_kv_proj = nn.Linear(d, 2 * self.nkv * self.hd)

    def forward(self, x, s, images=None):
        """x [b, t, d]; s: Step with tables and masks; images [b, n, L, d] already normalised."""
        b, t, d = x.shape
        g = self.nh // self.nkv
        heads = lambda y, n: y.view(b, t, n, self.hd).transpose(1, 2)
        q = turn(heads(self.q_proj(x), self.nh), s.cos, s.sin)
        k = turn(heads(self.k_proj(x), self.nkv), s.cos, s.sin)
        v = heads(self.v_proj(x), self.nkv)
        mask = s.text_mask
        if images is not None:
            n, L = images.shape[1:3]
            kv = self.v_kv_proj(images).view(b, n, L, self.nkv, 2, self.hd)
            vk = turn(kv[..., 0, :].permute(0, 3, 1, 2, 4), s.img_cos, s.img_sin).reshape(b, self.nkv, n * L, self.hd)
            vv = kv[..., 1, :].permute(0, 3, 1, 2, 4).reshape(b, self.nkv, n * L, self.hd)
            k, v, mask = torch.cat([vk, k], 2), torch.cat([vv, v], 2), s.full_mask
        # the g query heads of one KV head become g * t queries: keys need not be repeated
        q = q.reshape(b * self.nkv, g * t, self.hd)
        a = attend(q, k.flatten(0, 1), v.flatten(0, 1), mask)
        return self.o_proj(a.view(b, self.nh, t, self.hd).transpose(1, 2).reshape(b, t, d))


class Layer(nn.Module):
    def __init__(self, c: Shape, hyper: bool):
        super().__init__()
        self.self_attn = Attention(c, hyper)
        lin = lambda i, o: nn.Linear(i, o, bias=False)
        self.mlp = nn.ModuleDict({"gate_proj": lin(c.hidden, c.mlp), "up_proj": lin(c.hidden, c.mlp), "down_proj": lin(c.mlp, c.hidden)})
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(c.hidden, c.rms_eps), RMSNorm(c.hidden, c.rms_eps)
        self.hyper = hyper

    def forward(self, x, s, images):
        seen = self.input_layernorm(images) if self.hyper and images is not None else None
        x = x + self.self_attn(self.input_layernorm(x), s, seen)
        h = self.post_attention_layernorm(x)
        return x + self.mlp["down_proj"](F.silu(self.mlp["gate_proj"](h)) * self.mlp["up_proj"](h))


class Step:
    """RoPE tables and additive masks of one batch, shared by all layers."""

    def __init__(self, c: Shape, b, t, offsets, dtype):
        hd, g = c.hidden // c.heads, c.heads // c.kv_heads
        inv = c.theta ** (-torch.arange(0, hd, 2, dtype=torch.float32) / hd)
        pos = torch.arange(t)
        ang = pos[:, None] * inv
        self.cos, self.sin = ang.cos().to(dtype), ang.sin().to(dtype)
        no = torch.finfo(dtype).min / 4
        text = torch.zeros(t, t).masked_fill_(pos[None] > pos[:, None], no)
        self.text_mask = text.to(dtype).repeat(g, 1)[None]
        if offsets is not None:
            off = offsets.float()  # [b, n]; a padding crop has an offset past the end and is never seen
            ang = (off[..., None] * inv)[:, None, :, None]
            self.img_cos, self.img_sin = ang.cos().to(dtype), ang.sin().to(dtype)
            hide = torch.zeros(b, t, offsets.shape[1]).masked_fill_(pos[None, :, None] < offsets[:, None], no)
            full = torch.cat([hide.repeat_interleave(c.patches, 2), text[None].expand(b, t, t)], 2)
            full = full[:, None].expand(b, c.kv_heads, t, -1).repeat(1, 1, g, 1)
            self.full_mask = full.flatten(0, 1).to(dtype)


class Owl3(nn.Module):
    def __init__(self, c: Shape):
        super().__init__()
        self.c = c
        self.vision_model = Vision(c)
        self.vision2text_model = nn.Sequential(nn.Linear(c.v_hidden, c.hidden), nn.GELU(), nn.Linear(c.hidden, c.hidden))
        self.language_model = nn.ModuleDict({"model": nn.ModuleDict({
            "embed_tokens": nn.Embedding(c.vocab, c.hidden),
            "layers": nn.ModuleList(Layer(c, i + 1 in c.hyper) for i in range(c.layers)),
            "norm": RMSNorm(c.hidden, c.rms_eps)})})

    def see(self, crops):
        return self.vision2text_model(self.vision_model(crops))

    def read(self, ids, images, offsets, wanted=None):
        """ids [b, t]; images [b, n, L, d] or None; offsets [b, n] -> logits at the wanted places (bool [b, t]) or everywhere."""
        m = self.language_model["model"]
        x = m["embed_tokens"](ids)
        s = Step(self.c, *ids.shape, offsets if images is not None else None, x.dtype)
        for layer in m["layers"]:
            x = layer(x, s, images)
        x = m["norm"](x if wanted is None else x[wanted])
        return F.linear(x, m["embed_tokens"].weight)


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
                    std /= depth ** 0.5
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
            r[2 * j:2 * j + 2, 2 * j:2 * j + 2] = torch.tensor([[co, s], [-s, co]])
        return r
    ring = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    for depth, reach in enumerate((1, 1, 2)):
        a = vision.encoder["layers"][depth].self_attn
        for h in range(c.v_heads):
            dr, dc = ring[h % 8]
            rows = slice(h * hd, (h + 1) * hd)
            a["q_proj"].weight[rows] *= 0.3
            a["k_proj"].weight[rows] *= 0.3
            a["q_proj"].weight[rows, :hd] = gain * turned(reach * dr, reach * dc)
            a["k_proj"].weight[rows, :hd] = gain * torch.eye(hd)
