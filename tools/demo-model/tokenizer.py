"""A small byte-level BPE tokenizer with Qwen2's normalizer, pre-tokenizer and special tokens, trained on own text."""

from __future__ import annotations

import random
import re

from gguf import GGUFReader
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import samples
from chat import expand, render

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def empty(vocab=None, merges=None):
    tok = Tokenizer(models.BPE(vocab, merges))
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tok.decoder = decoders.ByteLevel()
    return tok


def special(tok):
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    return tok


def of_file(gguf):
    """The tokenizer that a converted file holds."""
    reader = GGUFReader(gguf)
    tokens, merges = (reader.fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "merges"))
    vocab = {t: i for i, t in enumerate(tokens) if t not in SPECIAL}
    return special(empty(vocab, [tuple(m.split(" ")) for m in merges]))


def train(seed=1, rows=1024, talks=6000):
    tok = empty()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=rows - len(SPECIAL), initial_alphabet=alphabet, show_progress=False)
    tok.train_from_iterator(texts(random.Random(seed), talks), trainer)
    return special(tok)


def texts(rng, n):
    makers = [
        samples.one_picture,
        lambda r: samples.one_picture(r, False),
        samples.pictures,
        samples.clip,
        samples.no_picture,
    ]
    for i in range(n):
        s = makers[i % len(makers)](rng)
        for chunk, _ in render(expand(s), s.system):
            text = re.sub("|".join(map(re.escape, SPECIAL)), "", chunk)
            if text:
                yield text
