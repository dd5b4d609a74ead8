"""Which grid a picture is cut into: the rule of mPLUG-Owl3's image processor (src/prompt/grid.ts is owl3's own)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

CROP_SIZE = 126  # pixels a side
GRIDS = [(2, 2), (1, 3), (1, 4), (3, 1), (4, 1), (2, 3), (3, 2)]  # rows, columns


def iou(a, b):
    """Intersection over union of two boxes (width, height) that share a corner, in float32 as PyTorch computes it."""
    inter = np.float32(min(a[0], b[0]) * min(a[1], b[1]))
    return inter / (np.float32(a[0] * a[1]) + np.float32(b[0] * b[1]) - inter + np.float32(1e-5))


@lru_cache(65536)
def choose_grid(w, h, s=CROP_SIZE):
    """Rows and columns of a w x h picture's grid. Aspect ratio counts a hundred times as much as size; the first best
    wins.
    """
    best, rank = None, None
    for r, c in GRIDS:
        box = (c * s, r * s)
        score = iou(box, (c * s, int(h / w * (c * s)))) * np.float32(100) + iou(box, (w, h))
        if rank is None or score > rank:
            best, rank = (r, c), score
    return best
