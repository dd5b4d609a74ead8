"""Log-probabilities of given answers to the golden cases, in PyTorch (float32), each by teacher forcing.

    python tools/reference/scores.py test/fixtures/golden

Writes scores.json beside cases.json: for each case, answers with their ids (by the `tokenizers` package), the
log-probability of each id after the prompt and the ids before it, and the standard deviation of the logits that it
comes from, in which the bounds of errors are stated.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

import owl3_reference as reference

YES = ["Yes", "yes", "YES", " Yes", " yes"]
NO = ["No", "no", "NO", " No", " no"]
ANSWERS = ["A", "B", "a red square", "A red square on a white background.", "你好 naïve café 🦉", *YES, *NO]


def main(folder: Path) -> None:
    cases = json.loads((folder / "cases.json").read_text())
    tensors = load_file(folder / "tensors.safetensors")
    tokenizer = Tokenizer.from_file(str(folder / "model/tokenizer.json"))
    c, w = reference.read_checkpoint(folder / "model")
    out = []
    for case in cases:
        key = case["name"].replace(" ", "_").replace(",", "")
        prompt, offsets = case["input_ids"], case["media_offset"]
        pixels = tensors.get(f"{key}/pixel_values")
        embeds = None if pixels is None else reference.image_embeds(c, w, pixels.permute(0, 2, 3, 1))
        answers = []
        for text in ANSWERS:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            rows = reference.logits(c, w, prompt + ids[:-1], offsets, embeds)[len(prompt) - 1 :]
            logprobs = torch.log_softmax(rows.double(), -1)[torch.arange(len(ids)), torch.tensor(ids)]
            deviations = rows.std(-1, correction=0)
            answers.append({"text": text, "ids": ids, "logprobs": rounded(logprobs), "deviations": rounded(deviations)})
        out.append({"name": case["name"], "answers": answers})
    (folder / "scores.json").write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n")


def rounded(values: torch.Tensor) -> list[float]:
    return [round(float(x), 6) for x in values]


if __name__ == "__main__":
    with torch.inference_mode():
        main(Path(sys.argv[1]))
