"""Makes random tiny checkpoints in Hugging Face layout, with cases, which the fidelity tests run on.

    python random_checkpoint.py TOKENIZER_JSON OUT

writes model/, cases.json and tensors.safetensors to OUT/few-kv-heads, OUT/wide-heads, OUT/late-hyper, OUT/gated-head
and OUT/gated-channel. The last two are of the releases before 241101 and have cases that begin with pictures as files.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

import owl3_reference as reference
from prompt import prompt_case

# Config fields of the checkpoints, under the names of config.json, and the kind of their hyper layers where it is not
# fused. Between them: heads of 16, 32, 64 and 128, vision heads
# of 16, 24 and 72, one to six queries a KV head, tied and untied, an MLP that is no multiple of 32 (as 4304 is none),
# image sizes that are no multiple of the patch, hyper attention early, late and everywhere.
SHAPES = {
    "few-kv-heads": dict(
        hidden_size=96,
        intermediate_size=160,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=1,
        hyper_layers=[2],
        tie_word_embeddings=False,
        rope_theta=1e6,
        rms_norm_eps=1e-6,
        vision_config=dict(
            hidden_size=48,
            intermediate_size=100,
            num_hidden_layers=3,
            num_attention_heads=3,
            image_size=62,
            patch_size=14,
        ),
    ),
    "wide-heads": dict(
        hidden_size=256,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        hyper_layers=[1, 2],
        tie_word_embeddings=True,
        rope_theta=1e6,
        rms_norm_eps=1e-6,
        vision_config=dict(
            hidden_size=144,
            intermediate_size=172,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=42,
            patch_size=14,
        ),
    ),
    "late-hyper": dict(
        hidden_size=128,
        intermediate_size=192,
        num_hidden_layers=5,
        num_attention_heads=4,
        num_key_value_heads=4,
        hyper_layers=[3, 5],
        tie_word_embeddings=True,
        rope_theta=1e4,
        rms_norm_eps=1e-5,
        vision_config=dict(
            hidden_size=96,
            intermediate_size=128,
            num_hidden_layers=4,
            num_attention_heads=4,
            image_size=50,
            patch_size=10,
        ),
    ),
    "gated-head": dict(
        kind="gated_head",
        hidden_size=128,
        intermediate_size=192,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        hyper_layers=[1, 3],
        tie_word_embeddings=False,
        rope_theta=1e6,
        rms_norm_eps=1e-6,
        vision_config=dict(
            hidden_size=64,
            intermediate_size=100,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=48,
            patch_size=14,
        ),
    ),
    "gated-channel": dict(
        kind="gated_channel",
        hidden_size=96,
        intermediate_size=160,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        hyper_layers=[2, 4],
        tie_word_embeddings=True,
        rope_theta=1e6,
        rms_norm_eps=1e-6,
        vision_config=dict(
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=3,
            num_attention_heads=3,
            image_size=38,
            patch_size=10,
        ),
    ),
}
# The template of a cut picture, by the kind of the hyper layers.
TEMPLATES = {"gated_head": "v2", "gated_channel": "v3"}
VOCAB = 300  # 256 bytes, 3 special tokens, the rest unused


def write_checkpoint(folder: Path, s: dict, seed: int, tokenizer: Path) -> None:
    """Every weight, bias and norm differs from a no-op, and queries and keys are large enough that attention is far
    from uniform.
    """
    g = torch.Generator().manual_seed(seed)
    w: dict[str, torch.Tensor] = {}

    def normal(name, shape, scale, mean=0.0):
        w[name] = (mean + scale * torch.randn(shape, generator=g)).to(torch.bfloat16)

    def linear(name, out, inn, bias=True, gain=1.0):
        normal(f"{name}.weight", (out, inn), gain / math.sqrt(inn))
        if bias:
            normal(f"{name}.bias", (out,), 0.2)

    vision = s["vision_config"]
    d, dv, patch = s["hidden_size"], vision["hidden_size"], vision["patch_size"]
    kv = d // s["num_attention_heads"] * s["num_key_value_heads"]
    positions = (vision["image_size"] // patch) ** 2
    v = "vision_model"
    normal(f"{v}.embeddings.patch_embedding.weight", (dv, 3, patch, patch), 1 / math.sqrt(3 * patch**2))
    normal(f"{v}.embeddings.patch_embedding.bias", (dv,), 0.2)
    normal(f"{v}.embeddings.position_embedding.weight", (positions, dv), 0.5)
    for i in range(vision["num_hidden_layers"]):
        layer = f"{v}.encoder.layers.{i}"
        for n in (1, 2):
            normal(f"{layer}.layer_norm{n}.weight", (dv,), 0.2, 1)
            normal(f"{layer}.layer_norm{n}.bias", (dv,), 0.2)
        for n, gain in (("q_proj", 1.5), ("k_proj", 1.5), ("v_proj", 1), ("out_proj", 1)):
            linear(f"{layer}.self_attn.{n}", dv, dv, gain=gain)
        linear(f"{layer}.mlp.fc1", vision["intermediate_size"], dv)
        linear(f"{layer}.mlp.fc2", dv, vision["intermediate_size"])
    for n in ("weight", "bias"):  # stored by such checkpoints, never used
        normal(f"{v}.post_layernorm.{n}", (dv,), 0.2)
    kind = s.get("kind", "fused")
    if kind == "fused":
        linear("vision2text_model.0", d, dv)
        linear("vision2text_model.2", d, d)
    else:
        linear("vision2text_model", d, dv)
    root = "language_model.model"
    normal(f"{root}.embed_tokens.weight", (VOCAB, d), 0.3)
    for i in range(s["num_hidden_layers"]):
        layer = f"{root}.layers.{i}"
        normal(f"{layer}.input_layernorm.weight", (d,), 0.2, 1)
        normal(f"{layer}.post_attention_layernorm.weight", (d,), 0.2, 1)
        linear(f"{layer}.self_attn.q_proj", d, d, gain=1.5)
        linear(f"{layer}.self_attn.k_proj", kv, d, gain=1.5)
        linear(f"{layer}.self_attn.v_proj", kv, d)
        linear(f"{layer}.self_attn.o_proj", d, d, bias=False)
        if i + 1 in s["hyper_layers"]:
            linear(f"{layer}.self_attn.v_kv_proj", 2 * kv, d, gain=1.5)
            dim = d // s["num_attention_heads"]
            if kind == "gated_head":
                linear(f"{layer}.self_attn.gate_proj.0", dim, dim, gain=2)
            if kind == "gated_channel":
                normal(f"{layer}.self_attn.gate", (d,), 1.5)
        linear(f"{layer}.mlp.gate_proj", s["intermediate_size"], d, bias=False)
        linear(f"{layer}.mlp.up_proj", s["intermediate_size"], d, bias=False)
        linear(f"{layer}.mlp.down_proj", d, s["intermediate_size"], bias=False, gain=2)
    # Logits with a deviation of about 4, so that greedy text has few ties.
    normal(f"{root}.norm.weight", (d,), 0.2, 4 / (0.3 * math.sqrt(d)) if s["tie_word_embeddings"] else 4)
    if not s["tie_word_embeddings"]:
        linear("language_model.lm_head", VOCAB, d, bias=False)

    folder.mkdir(parents=True, exist_ok=True)
    save_file(w, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["mPLUGOwl3Model"],
        "model_type": "mplugowl3",
        "hidden_size": d,
        "intermediate_size": s["intermediate_size"],
        "num_hidden_layers": s["num_hidden_layers"],
        "num_attention_heads": s["num_attention_heads"],
        "num_key_value_heads": s["num_key_value_heads"],
        "vocab_size": VOCAB,
        "max_position_embeddings": 4096,
        "rope_theta": s["rope_theta"],
        "rms_norm_eps": s["rms_norm_eps"],
        "hidden_act": "silu",
        "tie_word_embeddings": s["tie_word_embeddings"],
        "hyper_layers": s["hyper_layers"],
        "bos_token_id": 256,
        "eos_token_id": 258,
        "vision_config": {
            "hidden_size": dv,
            "image_size": vision["image_size"],
            "intermediate_size": vision["intermediate_size"],
            "model_type": "siglip_vision_model",
            "num_attention_heads": vision["num_attention_heads"],
            "num_hidden_layers": vision["num_hidden_layers"],
            "patch_size": vision["patch_size"],
        },
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    (folder / "tokenizer.json").write_text(json.dumps(byte_tokenizer(tokenizer), ensure_ascii=False))


def byte_tokenizer(path: Path) -> dict:
    """A Qwen2 tokenizer cut down to its 256 bytes and special tokens."""
    t = json.loads(path.read_text())
    t["model"]["vocab"] = {
        token: i
        for i, (token, _) in enumerate(
            sorted(((k, n) for k, n in t["model"]["vocab"].items() if len(k) == 1), key=lambda item: item[1])
        )
    }
    assert len(t["model"]["vocab"]) == 256
    t["model"]["merges"] = []
    for i, token in enumerate(t["added_tokens"]):
        token["id"] = 256 + i
    return t


def make_cases(c: reference.Shape, w: reference.Tensors, seed: int, new: int = 8):
    """Ids, offsets and pixels at random: no crop, one, several (two at one place, one at the very end), and more than a
    page of text.
    """
    g = torch.Generator().manual_seed(seed)
    tensors, cases = {}, []
    plans = {"text": (5, []), "one crop": (12, [3]), "four crops": (40, [0, 7, 7, 39]), "long": (150, [10, 70, 130])}
    for name, (length, offsets) in plans.items():
        ids = torch.randint(0, 256, (length,), generator=g).tolist()
        pixels = None
        if offsets:
            s = c.crop_size
            smooth = torch.rand((len(offsets), 3, 4, 4), generator=g, dtype=torch.float32)
            smooth = torch.nn.functional.interpolate(smooth, size=(s, s), mode="bilinear")
            noise = torch.rand(smooth.shape, generator=g, dtype=torch.float32)
            pixels = ((0.8 * smooth + 0.2 * noise) * 255).to(torch.uint8)
        case = {"name": name, "input_ids": ids, "media_offset": offsets}
        answer(c, w, case, None if pixels is None else pixels.permute(0, 2, 3, 1), tensors, new)
        cases.append(case)
    return cases, tensors


def prompt_cases(c: reference.Shape, w: reference.Tensors, media: Path, new: int = 8):
    """Questions about the pictures of a folder: one cut, two of which none is, two of which both are, and a video."""
    template = TEMPLATES[c.hyper_attention]
    tensors, cases = {}, []
    plans = {
        "cut picture": [{"picture": "wide.png", "cut": True}],
        "two pictures": [{"picture": "tall.png", "cut": False}, {"picture": "red.png", "cut": False}],
        "two cut pictures": [{"picture": "square.png", "cut": True}, {"picture": "tiny.png", "cut": True}],
        "video": [{"video": ["frame0.png", "frame1.png", "frame2.png"]}],
    }
    for name, items in plans.items():
        case, crops = prompt_case(name, items, "What is this?", media, c.crop_size, template)
        answer(c, w, case, crops, tensors, new)
        cases.append(case)
    return cases, tensors


def answer(c: reference.Shape, w: reference.Tensors, case: dict, crops: torch.Tensor | None, tensors: dict, new: int):
    """Adds what the reference computes for ids and crops [n, S, S, 3]: greedy ids to case, the rest to tensors."""
    key, ids, offsets = case["name"].replace(" ", "_"), case["input_ids"], case["media_offset"]
    embeds = None
    if crops is not None:
        embeds = reference.image_embeds(c, w, crops)
        tensors[f"{key}/pixel_values"] = crops.permute(0, 3, 1, 2).contiguous()
        tensors[f"{key}/image_embeds"] = (embeds[[0, -1]] if len(offsets) > 1 else embeds).float().contiguous()
    tensors[f"{key}/logits"] = reference.logits(c, w, ids, offsets, embeds)[-1:].float().contiguous()
    case["greedy_ids"], case["gap"] = reference.greedy(c, w, ids, offsets, embeds, new)


def write_cases(folder: Path, c: reference.Shape, w: reference.Tensors, seed: int, media: Path | None = None) -> None:
    cases, tensors = make_cases(c, w, seed)
    if media:
        more, values = prompt_cases(c, w, media)
        cases, tensors = cases + more, tensors | values
    (folder / "cases.json").write_text(json.dumps(cases))
    save_file(tensors, folder / "tensors.safetensors")


def main() -> None:
    tokenizer, out = Path(sys.argv[1]), Path(sys.argv[2])
    media = tokenizer.parents[1] / "media"
    for seed, (name, shape) in enumerate(SHAPES.items(), start=1):
        write_checkpoint(out / name / "model", shape, seed, tokenizer)
        c, w = reference.read_checkpoint(out / name / "model")
        write_cases(out / name, c, w, seed, media if "kind" in shape else None)
        print(
            name,
            [
                (x["name"], round(min(x["gap"]), 3), x["greedy_ids"])
                for x in json.loads((out / name / "cases.json").read_text())
            ],
        )


if __name__ == "__main__":
    main()
