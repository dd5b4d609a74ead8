"""Pictures to crops and questions to ids, as the processors of the releases do it: the part before the forward pass.

For models whose tokenizer has bytes and three special tokens alone (random_checkpoint.py). Needs torch and Pillow below
12.3, which changed the order of BICUBIC's passes.
"""

from __future__ import annotations

from pathlib import Path

import torch

GRIDS = [(2, 2), (1, 3), (1, 4), (3, 1), (4, 1), (2, 3), (3, 2)]  # rows, columns
SPECIAL = {"<|endoftext|>": 256, "<|im_start|>": 257, "<|im_end|>": 258}
PLACEHOLDER = "<|image|>"


def choose_grid(width: int, height: int, s: int) -> tuple[int, int]:
    """The grid of s x s squares that fits a picture best, by shape first and then by size; the first of equals."""
    boxes = torch.tensor([[0, 0, c * s, r * s] for r, c in GRIDS])
    area = boxes[:, 2] * boxes[:, 3]
    shaped = boxes.clone()
    shaped[:, 3] = height / width * boxes[:, 2]

    def iou(other: torch.Tensor) -> torch.Tensor:
        inter = torch.minimum(boxes[:, 2], other[:, 2]) * torch.minimum(boxes[:, 3], other[:, 3])
        return inter / (area + other[:, 2] * other[:, 3] - inter + 1e-5)

    rank = iou(shaped) * 100 + iou(torch.tensor([[0, 0, width, height]]).expand(len(GRIDS), 4))
    return GRIDS[int(torch.argmax(rank))]


def cut(picture, grid: tuple[int, int] | None, s: int) -> torch.Tensor:
    """A PIL picture as uint8 crops [n, s, s, 3]: resized to whole crops and cut row by row, the global view last."""
    from PIL import Image

    def resized(width: int, height: int) -> torch.Tensor:
        small = picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
        return torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).reshape(height, width, 3)

    out = []
    if grid:
        rows, columns = grid
        whole = resized(columns * s, rows * s)
        out = [whole[r * s : (r + 1) * s, c * s : (c + 1) * s] for r in range(rows) for c in range(columns)]
    return torch.stack([*out, resized(s, s)])


def picture_text(grid: tuple[int, int] | None, template: str) -> str:
    """What stands for a picture: v2 is 240728's template, v3 that of the releases after it."""
    if grid is None:
        return PLACEHOLDER
    rows, columns = grid
    if template == "v2":
        lines = [" ".join(f"subimg({r},{c}){PLACEHOLDER}" for c in range(columns)) for r in range(rows)]
        head = f"Cut to {rows} rows {columns} columns with a global view\n"
        return head + "\n".join(lines) + f"\nglobal_view{PLACEHOLDER}"
    lines = [" ".join([PLACEHOLDER] * columns)] * rows
    return f"<|start_cut|>{rows}*{columns}\n" + "\n".join(lines) + f"\n{PLACEHOLDER}<|end_cut|>"


def video_text(frames: int, template: str) -> str:
    text = PLACEHOLDER * frames
    return text if template == "v2" else f"<|start_video_frame|>{text}<|end_video_frame|>"


def question_ids(text: str) -> tuple[list[int], list[int]]:
    """The ids of a chat with one question, and the index of each placeholder's first id."""
    turns = [
        *("<|im_start|>", "system\n", "<|im_end|>", "\n", "<|im_start|>", "user\n"),
        text,
        *("<|im_end|>", "\n", "<|im_start|>", "assistant\n"),
    ]
    ids, starts = [], []
    for piece in turns:
        if piece in SPECIAL:
            ids.append(SPECIAL[piece])
            continue
        for i, part in enumerate(piece.split(PLACEHOLDER)):
            if i > 0:
                starts.append(len(ids))
                ids += byte_ids(PLACEHOLDER)
            ids += byte_ids(part)
    return ids, starts


def byte_ids(text: str) -> list[int]:
    """The printable bytes come first in GPT-2's alphabet, in their order, then the others."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    order = {byte: i for i, byte in enumerate(printable + [b for b in range(256) if b not in printable])}
    return [order[byte] for byte in text.encode()]


def prompt_case(name: str, media: list[dict], question: str, folder: Path, s: int, template: str):
    """A case of a question about media, and its crops [n, s, s, 3]: each medium is {"picture": file of the folder,
    "cut": whether} or {"video": files}.
    """
    from PIL import Image

    texts, crops, grids = [], [], []
    for item in media:
        grid = None
        for file in item.get("video") or [item["picture"]]:
            picture = Image.open(folder / file)
            grid = choose_grid(*picture.size, s) if item.get("cut") else None
            crops.append(cut(picture, grid, s))
        grids.append(grid)
        video = item.get("video")
        texts.append(video_text(len(video), template) if video else picture_text(grid, template))
    ids, starts = question_ids("\n".join(texts) + f"\n{question}")
    case = {
        "name": name,
        "question": question,
        "media": media,
        "grids": grids,
        "input_ids": ids,
        "media_offset": starts,
    }
    return case, torch.cat(crops)
