"""Picture -> crops as mPLUG-Owl3 cuts them, and what there is to see at each patch of each crop (for the vision warm-up)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from world import COLOR_NAMES, GLYPHS, GRIDS, SHAPES, Scene

SIDE, PATCH, N = 126, 14, 9
# per patch: shape, color, size, cell, middle, glyph; -1 = not asked
PER_PATCH = {
    "shape": len(SHAPES) + 1,
    "color": len(COLOR_NAMES),
    "size": 2,
    "cell": 9,
    "middle": 2,
    "glyph": len(GLYPHS) + 1,
}
# per view, asked at every patch
PER_VIEW = {
    "view": 2,
    "backdrop": 3,
    "ground": len(COLOR_NAMES),
    "total": 7,
    **{f"n_{s}": 7 for s in SHAPES},
    **{f"n_{c}": 7 for c in COLOR_NAMES},
}


@lru_cache(65536)
def choose_grid(w, h, s):
    """Rows and columns of the cutting grid: shape first, size second; integer boxes, float32 scores, first best wins."""

    def iou(a, b):
        inter = np.float32(min(a[0], b[0]) * min(a[1], b[1]))
        return inter / (np.float32(a[0] * a[1]) + np.float32(b[0] * b[1]) - inter + np.float32(1e-5))

    best, rank = None, None
    for r, c in GRIDS:
        box = (c * s, r * s)
        score = iou(box, (c * s, int(h / w * (c * s)))) * np.float32(100) + iou(box, (w, h))
        if rank is None or score > rank:
            best, rank = (r, c), score
    return best


def cut(img: Image.Image, whole_only=False):
    """uint8 [n, 126, 126, 3], the global view last, and the grid (None when not cut)."""
    view = np.asarray(img.resize((SIDE, SIDE), Image.BICUBIC))[None]
    if whole_only:
        return view, None
    r, c = choose_grid(*img.size, SIDE)
    big = np.asarray(img.resize((c * SIDE, r * SIDE), Image.BICUBIC))
    crops = big.reshape(r, SIDE, c, SIDE, 3).swapaxes(1, 2).reshape(r * c, SIDE, SIDE, 3)
    return np.concatenate([crops, view]), (r, c)


def outlines(mask: Image.Image, grid):
    """uint8 [views, 81, 49]: how much of each 2 x 2 block of each patch is drawn on."""
    k = SIDE // 2
    views = [np.asarray(mask.resize((k, k), Image.BOX))[None]]
    if grid:
        r, c = grid
        big = np.asarray(mask.resize((c * k, r * k), Image.BOX))
        views = [big.reshape(r, k, c, k).swapaxes(1, 2).reshape(r * c, k, k)] + views
    x = np.concatenate(views)
    return x.reshape(-1, N, 7, N, 7).swapaxes(2, 3).reshape(-1, N * N, 49)


def labels(s: Scene, grid):
    """int8 [views, 81, per patch], int8 [views, per view] in the order of the tables above."""
    boxes = [(0.0, 0.0, 1.0, 1.0)]
    if grid:
        r, c = grid
        boxes = [(j / c, i / r, 1 / c, 1 / r) for i in range(r) for j in range(c)] + boxes
    patch = np.full((len(boxes), N * N, len(PER_PATCH)), -1, np.int8)
    patch[:, :, 0] = patch[:, :, 4] = 0
    patch[:, :, 5] = 0
    view = np.full((len(boxes), len(PER_VIEW)), -1, np.int8)
    m = min(s.width, s.height)
    for v, (x0, y0, bw, bh) in enumerate(boxes):
        whole = v == len(boxes) - 1
        kx, ky = SIDE / bw, SIDE / bh  # pixels of this view per picture width, height
        px = (np.arange(N * N) % N + 0.5) * PATCH
        py = (np.arange(N * N) // N + 0.5) * PATCH
        near = np.full(N * N, 9e9)
        for t in s.things:
            cx, cy = (t.x - x0) * kx, (t.y - y0) * ky
            rx, ry = t.diameter * m / 6 / s.width * kx, t.diameter * m / 6 / s.height * ky
            if cx + rx < 0 or cy + ry < 0 or cx - rx > SIDE or cy - ry > SIDE:
                continue
            mid = (np.abs(px - cx) <= PATCH / 2) & (np.abs(py - cy) <= PATCH / 2)
            d = ((px - cx) / (rx + 4)) ** 2 + ((py - cy) / (ry + 4)) ** 2
            d[mid] = 0
            on = (d < 1) & (d < near)
            near[on] = d[on]
            patch[v, on, 0] = 1 + SHAPES.index(t.shape)
            patch[v, on, 1] = COLOR_NAMES.index(t.color)
            patch[v, on, 2] = (t.size == "large") if whole else -1
            patch[v, on, 3] = t.cell if whole and t.settled else -1
            patch[v, mid, 4] = 1
        for g in s.glyphs:
            cx, cy = (g.x - x0) * kx, (g.y - y0) * ky
            half = g.height / 2 + 3
            on = (np.abs(px - cx) < half) & (np.abs(py - cy) < half)
            patch[v, on, 5] = -1 if whole and grid else 1 + GLYPHS.index(g.char)
        view[v, 0] = 0 if whole else 1
        view[v, 1] = ["plain", "gradient", "noise"].index(s.backdrop)
        if s.backdrop != "gradient":
            view[v, 2] = COLOR_NAMES.index(s.color)
        if whole:
            counts = (
                [len(s.things)]
                + [sum(t.shape == k for t in s.things) for k in SHAPES]
                + [sum(t.color == k for t in s.things) for k in COLOR_NAMES]
            )
            view[v, 3:] = counts
    return patch, view
