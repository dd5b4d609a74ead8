"""Tokenizes lists of texts, a line of JSON each, with Hugging Face's tokenizers: hf_tokenizer.py FILE ROOT.

FILE is made first where it is missing: a tokenizer of Qwen2's kind, trained on the texts and sources below ROOT.
"""

import json
import sys
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

MARKERS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train(file: Path, root: Path) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=20000,
        show_progress=False,
        special_tokens=[],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    sources = [str(p) for s in ("*.md", "src/**/*.ts", "native/**/*.cpp", "test/**/*.ts") for p in root.glob(s)]
    # Some of every script, so that there are merges of bytes of one character.
    scripts = [
        "".join(chr(c) for c in range(at, at + 64)) for at in [*range(0xA0, 0xD7C0, 64), *range(0x1F300, 0x1FA00, 64)]
    ]
    texts = [Path(p).read_text(encoding="utf8") for p in sorted(sources)]
    tokenizer.train_from_iterator(texts + scripts * 3, trainer)
    tokenizer.add_special_tokens(MARKERS)
    tokenizer.save(str(file))


def main() -> None:
    file, root = Path(sys.argv[1]), Path(sys.argv[2])
    if not file.exists():
        train(file, root)
    special = Tokenizer.from_file(str(file))
    data = json.loads(file.read_text(encoding="utf8"))
    data["added_tokens"] = []
    plain = Tokenizer.from_str(json.dumps(data))
    print("ready", flush=True)
    for line in sys.stdin:
        texts = json.loads(line)
        ids = {
            name: [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
            for name, tokenizer in (("plain", plain), ("special", special))
        }
        print(json.dumps(ids), flush=True)


main()
